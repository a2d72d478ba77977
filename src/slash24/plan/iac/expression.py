"""Expressions of Terraform, Bicep, ARM templates and shells as one small language, and what they are worth.

Each reader turns its text into these; `Evaluator` gives the value, or says which part of it the files don't tell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from slash24.plan.iac.node import Node, Place, Plain, Unknown, Value, mapping, text_of

MAX_DEPTH = 120  # of nested expressions and of names that stand for names
MAX_STEPS = 400_000  # of one evaluation of a folder: what doubles at every step ends here
MAX_TEXT = 1 << 16
MAX_ITEMS = 10_000


@dataclass(frozen=True, slots=True)
class Literal:
    value: Plain
    line: int


@dataclass(frozen=True, slots=True)
class Template:
    """Texts and expressions, one after the other."""

    parts: "tuple[Expression, ...]"
    line: int


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Member:
    """`of[key]` and `of.key`."""

    of: "Expression"
    key: "Expression"
    line: int


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: "tuple[Expression, ...]"
    line: int


@dataclass(frozen=True, slots=True)
class Conditional:
    condition: "Expression"
    yes: "Expression"
    no: "Expression"
    line: int


@dataclass(frozen=True, slots=True)
class Operation:
    """`left operator right`; with one operand the operator stands before it."""

    operator: str
    operands: "tuple[Expression, ...]"
    line: int


@dataclass(frozen=True, slots=True)
class Items:
    items: "tuple[Expression, ...]"
    line: int


@dataclass(frozen=True, slots=True)
class Fields:
    fields: "tuple[tuple[Expression, Expression], ...]"
    line: int


@dataclass(frozen=True, slots=True)
class Loop:
    """A list, or with `key` an object, made by going through another. names: of the item, or of key and item."""

    over: "Expression"
    names: tuple[str, ...]
    body: "Expression"
    line: int
    key: "Expression | None" = None
    condition: "Expression | None" = None
    #: In Terraform the second name is the item and the first its index or key; Bicep has them the other way round.
    index_first: bool = True


@dataclass(frozen=True, slots=True)
class Opaque:
    """What a reader can't follow, and why."""

    reason: str
    text: str
    line: int


Expression = (
    Literal | Template | Name | Member | Call | Conditional | Operation | Items | Fields | Loop | Opaque
)  # fmt: skip
#: Given the arguments' values; raises ValueError where the language itself would fail.
Function = Callable[[Sequence[Value]], Value]


class Scope(Protocol):
    """What names mean where an expression stands."""

    def lookup(self, name: str, evaluator: "Evaluator") -> Node | None:
        """Return what a name stands for, None if nothing here has that name."""

    def call(self, call: Call, arguments: Sequence[Node], evaluator: "Evaluator") -> Node | None:
        """Return the value of a function that means something in this language only; None for the others."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A scope with some more names in it."""

    names: Mapping[str, Node]
    outer: Scope

    def lookup(self, name: str, evaluator: "Evaluator") -> Node | None:
        return self.names[name] if name in self.names else self.outer.lookup(name, evaluator)

    def call(self, call: Call, arguments: Sequence[Node], evaluator: "Evaluator") -> Node | None:
        return self.outer.call(call, arguments, evaluator)


