"""Bicep: text -> declarations and expressions by tree-sitter's grammar, and the resources that they make."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from slash24.plan.iac import armdocument
from slash24.plan.iac.deployment import Deployment, symbol
from slash24.plan.iac.expression import (
    Call,
    Conditional,
    Expression,
    Fields,
    Items,
    Literal,
    Loop,
    Member,
    Name,
    Opaque,
    Operation,
    Template,
    truth,
)
from slash24.plan.iac.file import File
from slash24.plan.iac.node import Node, Place, ReadError, Unknown
from slash24.plan.iac.resource import KINDS, Reading, Resource, Unchecked

if TYPE_CHECKING:  # imported when the first Bicep file is read
    from tree_sitter import Node as Tree
    from tree_sitter import Parser

#: Calls of the progress callback, about one per 100 steps of the parser, that an honest file of the largest size needs.
_PATIENCE = 20_000


@dataclass(frozen=True, slots=True)
class Declaration:
    """One `resource`, `module`, `param` or `var`. type: of a resource, without its version; a module's path."""

    word: str
    name: str
    value: Expression | None
    line: int
    type: str = ""
    existing: bool = False
    inner: "tuple[Declaration, ...]" = ()


def parse(file: File) -> tuple[list[Declaration], list[Unchecked]]:
    """Return the declarations of a file, and the lines that the grammar can't follow. Raises ReadError."""
    text = file.text.encode()
    file.refuse_deep_nesting()
    calls = 0

    def go_on(*_: object) -> bool:
        nonlocal calls
        calls += 1
        return calls > _PATIENCE  # true ends the parser's work

    try:
        # In pieces: the callback is asked only when the text comes so.
        tree = _parser().parse(lambda at, _: text[at : at + 4096], progress_callback=go_on)
    except ValueError as error:
        raise ReadError("it takes Bicep's grammar too long", Place(file.name, 1)) from error
    reader = _Reader(file.name)
    return list(reader.declarations(tree.root_node)), _faults(tree.root_node, file.name)


@cache
def _parser() -> "Parser":
    import tree_sitter_bicep
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bicep.language()))


