"""Which changes of the kernel wake the agent."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from slash24.agent.kernelevents import Counts, KernelEvents
from slash24.dataplane.names import GUARD_TABLE
from slash24.kernel.monitor import ALL_LINKS, Change
from slash24.kernel.netlink import ROUTE_PROTOCOL

TUNNEL, UPLINK, POD = 3, 2, 40
OWN_PORT, OTHERS_PORT = 7001, 7002


class Told:
    """A monitor that tells what the test says."""

    def __init__(self) -> None:
        self.next: list[Change] = []

    def changes(self) -> Iterator[Change]:
        told, self.next = self.next, []
        yield from told


class Ears:
    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.events = KernelEvents(self.changed, OWN_PORT)
        self.monitor = Told()
        monitors: Any = (self.monitor,)
        self.events._monitors = monitors
        self.events.follow(tunnel=TUNNEL, uplink=UPLINK)

    def tell(self, *changes: Change) -> tuple[bool, bool]:
        """Return whether the agent is woken, and whether it has to look thoroughly."""
        self.changed.clear()
        self.monitor.next += changes
        self.events.hear()
        return self.changed.is_set(), self.events.take_suspicion()


@pytest.mark.parametrize(
    "change",
    [
        Change("link", POD), Change("link deleted", POD), Change("address", POD), Change("neighbour", POD),
        Change("neighbour deleted", POD), Change("route", 0, 32), Change("route deleted", 0, 32, ROUTE_PROTOCOL),
        Change("route deleted", 0, 24, 99), Change("nft", table="kube-proxy"), Change("transaction"),
        Change("settings", POD), Change("forwarding", POD), Change("neighbour", TUNNEL, port=OWN_PORT),
        Change("route", 0, 24, port=OWN_PORT),
    ],
    ids=str,
)  # fmt: skip
def test_what_concerns_pods_or_others_wakes_nobody(change: Change) -> None:
    assert Ears().tell(change) == (False, False)


@pytest.mark.parametrize(
    "change",
    [
        Change("settings"), Change("settings", ALL_LINKS), Change("settings", TUNNEL), Change("link", TUNNEL),
        Change("link deleted", TUNNEL), Change("address deleted", TUNNEL),
        Change("neighbour", TUNNEL), Change("neighbour deleted", TUNNEL), Change("route", 0, 24, 99),
        Change("neighbour", TUNNEL, port=OTHERS_PORT), Change("forwarding", TUNNEL),
        Change("forwarding deleted", TUNNEL), Change("route deleted", 0, 24, ROUTE_PROTOCOL),
    ],
    ids=str,
)  # fmt: skip
def test_what_concerns_the_overlay_is_looked_at(change: Change) -> None:
    assert Ears().tell(change) == (True, False)


@pytest.mark.parametrize(
    "change",
    [
        Change("lost"), Change("nft", table=GUARD_TABLE), Change("link", UPLINK), Change("link deleted", UPLINK),
        Change("address deleted", UPLINK), Change("route", 0, 0), Change("route deleted", 0, 0),
    ],
    ids=str,
)  # fmt: skip
def test_what_may_have_taken_more_along_is_looked_at_thoroughly(change: Change) -> None:
    assert Ears().tell(change) == (True, True)


def test_own_transactions_are_told_from_those_of_others() -> None:
    ears, ours = Ears(), [5]
    with ears.events.applying(lambda: Counts(transactions=ours[0])):
        ours[0] += 1
        ears.monitor.next = [Change("nft", table=GUARD_TABLE), Change("transaction")]
    assert (ears.changed.is_set(), ears.events.take_suspicion()) == (False, False)
    with ears.events.applying(lambda: Counts(transactions=ours[0])):
        ours[0] += 1
        ears.monitor.next = [Change("nft", table=GUARD_TABLE), Change("transaction"), Change("transaction")]
    assert (ears.changed.is_set(), ears.events.take_suspicion()) == (True, True)


@pytest.mark.parametrize(("made", "heard", "news"), [(2, 2, False), (2, 3, True), (2, 1, True), (0, 1, True)])
def test_own_forwarding_entries_are_told_from_those_of_others(made: int, heard: int, news: bool) -> None:
    ears, ours = Ears(), [1]
    with ears.events.applying(lambda: Counts(forwarding=ours[0])):
        ours[0] += made
        ears.monitor.next = [Change("forwarding", TUNNEL)] * heard + [Change("forwarding", POD)]
    assert (ears.changed.is_set(), ears.events.take_news()) == (news, news)


def test_a_change_by_somebody_else_while_applying_gets_one_more_look() -> None:
    ears = Ears()
    with ears.events.applying(Counts):
        ears.tell(Change("neighbour", TUNNEL, port=OTHERS_PORT))
    assert ears.changed.is_set()
    assert ears.events.take_news()