class Evaluator:
    """Gives expressions their values, within bounds of depth, steps and size."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = functions
        self._depth = 0
        self._steps = 0

    def value(self, expression: Expression, scope: Scope, file: str) -> Node:
        """Return what an expression is worth; a part that is not known makes a hole, never a guess."""
        place = Place(file, expression.line)
        self._steps += 1
        if self._depth >= MAX_DEPTH:
            return Node(Unknown(f"expressions are nested deeper than {MAX_DEPTH}", "<deep>"), place)
        if self._steps > MAX_STEPS:
            return Node(Unknown("its expressions are too many to evaluate", "<large>"), place)
        self._depth += 1
        try:
            return self._value(expression, scope, place)
        finally:
            self._depth -= 1

    def _value(self, expression: Expression, scope: Scope, place: Place) -> Node:
        def value(inner: Expression) -> Node:
            return self.value(inner, scope, place.file)

        match expression:
            case Literal():
                return Node(expression.value, place)
            case Opaque():
                return Node(Unknown(expression.reason, expression.text), place)
            case Name():
                found = scope.lookup(expression.name, self)
                if found is None:
                    found = Node(Unknown(f"{expression.name} is not set here", f"<{expression.name}>"), place)
                return found.at(place)
            case Template():
                return joined([value(part) for part in expression.parts], place)
            case Member():
                return member(value(expression.of), value(expression.key), place)
            case Conditional():
                condition = value(expression.condition)
                if condition.unknown:
                    return Node(Unknown(f"depends on {condition.text}: {condition.unknown.reason}", "<either>"), place)
                return value(expression.yes if truth(condition.value) else expression.no).at(place)
            case Items():
                return Node(tuple(value(item) for item in expression.items[:MAX_ITEMS]), place)
            case Fields():
                return self._fields(expression, scope, place)
            case Operation():
                return self._operation(expression, scope, place)
            case Loop():
                return self._loop(expression, scope, place)
            case Call():
                return self._call(expression, scope, place)

    def _fields(self, expression: Fields, scope: Scope, place: Place) -> Node:
        found: dict[str, Node] = {}
        for key, inner in expression.fields:
            name = self.value(key, scope, place.file).text
            # The field's own line, not that of what it stands for.
            found[name] = self.value(inner, scope, place.file).at(Place(place.file, key.line))
        return Node(mapping(found), place)

    def _operation(self, expression: Operation, scope: Scope, place: Place) -> Node:
        operands = [self.value(operand, scope, place.file) for operand in expression.operands]
        if expression.operator in ("&&", "||"):
            decides = expression.operator == "||"
            if any(not one.unknown and truth(one.value) == decides for one in operands):
                return Node(decides, place)
        if expression.operator == "??":
            first = next((one for one in operands if one.value is not None), operands[-1])
            return first.at(place)
        hole = _hole(operands)
        if hole:
            return Node(hole, place)
        try:
            return Node(_operate(expression.operator, [operand.value for operand in operands]), place)
        except (ValueError, TypeError, ArithmeticError) as error:
            return Node(Unknown(f"{expression.operator} fails: {error}", "<failed>"), place)

    def _loop(self, expression: Loop, scope: Scope, place: Place) -> Node:
        over = self.value(expression.over, scope, place.file)
        pairs: list[tuple[Node, Node]]
        if isinstance(over.value, tuple):
            pairs = [(Node(index, over.place), item) for index, item in enumerate(over.value)]
        elif isinstance(over.value, Mapping):
            pairs = [(Node(key, item.place), item) for key, item in over.value.items()]
        else:
            reason = over.unknown.reason if over.unknown else "it is neither a list nor an object"
            return Node(Unknown(f"a loop over {over.text or 'this'}: {reason}", "<loop>"), place)
        items: list[Node] = []
        fields: dict[str, Node] = {}
        for key, item in pairs[:MAX_ITEMS]:
            ordered = (key, item) if expression.index_first else (item, key)
            values = (item,) if len(expression.names) == 1 else ordered
            inner = Bound(dict(zip(expression.names, values, strict=False)), scope)
            if expression.condition is not None:
                condition = self.value(expression.condition, inner, place.file)
                if condition.unknown:
                    return Node(Unknown(f"a loop with a condition on {condition.text}", "<loop>"), place)
                if not truth(condition.value):
                    continue
            body = self.value(expression.body, inner, place.file)
            if expression.key is None:
                items.append(body)
            else:
                fields[self.value(expression.key, inner, place.file).text] = body
        return Node(tuple(items) if expression.key is None else mapping(fields), place)

    def _call(self, expression: Call, scope: Scope, place: Place) -> Node:
        arguments = [self.value(argument, scope, place.file) for argument in expression.arguments]
        special = scope.call(expression, arguments, self)
        if special is not None:
            return special.at(place)
        function = self._functions.get(expression.name.lower())
        if function is None:
            return Node(Unknown(f"the function {expression.name} is not known here", f"<{expression.name}()>"), place)
        hole = _hole(arguments)
        if hole:
            return Node(Unknown(hole.reason, f"<{expression.name}({hole.text})>"), place)
        try:
            return Node(function([argument.value for argument in arguments]), place)
        except (ValueError, TypeError, IndexError, KeyError, ArithmeticError) as error:
            return Node(Unknown(f"{expression.name} fails: {error}", f"<{expression.name}()>"), place)


def truth(value: Value) -> bool:
    """Return whether a condition holds; "true" and "false" are truth values in Terraform."""
    return value is True or value == "true"


def _hole(nodes: Sequence[Node]) -> Unknown | None:
    return next((node.value for node in nodes if isinstance(node.value, Unknown)), None)


def joined(parts: Sequence[Node], place: Place) -> Node:
    """Return the parts as one text; holes stay holes within it. One part alone keeps its type."""
    if len(parts) == 1:
        return parts[0].at(place)
    if any(isinstance(part.value, tuple | Mapping) for part in parts):
        return Node(Unknown("a list or an object within a text", "<text>"), place)
    text = "".join(part.text for part in parts)
    if len(text) > MAX_TEXT:
        return Node(Unknown(f"its text is longer than {MAX_TEXT}", "<long>"), place)
    hole = _hole(parts)
    return Node(Unknown(hole.reason, text) if hole else text, place)


def member(of: Node, key: Node, place: Place) -> Node:
    """Return one item of a list or one field of an object; a hole if it isn't there or isn't known."""
    if of.unknown:
        inner = of.unknown.text[1:-1] if of.unknown.text.startswith("<") else of.unknown.text
        return Node(Unknown(of.unknown.reason, f"<{inner}.{key.text}>"), place)
    if key.unknown:
        return Node(Unknown(key.unknown.reason, f"<[{key.unknown.text}]>"), place)
    if isinstance(of.value, Mapping):
        found = of.get(text_of(key.value)) if isinstance(key.value, str | int) else None
        return found.at(place) if found else Node(Unknown(f"there is no {key.text} in it", f"<{key.text}>"), place)
    if isinstance(of.value, tuple):
        try:
            return of.value[int(text_of(key.value))].at(place)  # type: ignore[arg-type]  # a list is no index
        except (ValueError, IndexError, TypeError):
            return Node(Unknown(f"the list has no item {key.text}", f"<[{key.text}]>"), place)
    return Node(Unknown(f"{of.text or 'null'} has no field {key.text}", f"<{key.text}>"), place)


def _operate(operator: str, values: Sequence[Value]) -> Value:
    if len(values) == 1:
        return not truth(values[0]) if operator == "!" else -_number(values[0])
    left, right = values
    if operator in ("==", "!="):
        return (bare(left) == bare(right)) == (operator == "==")
    if operator in ("=~", "!~"):
        return (str(bare(left)).lower() == str(bare(right)).lower()) == (operator == "=~")
    if operator in ("&&", "||"):
        return truth(left) and truth(right) if operator == "&&" else truth(left) or truth(right)
    a, b = _number(left), _number(right)
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return a / b
        case "%":
            return a % b
        case "<":
            return a < b
        case ">":
            return a > b
        case "<=":
            return a <= b
        case ">=":
            return a >= b
    raise ValueError("it is not known here")


def _number(value: Value) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is no number")
    number = float(value)
    return int(number) if number.is_integer() else number


def bare(value: Value) -> object:
    """Return a value without its places, for comparing."""
    if isinstance(value, tuple):
        return [bare(item.value) for item in value]
    if isinstance(value, Mapping):
        return {key: bare(item.value) for key, item in value.items()}
    return value
