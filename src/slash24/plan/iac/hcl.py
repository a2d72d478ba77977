"""Terraform's language: text -> blocks, attributes and expressions, by python-hcl2's grammar."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

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
)
from slash24.plan.iac.file import File
from slash24.plan.iac.node import Place, ReadError


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str
    value: Expression
    line: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block: `labels` are the texts behind its type; a body has attributes and blocks in their order."""

    type: str
    labels: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    blocks: "tuple[Block, ...]"
    line: int

    def get(self, name: str) -> Expression | None:
        return next((attribute.value for attribute in self.attributes if attribute.name == name), None)


def parse(file: File) -> Block:
    """Return the file as one block without a type. Raises ReadError at what the grammar doesn't know."""
    text = file.text
    file.refuse_deep_nesting()
    from lark.exceptions import LarkError  # here and not above: a command that reads no Terraform needs no grammar

    try:
        tree = _grammar().parse(text + "\n")
    except LarkError as error:
        line = getattr(error, "line", 0)
        line = line if isinstance(line, int) and line > 0 else text.count("\n") + 1
        raise ReadError("Terraform's grammar doesn't go on here", Place(file.name, line)) from error
    try:
        return _Builder().body(tree.children[0], "", (), 1)
    except RecursionError as error:  # a sum of a thousand terms is a thousand expressions deep
        raise ReadError("an expression is nested too deep", Place(file.name, 1)) from error


@cache
def _grammar() -> Any:
    from hcl2.parser import parser

    return parser()


