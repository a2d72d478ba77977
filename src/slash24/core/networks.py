"""Many named networks, and quick answers about them: what overlaps, and where room is left."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from slash24.core.addresses import IPNetwork, overlap


@dataclass(frozen=True, slots=True)
class NamedNetwork:
    """A network that somebody has: `name` says who."""

    name: str
    prefix: IPNetwork


class Networks:
    """An immutable set of named networks of both families.

    Two networks overlap only where one holds the other, so what overlaps `network` is found as its parents, one look at
    each prefix length in use, and its children, which stand side by side in the sorted list.
    """

    def __init__(self, named: Iterable[NamedNetwork] = ()) -> None:
        self._families = {4: _Family(), 6: _Family()}
        for one in sorted(named, key=lambda one: (int(one.prefix.network_address), one.prefix.prefixlen)):
            self._families[one.prefix.version].add(one)

    def __iter__(self) -> Iterator[NamedNetwork]:
        for family in self._families.values():
            yield from family.named

    def __len__(self) -> int:
        return sum(len(family.named) for family in self._families.values())

    def overlapping(self, network: IPNetwork) -> list[NamedNetwork]:
        """Return what shares an address with `network`, the widest first."""
        return self._families[network.version].overlapping(network)

    def first_free(self, prefix: int, within: IPNetwork, besides: Iterable[IPNetwork] = ()) -> IPNetwork | None:
        """Return the first network of length `prefix` inside `within` that touches none of these, nor of `besides`.

        None if there is no room, or `within` is smaller than that.
        """
        if prefix < within.prefixlen:
            return None
        others = sorted(
            (int(one.network_address), int(one.broadcast_address)) for one in besides if overlap(one, within)
        )
        return self._families[within.version].first_free(prefix, within, others)


class _Family:
    """The networks of one family, added in order of their first address, wider ones before narrower."""

    def __init__(self) -> None:
        self.named: list[NamedNetwork] = []
        self._starts: list[int] = []
        self._by_length: dict[int, dict[int, list[NamedNetwork]]] = {}
        # What is taken, as ranges without overlap: first and last address.
        self._first: list[int] = []
        self._last: list[int] = []

    def add(self, one: NamedNetwork) -> None:
        start, last = int(one.prefix.network_address), int(one.prefix.broadcast_address)
        self.named.append(one)
        self._starts.append(start)
        self._by_length.setdefault(one.prefix.prefixlen, {}).setdefault(start, []).append(one)
        if not self._last or start > self._last[-1]:
            self._first.append(start)
            self._last.append(last)

    def overlapping(self, network: IPNetwork) -> list[NamedNetwork]:
        start, last = int(network.network_address), int(network.broadcast_address)
        found: list[NamedNetwork] = []
        for length in sorted(self._by_length):
            if length <= network.prefixlen:
                host_bits = network.max_prefixlen - length
                found += self._by_length[length].get(start >> host_bits << host_bits, ())
        inside = self.named[bisect_left(self._starts, start) : bisect_right(self._starts, last)]
        return found + [one for one in inside if one.prefix.prefixlen > network.prefixlen]

    def first_free(self, prefix: int, within: IPNetwork, others: list[tuple[int, int]]) -> IPNetwork | None:
        size = 1 << (within.max_prefixlen - prefix)
        start, end = int(within.network_address), int(within.broadcast_address)
        index = bisect_left(self._last, start)
        while start + size - 1 <= end:
            while index < len(self._last) and self._last[index] < start:
                index += 1
            if index < len(self._first) and self._first[index] <= start + size - 1:
                obstacle = self._last[index]
            else:
                obstacle = next((last for first, last in others if first <= start + size - 1 and last >= start), -1)
            if obstacle < 0:
                return type(within)((start, prefix))
            start = (obstacle // size + 1) * size
        return None
