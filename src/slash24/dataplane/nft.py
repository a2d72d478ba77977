"""nft tables as values, and the text that makes the kernel have them.

A table is replaced whole (add, delete, add: `destroy` needs nft 1.0.8); if only the elements of its sets differ, they
alone are changed, which keeps counters going.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from slash24.core.addresses import IPAddress, IPNetwork


@dataclass(frozen=True, slots=True)
class Set:
    """A set of addresses or of networks; nft needs to know which of them (`interval`)."""

    name: str
    elements: frozenset[IPAddress] | frozenset[IPNetwork]
    interval: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain: `hook` is nft's `type ... hook ... priority ...`, "" if only other chains lead here."""

    name: str
    hook: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One of our tables, of family ip."""

    name: str
    chains: tuple[Chain, ...]
    sets: tuple[Set, ...] = ()
    counters: tuple[str, ...] = ()


def render(table: Table, counted: Mapping[str, tuple[int, int]] | None = None) -> str:
    """Return the nft commands, one a line, that replace `table` whole.

    counted: what the named counters have counted so far, name -> (packets, bytes), so that they go on from there.
    """
    counted = counted or {}
    lines = [f"add table ip {table.name}", f"delete table ip {table.name}", f"add table ip {table.name}"]
    for counter in table.counters:
        packets, size = counted.get(counter, (0, 0))
        start = f" {{ packets {packets} bytes {size} ; }}" if packets else ""
        lines.append(f"add counter ip {table.name} {counter}{start}")
    for group in table.sets:
        flags = " flags interval ;" if group.interval else ""
        lines.append(f"add set ip {table.name} {group.name} {{ type ipv4_addr ;{flags} }}")
        lines.extend(_elements("add", table, group.name, group.elements))
    for chain in table.chains:
        hook = f" {{ {chain.hook} ; policy accept ; }}" if chain.hook else ""
        lines.append(f"add chain ip {table.name} {chain.name}{hook}")
    for chain in table.chains:
        lines.extend(f"add rule ip {table.name} {chain.name} {rule}" for rule in chain.rules)
    return "\n".join(lines) + "\n"


def render_change(before: Table | None, after: Table, counted: Mapping[str, tuple[int, int]] | None = None) -> str:
    """Return the commands that turn `before`, which the kernel has (None: it has none), into `after`; "" if equal."""
    if before == after:
        return ""
    if before is None or _frame(before) != _frame(after):
        return render(after, counted)
    lines = []
    for old, new in zip(before.sets, after.sets, strict=True):
        lines += _elements("delete", after, new.name, frozenset(old.elements) - frozenset(new.elements))
        lines += _elements("add", after, new.name, frozenset(new.elements) - frozenset(old.elements))
    return "\n".join(lines) + "\n"


def _frame(table: Table) -> object:
    """What of a table can't be changed element by element."""
    return table.name, table.chains, table.counters, [(group.name, group.interval) for group in table.sets]


def _elements(verb: str, table: Table, name: str, elements: Iterable[IPAddress | IPNetwork]) -> list[str]:
    text = ", ".join(str(element) for element in sorted(elements, key=_order))
    return [f"{verb} element ip {table.name} {name} {{ {text} }}"] if text else []


def _order(element: IPAddress | IPNetwork) -> tuple[int, int]:
    if isinstance(element, IPv4Network | IPv6Network):
        return int(element.network_address), element.prefixlen
    return int(element), element.max_prefixlen
