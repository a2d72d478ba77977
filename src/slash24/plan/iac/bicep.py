"""Bicep files: the resources that their declarations make, followed through parameters, variables and symbols."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from slash24.plan.iac import armdocument
from slash24.plan.iac.biceptext import Declaration, parse
from slash24.plan.iac.deployment import Deployment, symbol
from slash24.plan.iac.expression import Conditional, Expression, Fields, Literal, Loop, Name, Opaque, truth
from slash24.plan.iac.file import File
from slash24.plan.iac.node import Node, Place, Unknown
from slash24.plan.iac.resource import KINDS, Reading, Resource, Unchecked


def parameters(file: File) -> dict[str, Expression]:
    """Return what a .bicepparam file gives its template: name -> value. Raises ReadError."""
    declared, _ = parse(file)
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
        kind = one.type
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
