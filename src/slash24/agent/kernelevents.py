"""What the kernel tells of changes: which of them concern the node's network, and which may be our own doing."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from slash24.dataplane.names import TABLES
from slash24.kernel.monitor import (
    ALL_LINKS,
    IPV4_ADDRESSES,
    IPV4_ROUTES,
    IPV4_SETTINGS,
    LINKS,
    NEIGHBOURS,
    Change,
    Monitor,
    TableMonitor,
)
from slash24.kernel.netlink import ROUTE_PROTOCOL

_LINK_CHANGES = frozenset({"link", "link deleted", "address", "address deleted"})
_TUNNEL_CHANGES = _LINK_CHANGES | {"neighbour", "neighbour deleted", "forwarding", "forwarding deleted"}
_POD_PREFIX = 32  # pods come and go all the time, and are none of the overlay's business


@dataclass(frozen=True, slots=True)
class Counts:
    """How much we have done so far of what the kernel tells without saying who did it."""

    transactions: int = 0  # of nft
    forwarding: int = 0  # forwarding entries added or removed


class KernelEvents:
    """Sets `changed` when somebody else changed something of the node's network, so that it has to be looked at."""

    def __init__(self, changed: asyncio.Event, own_port: int) -> None:
        """own_port: the netlink socket by which the agent makes its own changes."""
        self._changed = changed
        self._own_port = own_port
        self._monitors: tuple[Monitor, ...] = ()
        self._tunnel = self._uplink = 0
        self._news = self._suspicious = False
        self._applying = False
        self._transactions = self._forwarding = 0  # heard of while applying

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for the length of the block."""
        loop = asyncio.get_running_loop()
        with (
            Monitor(LINKS | NEIGHBOURS | IPV4_ADDRESSES | IPV4_ROUTES | IPV4_SETTINGS) as links,
            TableMonitor() as tables,
        ):
            self._monitors = (links, tables)
            for monitor in self._monitors:
                loop.add_reader(monitor, self.hear)
            try:
                yield
            finally:
                for monitor in self._monitors:
                    loop.remove_reader(monitor)

    def follow(self, *, tunnel: int, uplink: int) -> None:
        """Say which links matter, by their indexes; 0 for one that there isn't."""
        self._tunnel, self._uplink = tunnel, uplink

    def take_news(self) -> bool:
        """Return whether somebody has changed something since the last call."""
        news, self._news = self._news, False
        return news

    def take_suspicion(self) -> bool:
        """Return whether something has happened since the last call that only a thorough look finds."""
        suspicious, self._suspicious = self._suspicious, False
        return suspicious

    @contextmanager
    def applying(self, made: Callable[[], Counts]) -> Iterator[None]:
        """Tell our own changes from those of others, also of the kinds of which the kernel doesn't say whose they are.

        made: how many of those we have made so far; more than that are somebody else's.
        """
        before = made()
        self._applying, self._transactions, self._forwarding = True, 0, 0
        try:
            yield
            self.hear()
        finally:
            self._applying = False
        ours = made()
        if self._forwarding != ours.forwarding - before.forwarding:
            self._wake()
        if self._transactions > ours.transactions - before.transactions:
            self._suspect()

    def hear(self) -> None:
        """Take in what the kernel has told."""
        for change in chain.from_iterable(monitor.changes() for monitor in self._monitors):
            if change.port and change.port == self._own_port:
                continue
            if change.what == "transaction":
                self._transactions += 1
            elif self._applying and change.what.startswith("forwarding"):
                self._forwarding += self._tunnel in (0, change.device)
            elif self._is_suspicious(change):
                self._suspect()
            elif self._is_ours(change):
                self._wake()

    def _wake(self) -> None:
        self._news = True
        self._changed.set()

    def _suspect(self) -> None:
        self._suspicious = True
        self._wake()

    def _is_suspicious(self, change: Change) -> bool:
        """Return whether more may be gone than is told: with the uplink's address, for one, go the routes to pods."""
        return (
            change.what == "lost"
            or (change.what == "nft" and change.table in TABLES and not self._applying)
            or (change.what in _LINK_CHANGES and change.device == self._uplink)
            or (change.what in ("route", "route deleted") and change.prefix == 0)
        )

    def _is_ours(self, change: Change) -> bool:
        """Return whether a change is of something that we keep."""
        match change.what:
            case "settings":  # of each new pod's link too, which are none of the overlay's business
                return change.device in (0, ALL_LINKS, self._tunnel, self._uplink)
            case "route":
                return change.prefix < _POD_PREFIX
            case "route deleted":
                return change.prefix < _POD_PREFIX and change.protocol == ROUTE_PROTOCOL
        return change.what in _TUNNEL_CHANGES and change.device == self._tunnel