def _faults(root: "Tree", file: str) -> list[Unchecked]:
    """Return the first line of each part that the grammar doesn't know; nothing in it is read."""
    found: list[Unchecked] = []
    stack = [root]
    while stack and len(found) < 20:
        node = stack.pop()
        if node.is_error or node.is_missing:
            found.append(Unchecked(Place(file, node.start_point[0] + 1), "Bicep's grammar doesn't go on here"))
        elif node.has_error:
            stack.extend(reversed(node.children))
    return found


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file

    def declarations(self, root: "Tree") -> Iterator[Declaration]:
        for node in root.named_children:
            found = self.declaration(node)
            if found is not None:
                yield found

    def declaration(self, node: "Tree") -> Declaration | None:
        line = _line(node)
        names = [child for child in node.children if child.type in ("identifier", "compatible_identifier")]
        match node.type:
            case "parameter_declaration" | "variable_declaration" if names:
                word = "param" if node.type.startswith("param") else "var"
                value = self.after_equals(node)
                if value is None and any(_is_nullable(child) for child in node.children):
                    value = Literal(None, line)
                return Declaration(word, _text(names[0]), value, line)
            case "assignment_expression" | "parameter_assignment" if names:  # of a .bicepparam
                return Declaration("param", _text(names[0]), self.after_equals(node), line)
            case "resource_declaration" | "module_declaration" if names:
                kind = next((_plain(child) for child in node.children if child.type == "string"), "")
                word = "resource" if node.type.startswith("resource") else "module"
                existing = any(child.type == "existing" for child in node.children)
                return Declaration(
                    word, _text(names[0]), self.after_equals(node), line, kind, existing, tuple(self.nested(node))
                )
        return None

    def nested(self, node: "Tree") -> Iterator[Declaration]:
        """Yield the resources that are written within a resource."""
        for child in node.children:
            if child.type in ("object", "if_statement", "for_statement"):
                for inner in child.children:
                    if inner.type == "resource_declaration":
                        found = self.declaration(inner)
                        if found is not None:
                            yield found
                    elif inner.type == "object":
                        yield from self.nested(child)

    def after_equals(self, node: "Tree") -> Expression | None:
        seen = False
        for child in node.children:
            if seen and child.is_named and child.type != "comment":
                return self.expression(child)
            seen = seen or child.type == "="
        return None

    def expression(self, node: "Tree") -> Expression:
        line = _line(node)
        parts = [child for child in node.named_children if child.type != "comment"]
        match node.type:
            case "string":
                return self.string(node, line)
            case "number":
                return Literal(int(_text(node)) if _text(node).isdecimal() else 0, line)
            case "boolean":
                return Literal(_text(node) == "true", line)
            case "null":
                return Literal(None, line)
            case "identifier" | "compatible_identifier" | "property_identifier":
                return Name(_text(node), line)
            case "parenthesized_expression" | "interpolation" if parts:
                return self.expression(parts[0])
            case "array":
                return Items(tuple(self.expression(part) for part in parts), line)
            case "object":
                fields = [part for part in parts if part.type == "object_property" and len(part.named_children) > 1]
                return Fields(tuple(self.field(part) for part in fields), line)
            case "member_expression" | "resource_expression" if len(parts) == 2:
                return Member(self.expression(parts[0]), Literal(_text(parts[1]), line), line)
            case "subscript_expression" if len(parts) == 2:
                return Member(self.expression(parts[0]), self.expression(parts[1]), line)
            case "call_expression":
                return self.call(node, line)
            case "ternary_expression" if len(parts) == 3:
                return self.conditional(parts, line)
            case "binary_expression" | "unary_expression":
                sign = next((child.type for child in node.children if not child.is_named), "?")
                return Operation(sign, tuple(self.expression(part) for part in parts), line)
            case "nullable_return_type" | "non_null_assertion" if parts:
                return self.expression(parts[0])
            case "if_statement" if len(parts) == 2:
                condition, body = (self.expression(part) for part in parts)
                return Conditional(condition, body, Literal(None, line), line)
            case "for_statement":
                return self.loop(node, line)
        return Opaque("this part of Bicep is not followed", "<expression>", line)

    def conditional(self, parts: "Sequence[Tree]", line: int) -> Expression:
        condition, yes, no = (self.expression(part) for part in parts)
        return Conditional(condition, yes, no, line)

    def string(self, node: "Tree", line: int) -> Expression:
        parts: list[Expression] = []
        for child in node.children:
            if child.type == "interpolation":
                parts.append(self.expression(child))
            elif child.type == "string_content":
                parts.append(Literal(_text(child), line))
            elif child.type == "escape_sequence":
                parts.append(Literal(_ESCAPES.get(_text(child), _text(child)[1:]), line))
        if len(parts) == 1 and isinstance(parts[0], Literal):
            return parts[0]
        return Template(tuple(parts), line) if parts else Literal("", line)

    def field(self, node: "Tree") -> tuple[Expression, Expression]:
        key, value = [child for child in node.named_children if child.type != "comment"][:2]
        name: Expression = Literal(_text(key), _line(key))
        return self.expression(key) if key.type == "string" else name, self.expression(value)

    def call(self, node: "Tree", line: int) -> Expression:
        parts = [child for child in node.named_children if child.type != "comment"]
        given = next((child for child in parts if child.type == "arguments"), None)
        arguments = [] if given is None else [child for child in given.named_children if child.type != "comment"]
        if not parts or parts[0].type == "arguments":
            return Opaque("this call is not followed", "<call>", line)
        name = _text(parts[0])
        if "." in name and name.partition(".")[0] in ("az", "sys"):
            name = name.partition(".")[2]
        if not name.isidentifier():
            return Opaque(f"{name[:40]}() is not followed", f"<{name[:40]}()>", line)
        return Call(name, tuple(self.expression(child) for child in arguments), line)

    def loop(self, node: "Tree", line: int) -> Expression:
        names: list[str] = []
        parts: list[Tree] = []
        condition = None
        for child in node.named_children:
            if child.type == "for_loop_parameters":
                names = [_text(one) for one in child.named_children]
            elif child.type in ("loop_variable", "loop_enumerator"):
                names.append(_text(child))
            elif child.type != "comment":
                parts.append(child)
        if len(parts) != 2 or not names:
            return Opaque("this loop is not followed", "<loop>", line)
        body = self.expression(parts[1])
        if isinstance(body, Conditional) and parts[1].type == "if_statement":
            condition, body = body.condition, body.yes
        return Loop(self.expression(parts[0]), tuple(names), body, line, condition=condition, index_first=False)


