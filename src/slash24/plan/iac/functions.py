"""The functions of Terraform, Bicep and ARM templates that say something about addresses, names and lists.

Names are in lower case: Bicep and ARM don't mind case. Where Terraform and Bicep have one name for different things, as
`join` and `cidrsubnet`, each has its own table. Sources: docs/sources.md#functions.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_network

from slash24.core.addresses import IPNetwork
from slash24.plan.iac.expression import MAX_ITEMS, MAX_TEXT, Function, bare
from slash24.plan.iac.node import Node, Place, Unknown, Value, mapping, text_of

_NOWHERE = Place("", 0)  # what a function makes has no line; the reader gives it that of its use


def _text(value: Value) -> str:
    if isinstance(value, str | int | float):
        return text_of(value)
    raise ValueError("it takes a text")


def _number(value: Value) -> int:
    number = float(_text(value))
    if not number.is_integer():
        raise ValueError(f"it takes a whole number, not {number}")
    return int(number)


def _items(value: Value) -> tuple[Node, ...]:
    if not isinstance(value, tuple):
        raise ValueError("it takes a list")
    return value


def _fields(value: Value) -> Mapping[str, Node]:
    if not isinstance(value, Mapping):
        raise ValueError("it takes an object")
    return value


def _texts(value: Value) -> list[str]:
    items = [item.value for item in _items(value)]
    if any(isinstance(item, Unknown) for item in items):
        raise ValueError("an item of the list is not known")
    return [_text(item) for item in items]


def _network(value: Value) -> IPNetwork:
    return ip_network(_text(value), strict=False)


def _listed(values: Sequence[Value]) -> tuple[Node, ...]:
    return tuple(Node(value, _NOWHERE) for value in values[:MAX_ITEMS])


def _part(network: IPNetwork, prefix: int, number: int) -> str:
    if not network.prefixlen <= prefix <= network.max_prefixlen:
        raise ValueError(f"{network} has no subnets of /{prefix}")
    if not 0 <= number < 1 << (prefix - network.prefixlen):
        raise ValueError(f"{network} has no subnet {number} of /{prefix}")
    size = 1 << (network.max_prefixlen - prefix)
    return str(type(network)((int(network.network_address) + number * size, prefix)))


def cidrsubnet(values: Sequence[Value]) -> Value:
    """Terraform: `cidrsubnet(range, new bits, number)`."""
    network = _network(values[0])
    return _part(network, network.prefixlen + _number(values[1]), _number(values[2]))


def cidr_subnet(values: Sequence[Value]) -> Value:
    """Bicep and ARM: `cidrSubnet(range, new prefix length, number)`."""
    return _part(_network(values[0]), _number(values[1]), _number(values[2]))


def cidrsubnets(values: Sequence[Value]) -> Value:
    """Terraform: several subnets, one behind the other, each with its number of new bits."""
    network = _network(values[0])
    found: list[Value] = []
    start = int(network.network_address)
    for bits in values[1:]:
        prefix = network.prefixlen + _number(bits)
        if not network.prefixlen <= prefix <= network.max_prefixlen:
            raise ValueError(f"{network} has no subnets of /{prefix}")
        size = 1 << (network.max_prefixlen - prefix)
        start = -(-start // size) * size
        part = type(network)((start, prefix))
        if not part.subnet_of(network):  # type: ignore[arg-type]  # both are of one family
            raise ValueError(f"{network} has no room for them")
        found.append(str(part))
        start += size
    return _listed(found)


def cidrhost(values: Sequence[Value]) -> Value:
    """Terraform: the address with that number; a negative one counts from the end."""
    return str(_network(values[0])[_number(values[1])])


def cidr_host(values: Sequence[Value]) -> Value:
    """Bicep: `cidrHost` counts from the first usable address, so 0 is .1."""
    return str(_network(values[0])[_number(values[1]) + 1])


def _format_terraform(values: Sequence[Value]) -> Value:
    text = _text(values[0])
    arguments = [_text(value) for value in values[1:]]
    result = ""
    for index, piece in enumerate(text.replace("%%", "\0").split("%")):
        if index == 0:
            result += piece
        elif piece[:1] in ("s", "d", "v"):
            result += arguments.pop(0) + piece[1:]
        else:
            raise ValueError(f"%{piece[:1]} is not followed here")
    return result.replace("\0", "%")


def _format_arm(values: Sequence[Value]) -> Value:
    result = _text(values[0])
    for index, value in enumerate(values[1:]):
        result = result.replace(f"{{{index}}}", _text(value))
    if len(result) > MAX_TEXT:
        raise ValueError("its text is too long")
    return result


def _concat(values: Sequence[Value]) -> Value:
    """Lists make a list, texts a text."""
    if any(isinstance(value, tuple) for value in values):
        return tuple(item for value in values for item in _items(value))[:MAX_ITEMS]
    return "".join(_text(value) for value in values)[:MAX_TEXT]


def _merge(values: Sequence[Value]) -> Value:
    found: dict[str, Node] = {}
    for value in values:
        if value is not None:
            found |= _fields(value)
    return mapping(found)


def _length(values: Sequence[Value]) -> Value:
    found = values[0]
    return len(found) if isinstance(found, str | tuple | Mapping) else len(_text(found))


def _contains(values: Sequence[Value]) -> Value:
    """Terraform and Bicep: an item of a list, a field of an object, a part of a text."""
    of, wanted = values
    if isinstance(of, tuple):
        return any(bare(item.value) == bare(wanted) for item in of)
    return _text(wanted) in (of if isinstance(of, str | Mapping) else _text(of))


def _lookup(values: Sequence[Value]) -> Value:
    found = _fields(values[0]).get(_text(values[1]))
    if found is not None:
        return found.value
    if len(values) < 3:
        raise ValueError(f"there is no {_text(values[1])} in it")
    return values[2]


def _first_not_null(values: Sequence[Value]) -> Value:
    return next((value for value in values if value is not None), None)


def _coalesce_terraform(values: Sequence[Value]) -> Value:
    return next((value for value in values if value not in (None, "")), None)


def _empty(values: Sequence[Value]) -> Value:
    return values[0] is None or values[0] == "" or (isinstance(values[0], tuple | Mapping) and not values[0])


def _extreme(values: Sequence[Value], pick: str) -> Value:
    numbers = [_number(item.value) for item in _items(values[0])] if isinstance(values[0], tuple) else []
    numbers = numbers or [_number(value) for value in values]
    return max(numbers) if pick == "max" else min(numbers)


def _range(values: Sequence[Value]) -> Value:
    """Bicep: `range(first, count)`."""
    first, count = _number(values[0]), _number(values[1])
    return _listed(list(range(first, first + min(count, MAX_ITEMS))))


def _range_terraform(values: Sequence[Value]) -> Value:
    numbers = [_number(value) for value in values]
    if len(numbers) == 3 and numbers[2] == 0:
        raise ValueError("its step is 0")
    return _listed(list(range(*numbers)[:MAX_ITEMS]))


def _flatten(values: Sequence[Value]) -> Value:
    found: list[Node] = []
    for item in _items(values[0]):
        found += item.value if isinstance(item.value, tuple) else [item]
    return tuple(found[:MAX_ITEMS])


def _substring(values: Sequence[Value]) -> Value:
    text, start = _text(values[0]), _number(values[1])
    count = _number(values[2]) if len(values) > 2 else len(text)
    return text[start:] if count < 0 else text[start : start + count]


def _element(values: Sequence[Value]) -> Value:
    items = _items(values[0])
    if not items:
        raise ValueError("the list is empty")
    return items[_number(values[1]) % len(items)].value


def _unique(values: Sequence[Value]) -> Value:
    found: list[Node] = []
    seen: set[str] = set()
    for item in _items(values[0]):
        key = repr(bare(item.value))
        if key not in seen:
            seen.add(key)
            found.append(item)
    return tuple(found)


_SHARED: dict[str, Function] = {
    "concat": _concat,
    "contains": _contains,
    "flatten": _flatten,
    "length": _length,
    "lower": lambda values: _text(values[0]).lower(),
    "max": lambda values: _extreme(values, "max"),
    "min": lambda values: _extreme(values, "min"),
    "replace": lambda values: _text(values[0]).replace(_text(values[1]), _text(values[2]))[:MAX_TEXT],
    "trim": lambda values: _text(values[0]).strip(_text(values[1]) if len(values) > 1 else None),
    "upper": lambda values: _text(values[0]).upper(),
}

TERRAFORM: dict[str, Function] = _SHARED | {
    "cidrhost": cidrhost,
    "cidrsubnet": cidrsubnet,
    "cidrsubnets": cidrsubnets,
    "coalesce": _coalesce_terraform,
    "distinct": _unique,
    "element": _element,
    "format": _format_terraform,
    "join": lambda values: _text(values[0]).join(_texts(values[1]))[:MAX_TEXT],
    "keys": lambda values: _listed(sorted(_fields(values[0]))),
    "lookup": _lookup,
    "merge": _merge,
    "one": lambda values: _items(values[0])[0].value if _items(values[0]) else None,
    "range": _range_terraform,
    "split": lambda values: _listed(_text(values[1]).split(_text(values[0]))),
    "substr": _substring,
    "tobool": lambda values: _text(values[0]) == "true",
    "tolist": lambda values: _items(values[0]),
    "tomap": lambda values: _fields(values[0]),
    "tonumber": lambda values: _number(values[0]),
    "toset": _unique,
    "tostring": lambda values: _text(values[0]),
    "trimspace": lambda values: _text(values[0]).strip(),
    "values": lambda values: tuple(_fields(values[0])[key] for key in sorted(_fields(values[0]))),
}

BICEP: dict[str, Function] = _SHARED | {
    "and": lambda values: all(value is True for value in values),
    "array": lambda values: values[0] if isinstance(values[0], tuple) else _listed([values[0]]),
    "bool": lambda values: _text(values[0]).lower() in ("true", "1"),
    "cidrhost": cidr_host,
    "cidrsubnet": cidr_subnet,
    "coalesce": _first_not_null,
    "createarray": lambda values: _listed(values),
    "div": lambda values: _number(values[0]) // _number(values[1]),
    "empty": _empty,
    "equals": lambda values: bare(values[0]) == bare(values[1]),
    "false": lambda _: False,
    "first": lambda values: values[0][:1] if isinstance(values[0], str) else _items(values[0])[0].value,
    "format": _format_arm,
    "greater": lambda values: _number(values[0]) > _number(values[1]),
    "int": lambda values: _number(values[0]),
    "join": lambda values: _text(values[1]).join(_texts(values[0]))[:MAX_TEXT],
    "last": lambda values: values[0][-1:] if isinstance(values[0], str) else _items(values[0])[-1].value,
    "less": lambda values: _number(values[0]) < _number(values[1]),
    "mod": lambda values: _number(values[0]) % _number(values[1]),
    "mul": lambda values: _number(values[0]) * _number(values[1]),
    "not": lambda values: values[0] is not True,
    "null": lambda _: None,
    "or": lambda values: any(value is True for value in values),
    "range": _range,
    "split": lambda values: _listed(_text(values[0]).split(_text(values[1]))),
    "string": lambda values: _text(values[0]),
    "sub": lambda values: _number(values[0]) - _number(values[1]),
    "substring": _substring,
    "take": lambda values: values[0][: _number(values[1])] if isinstance(values[0], str | tuple) else None,
    "tolower": lambda values: _text(values[0]).lower(),
    "toupper": lambda values: _text(values[0]).upper(),
    "true": lambda _: True,
    "union": lambda values: _merge(values) if isinstance(values[0], Mapping) else _unique([_concat(values)]),
    "add": lambda values: _number(values[0]) + _number(values[1]),
}
