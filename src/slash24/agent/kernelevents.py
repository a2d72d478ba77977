"""What the kernel tells of changes: which of them concern the node's network, and which may be our own doing."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

from slash24.dataplane.names import TABLES
from slash24.kernel.monitor import (
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
_POD_PREFIX = 32  # pods come and go all the time, and are none of the overlay's business


class KernelEvents:
    """Sets `changed` when the node's network has to be looked at again."""

    def __init__(self, changed: asyncio.Event) -> None:
        self._changed = changed
        self._monitors: tuple[Monitor, ...] = ()
        self._tunnel = self._uplink = 0
        self._suspicious = False
        self._applying = False
        self._heard, self._transactions = False, 0  # while applying

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

    def take_suspicion(self) -> bool:
        """Return whether something has happened since the last call that only a thorough look finds."""
        suspicious, self._suspicious = self._suspicious, False
        return suspicious

    @contextmanager
    def applying(self, transactions: Callable[[], int]) -> Iterator[None]:
        """Take what the kernel tells meanwhile for our own doing.

        transactions: how many nft transactions we have made so far; one more than ours is somebody else's.
        """
        before = transactions()
        self._applying, self._heard, self._transactions = True, False, 0
        try:
            yield
            self.hear()
        finally:
            self._applying = False
        # Somebody else may have been at it in the same moment: a second look, which ends this if nothing was to do.
        if self._heard:
            self._changed.set()
        if self._transactions > transactions() - before:
            self._suspect()

    def hear(self) -> None:
        """Take in what the kernel has told."""
        for change in chain.from_iterable(monitor.changes() for monitor in self._monitors):
            if change.what == "transaction":
                self._transactions += 1
            elif self._is_suspicious(change):
                self._suspect()
            elif self._is_ours(change):
                self._heard = True
                if not self._applying:
                    self._changed.set()

    def _suspect(self) -> None:
        self._suspicious = True
        self._changed.set()

    def _is_suspicious(self, change: Change) -> bool:
        """Return whether more may be gone than is told: with the uplink's address, for one, go the routes to pods."""
        return (
            change.what == "lost"
            or (change.what == "nft" and change.table in TABLES and not self._applying)
            or (change.what in _LINK_CHANGES and change.device == self._uplink)
            or (change.what in ("route", "route deleted") and change.prefix == 0)
        )

    def _is_ours(self, change: Change) -> bool:
        match change.what:
            case "settings":
                return True
            case "route":
                return change.prefix < _POD_PREFIX
            case "route deleted":
                return change.prefix < _POD_PREFIX and change.protocol == ROUTE_PROTOCOL
            case "neighbour" | "neighbour deleted":
                return change.device == self._tunnel
        return change.what in _LINK_CHANGES and change.device == self._tunnel