_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\r": "\r"}


def _is_nullable(node: "Tree") -> bool:
    return node.type == "nullable_type" or (node.type == "type" and any(map(_is_nullable, node.children)))


def _line(node: "Tree") -> int:
    return int(node.start_point[0]) + 1


def _text(node: "Tree") -> str:
    return (node.text or b"").decode(errors="replace")


def _plain(node: "Tree") -> str:
    return "".join(_text(child) for child in node.children if child.type == "string_content")


def parameters(file: File) -> dict[str, Expression]:
    """Return what a .bicepparam file gives its template: name -> value. Raises ReadError."""
    # The grammar knows `param name = value` within a template, where a type stands before the sign.
    declared, _ = parse(File(file.name, file.text.replace("\nparam ", "\nvar ").encode()))
    return {one.name: one.value for one in declared if one.value is not None}


def read(file: File, given: Mapping[str, Expression] | None = None, values: str = "") -> Reading:
    """Return what a file makes. Raises ReadError.

    given, values: what a .bicepparam gives the parameters, and its name.
    """
    declared, unchecked = parse(file)
    template = Symbols(file, declared, given or {}, values)
    found = [one for declaration in declared for one in template.resources(declaration, unchecked)]
    return Reading(tuple(found), tuple(unchecked))


class Symbols:
    """The symbols of one file."""

    def __init__(
        self, file: File, declared: Sequence[Declaration], given: Mapping[str, Expression], values: str
    ) -> None:
        self._file = file.name
        self._scope = Deployment(file.name)
        self._named = {one.name: one for one in declared}
        self._bodies: dict[str, Node] = {}
        other = Deployment(values or file.name)
        for name, expression in given.items():
            other.define(name, expression)
        for one in declared:
            place = Place(file.name, one.line)
            if one.word == "param" and one.name in given:
                self._scope.makers[one.name.lower()] = _looked_up(other, one.name)
            elif one.word == "param" and one.value is None:
                self._scope.define(
                    one.name, Opaque(f"parameter {one.name} has no default value", f"<{one.name}>", one.line)
                )
            elif one.value is not None and one.word in ("param", "var"):
                self._scope.define(one.name, one.value)
            elif one.word == "resource":
                self._scope.makers[one.name.lower()] = self._symbol(one, place, ())
            elif one.word == "module":
                text = f"<{one.name}>"
                hole = Node(Unknown(f"what module {one.name} gives is not followed", text), place)
                self._scope.makers[one.name.lower()] = lambda hole=hole: hole  # type: ignore[misc]

    def _symbol(self, one: Declaration, place: Place, outer: tuple[Declaration, ...]) -> Callable[[], Node]:
        def make() -> Node:
            kind, names, group = self._identity(one, outer)
            node = symbol(kind, names, group, lambda: self._body(one), place)
            for inner in one.inner:
                self._scope.makers.setdefault(inner.name.lower(), self._symbol(inner, place, (*outer, one)))
            return node

        return make

    def _identity(self, one: Declaration, outer: tuple[Declaration, ...]) -> tuple[str, tuple[str, ...], str]:
        """Return a resource's type, its names with those of its parents, and its group."""
        kind = one.type.partition("@")[0]
        if outer:
            above, names, group = self._identity(outer[-1], outer[:-1])
            return f"{above}/{kind}" if "." not in kind else kind, (*names, self._property(one, "name")), group
        names = tuple(self._property(one, "name").split("/"))
        parent = _field(one.value, "parent")
        if isinstance(parent, Name) and parent.name in self._named and self._named[parent.name] is not one:
            _, above_names, group = self._identity(self._named[parent.name], ())
            return kind, (*above_names, *names), group
        scope = _field(one.value, "scope")
        group = "<group>"
        if scope is not None:
            found = self._scope.evaluator.value(scope, self._scope, self._file).get("name")
            group = found.text if found is not None else "<group>"
        return kind, names, group

    def _property(self, one: Declaration, name: str) -> str:
        field = _field(one.value, name)
        if field is None:
            return f"<{one.name}>"
        return self._scope.evaluator.value(field, self._scope, self._file).text

    def _body(self, one: Declaration) -> Node:
        if one.name not in self._bodies:
            value = one.value or Literal(None, one.line)
            if isinstance(value, Conditional):
                value = value.yes
            self._bodies[one.name] = Node(None, Place(self._file, one.line))  # while it is worked out
            self._bodies[one.name] = self._scope.evaluator.value(value, self._scope, self._file)
        return self._bodies[one.name]

    def resources(
        self, one: Declaration, unchecked: list[Unchecked], outer: tuple[Declaration, ...] = ()
    ) -> Iterator[Resource]:
        place = Place(self._file, one.line)
        if one.word == "module":
            unchecked.append(Unchecked(place, f"module {one.name} ({one.type}) is not followed"))
        if one.word != "resource":
            return
        kind, names, group = self._identity(one, outer)
        if kind.lower() in KINDS and self._is_made(one, place, unchecked):
            if isinstance(one.value, Loop):
                yield from self._looped(one, kind, names, group, unchecked)
            else:
                yield from armdocument.resources(kind, names, self._body(one), group=group, existing=one.existing)
        for inner in one.inner:
            yield from self.resources(inner, unchecked, (*outer, one))

    def _is_made(self, one: Declaration, place: Place, unchecked: list[Unchecked]) -> bool:
        if not isinstance(one.value, Conditional):
            return True
        worth = self._scope.evaluator.value(one.value.condition, self._scope, self._file)
        if worth.unknown:
            unchecked.append(Unchecked(place, f"whether {one.name} is made: {worth.unknown.reason}"))
            return True
        return truth(worth.value)

    def _looped(
        self, one: Declaration, kind: str, names: tuple[str, ...], group: str, unchecked: list[Unchecked]
    ) -> Iterator[Resource]:
        bodies = self._scope.evaluator.value(one.value or Literal(None, one.line), self._scope, self._file)
        if bodies.unknown:
            unchecked.append(Unchecked(bodies.place, f"how many {one.name} there are: {bodies.unknown.reason}"))
        for body in bodies.items() if not bodies.unknown else ():
            name = body.get("name")
            yield from armdocument.resources(kind, (*names[:-1], name.text if name else names[-1]), body, group=group)


def _looked_up(scope: Deployment, name: str) -> Callable[[], Node]:
    def make() -> Node:
        return scope.lookup(name, scope.evaluator) or Node(None, Place(scope.file, 1))

    return make


def _field(value: Expression | None, name: str) -> Expression | None:
    if isinstance(value, Conditional):
        value = value.yes
    if not isinstance(value, Fields):
        return None
    return next((inner for key, inner in value.fields if isinstance(key, Literal) and key.value == name), None)