class _Builder:
    """Turns the grammar's tree into blocks. Trees and tokens of lark have no types, so they are Any here."""

    def body(self, tree: Any, kind: str, labels: tuple[str, ...], line: int) -> Block:
        attributes, blocks = [], []
        for child in tree.children:
            if _rule(child) == "attribute":
                name, _, value = child.children
                attributes.append(Attribute(_word(name), self.expression(value), _line(child)))
            elif _rule(child) == "block":
                words = [part for part in child.children if _rule(part) not in ("", "new_line_or_comment", "body")]
                inner = next(part for part in child.children if _rule(part) == "body")
                first, *rest = [_word(word) for word in words]
                blocks.append(self.body(inner, first, tuple(rest), _line(child)))
        return Block(kind, labels, tuple(attributes), tuple(blocks), line)

    def expression(self, tree: Any) -> Expression:
        line = _line(tree)
        parts = [child for child in tree.children if _rule(child) != "new_line_or_comment"]
        match _rule(tree):
            case "expr_term":
                inner = [part for part in parts if _rule(part)]
                return self.expression(inner[0])
            case "identifier":
                return Name(str(parts[0]), line)
            case "literal_value":
                return Literal({"true": True, "false": False}.get(str(parts[0])), line)
            case "int_lit":
                return Literal(int(parts[0]), line)
            case "float_lit":
                return Literal(float(parts[0]), line)
            case "string":
                return self.template(parts[1:-1], line)
            case "tuple":
                return Items(tuple(self.expression(part) for part in parts if _rule(part)), line)
            case "object":
                return Fields(tuple(self.field(part) for part in parts if _rule(part) == "object_elem"), line)
            case "conditional":
                condition, yes, no = (self.expression(part) for part in parts if _rule(part))
                return Conditional(condition, yes, no, line)
            case "unary_op":
                return Operation(str(parts[0]), (self.expression(parts[1]),), line)
            case "binary_op":
                operator, right = (part for part in parts[1].children if _rule(part) != "new_line_or_comment")
                return Operation(str(operator.children[0]), (self.expression(parts[0]), self.expression(right)), line)
            case "get_attr_expr_term" | "index_expr_term":
                return Member(self.expression(parts[0]), self.key(parts[1]), line)
            case "attr_splat_expr_term" | "full_splat_expr_term":
                return self.splat(parts[0], parts[1], line)
            case "function_call":
                return self.call(parts, line)
            case "for_tuple_expr" | "for_object_expr":
                return self.loop(parts, line)
        return Opaque("this kind of expression is not followed", "<expression>", line)

    def template(self, parts: list[Any], line: int) -> Expression:
        found: list[Expression] = []
        for part in parts:
            inner = part.children[0]
            if _rule(inner) == "interpolation":
                found.append(self.expression(inner.children[1]))
            elif _rule(inner):
                found.append(Opaque("a template with a directive is not followed", "<directive>", line))
            else:
                found.append(Literal(_unescaped(str(inner)), line))
        return Template(tuple(found), line) if found else Literal("", line)

    def field(self, tree: Any) -> tuple[Expression, Expression]:
        key, _, value = (part for part in tree.children if _rule(part) != "new_line_or_comment")
        inner = key.children[0]
        word = inner.children[0] if _rule(inner) == "expr_term" else inner
        if _rule(word) in ("identifier", "keyword", "literal_value"):  # a bare word as a key is a text
            return Literal(_word(word), _line(tree)), self.expression(value)
        return self.expression(inner), self.expression(value)

    def key(self, tree: Any) -> Expression:
        """Return the key of `.name`, `.0` and `[expression]`."""
        inner = next(child for child in tree.children if _rule(child) or str(child).isdecimal())
        if not _rule(inner):
            return Literal(int(inner), _line(tree))
        if _rule(tree) == "get_attr":
            return Literal(_word(inner), _line(tree))
        return self.expression(inner)

    def splat(self, of: Any, rest: Any, line: int) -> Expression:
        """`list[*].a.b` is a loop over the list."""
        body: Expression = Name("each item", line)
        for step in rest.children:
            if _rule(step):
                body = Member(body, self.key(step), line)
        return Loop(self.expression(of), ("each item",), body, line)

    def call(self, parts: list[Any], line: int) -> Expression:
        name = "::".join(_word(part) for part in parts if _rule(part) == "identifier")
        given = next((part for part in parts if _rule(part) == "arguments"), None)
        arguments = [] if given is None else given.children
        if any(str(part) == "..." for part in arguments if not _rule(part)):
            return Opaque(f"{name}() with a list spread over its arguments is not followed", f"<{name}()>", line)
        return Call(
            name,
            tuple(self.expression(part) for part in arguments if _rule(part) not in ("", "new_line_or_comment")),
            line,
        )

    def loop(self, parts: list[Any], line: int) -> Expression:
        intro = next(part for part in parts if _rule(part) == "for_intro")
        words = [part for part in intro.children if _rule(part) not in ("", "new_line_or_comment")]
        *names, over = words
        condition = next((part for part in parts if _rule(part) == "for_cond"), None)
        values = [part for part in parts if _rule(part) not in ("", "for_intro", "for_cond")]
        if any(str(part) == "..." for part in parts if not _rule(part)):
            return Opaque("a loop that groups with ... is not followed", "<loop>", line)
        return Loop(
            self.expression(over),
            tuple(_word(name) for name in names),
            self.expression(values[-1]),
            line,
            key=self.expression(values[0]) if len(values) == 2 else None,
            condition=self.expression(condition.children[-1]) if condition is not None else None,
        )


def _rule(tree: Any) -> str:
    """Return the name of a tree's rule, "" for a token."""
    return str(getattr(tree, "data", ""))


def _line(tree: Any) -> int:
    return int(getattr(tree.meta, "line", 1))


def _word(tree: Any) -> str:
    """Return the text of an identifier, a keyword, or a quoted label."""
    if _rule(tree) == "string":
        return "".join(str(token) for part in tree.children if _rule(part) for token in _tokens(part))
    return str(tree.children[0])


def _tokens(tree: Any) -> Iterator[Any]:
    for child in tree.children:
        if _rule(child):
            yield from _tokens(child)
        else:
            yield child


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text.replace("$${", "${").replace("%%{", "%{")
    result, escaped = "", False
    for letter in text:
        result += _ESCAPES.get(letter, "\\" + letter) if escaped else "" if letter == "\\" else letter
        escaped = letter == "\\" and not escaped
    return result
