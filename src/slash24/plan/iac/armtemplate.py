"""ARM templates: parameters, variables and the expressions in their texts, `"[parameters('x')]"`."""

import re
from collections.abc import Iterator, Mapping, Sequence

from slash24.plan.iac import armdocument, jsontext
from slash24.plan.iac.deployment import Deployment
from slash24.plan.iac.expression import (
    Call,
    Conditional,
    Expression,
    Fields,
    Items,
    Literal,
    Member,
    Opaque,
)
from slash24.plan.iac.file import File
from slash24.plan.iac.node import Node, Place, ReadError, Unknown, mapping
from slash24.plan.iac.resource import KINDS, Reading, Resource, Unchecked

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>\w+)|(?P<sign>[().,\[\]]))")


def parse_expression(text: str, place: Place) -> Expression:
    """Return what is between the brackets of a template's text. Raises ReadError if it is no expression."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ReadError(f"the expression [{text[:60]}] is not one of an ARM template", place)
        tokens.append((match.lastgroup or "", match[match.lastgroup or 0]))
        at = match.end()
    return _Parser(tokens, place).whole()


class _Parser:
    def __init__(self, tokens: Sequence[tuple[str, str]], place: Place) -> None:
        self._tokens = [*tokens, ("end", "")]
        self._at = 0
        self._place = place

    def whole(self) -> Expression:
        found = self._term()
        if self._tokens[self._at][0] != "end":
            raise self._error()
        return found

    def _error(self) -> ReadError:
        return ReadError(f"an expression doesn't go on at {self._tokens[self._at][1] or 'its end'!r}", self._place)

    def _take(self, text: str = "") -> tuple[str, str]:
        token = self._tokens[self._at]
        if token[0] == "end" or (text and token[1] != text):
            raise self._error()
        self._at += 1
        return token

    def _term(self) -> Expression:
        kind, text = self._take()
        line = self._place.line
        found: Expression
        if kind == "text":
            found = Literal(text[1:-1].replace("''", "'"), line)
        elif kind == "number":
            found = Literal(int(text), line)
        elif kind == "name" and self._tokens[self._at][1] == "(":
            found = self._call(text)
        else:
            self._at -= 1
            raise self._error()
        while self._tokens[self._at][1] in (".", "["):
            if self._take()[1] == ".":
                found = Member(found, Literal(self._take()[1], line), line)
            else:
                found = Member(found, self._term(), line)
                self._take("]")
        return found

    def _call(self, name: str) -> Expression:
        self._take("(")
        arguments: list[Expression] = []
        while self._tokens[self._at][1] != ")" or self._tokens[self._at][0] == "text":
            arguments.append(self._term())
            if self._tokens[self._at][1] == ",":
                self._take()
        self._take(")")
        if name.lower() == "if" and len(arguments) == 3:
            return Conditional(arguments[0], arguments[1], arguments[2], self._place.line)
        return Call(name, tuple(arguments), self._place.line)


def expression(node: Node) -> Expression:
    """Return a value of a template as an expression."""
    line = node.place.line
    if isinstance(node.value, str):
        text = node.value
        if text.startswith("[[") or not (text.startswith("[") and text.endswith("]")):
            return Literal(text[1:] if text.startswith("[[") else text, line)
        try:
            return parse_expression(text[1:-1], node.place)
        except ReadError as error:
            return Opaque(error.reason, "<expression>", line)
    if isinstance(node.value, tuple):
        return Items(tuple(expression(item) for item in node.value), line)
    if isinstance(node.value, Mapping):
        return Fields(
            tuple((Literal(key, inner.place.line), expression(inner)) for key, inner in node.value.items()), line
        )
    if isinstance(node.value, Unknown):
        return Opaque(node.value.reason, node.value.text, line)
    return Literal(node.value, line)


def read(file: File, parameters: Node | None = None) -> Reading:
    """Return what a template makes. parameters: of a file of its own, name -> {"value": ...}. Raises ReadError."""
    document = jsontext.parse(file)
    template = Deployment(file.name)
    given = parameters.value if parameters is not None and isinstance(parameters.value, Mapping) else {}
    for name, node in _fields(document, "parameters"):
        value = given[name].get("value") if name in given else node.get("defaultValue")
        template.define(name, expression(value) if value is not None else _without_value(name, node))
    for name, node in _fields(document, "variables"):
        template.define(name, expression(node))
    found: list[Resource] = []
    unchecked: list[Unchecked] = []
    for node, outer in _nested(document, (), ""):
        _read_resource(template, node, outer, found, unchecked)
    return Reading(tuple(found), tuple(unchecked))


def _without_value(name: str, node: Node) -> Expression:
    return Opaque(f"parameter {name} has no default value", f"<{name}>", node.place.line)


def _fields(document: Node, name: str) -> Iterator[tuple[str, Node]]:
    found = document.get(name)
    if found is not None and isinstance(found.value, Mapping):
        yield from found.value.items()


def _nested(document: Node, outer: tuple[Node, ...], kind: str) -> Iterator[tuple[Node, tuple[str, tuple[Node, ...]]]]:
    """Yield each resource with the type and the names of those that it is written in."""
    listed = document.get("resources")
    if listed is None:
        return
    inner = list(listed.value.values()) if isinstance(listed.value, Mapping) else list(listed.items())
    for node in inner:
        yield node, (kind, outer)
        name, type_ = node.get("name"), node.get("type")
        if name is not None and type_ is not None:
            whole = f"{kind}/{type_.text}" if kind and "." not in type_.text else type_.text
            yield from _nested(node, (*outer, name), whole)


def _read_resource(
    template: Deployment,
    node: Node,
    outer: tuple[str, tuple[Node, ...]],
    found: list[Resource],
    unchecked: list[Unchecked],
) -> None:
    type_ = node.get("type")
    kind = type_.text if type_ is not None else ""
    kind = f"{outer[0]}/{kind}" if outer[0] and "." not in kind else kind
    if kind.lower() == "microsoft.resources/deployments":
        unchecked.append(Unchecked(node.place, "a nested deployment is not followed"))
        return
    if kind.lower() not in KINDS:
        return
    condition = node.get("condition")
    if condition is not None:
        worth = template.evaluator.value(expression(condition), template, template.file)
        if worth.unknown:
            unchecked.append(Unchecked(condition.place, f"whether it is made: {worth.unknown.reason}"))
        elif worth.value is not True:
            return
    if node.get("copy") is not None:
        unchecked.append(Unchecked(node.place, "copies of a resource are not followed; one of them is read"))
    body = (
        {key: one for key, one in node.value.items() if key != "resources"} if isinstance(node.value, Mapping) else {}
    )
    document = template.evaluator.value(expression(Node(mapping(body), node.place)), template, template.file)
    names: list[str] = []
    for one in (*outer[1], node.get("name")):
        if one is not None:
            names += template.evaluator.value(expression(one), template, template.file).text.split("/")
    found += armdocument.resources(kind, tuple(names[-kind.count("/") :]), document)
