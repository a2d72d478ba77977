"""Watches on stored objects: who sees which change, and how it is kept until they read it."""

import asyncio
import itertools
import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from slash24.errors import Slash24Error
from slash24.store.selectors import Predicate, field_terms

Object = dict[str, Any]

_EVENTS_KEPT = 20_000
_QUEUE = 20_000  # events that a watch may lag behind before it is cut off
_INDEXED_FIELDS = ("spec.nodeName", "metadata.name")


class ExpiredError(Slash24Error):
    """A watch asked for a version that is not remembered any more."""


class Stored(dict[str, Any]):
    """An object as the store keeps it: nobody changes it. `text` is its JSON, made once for all who ask."""

    __slots__ = ("text",)

    def __init__(self, item: Object, text: bytes | None = None) -> None:
        super().__init__(item)
        self.text = _encode(item).encode() if text is None else text


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

Change = tuple[str, Stored]  # (ADDED | MODIFIED | DELETED, object)


@dataclass(frozen=True, slots=True)
class Event:
    """One change: what it was before (None if new), what it is now (None if gone)."""

    version: int
    plural: str
    before: Stored | None
    after: Stored | None


class Watch:
    """One watch: what was there (`initial`, at `version`), then batches of changes. Close it when done."""

    def __init__(
        self, watches: "Watches", plural: str, matches: Predicate, index: tuple[str, str] | None, version: int
    ) -> None:
        self.plural = plural
        self.index = index
        self.version = version
        self.initial: list[Stored] = []
        self.ended = False
        self._watches = watches
        self._matches = matches
        self._events: deque[Event] = deque()
        self._waiter: asyncio.Future[None] | None = None

    async def next(self, timeout_s: float | None = None) -> list[Change]:
        """Return the changes since the last call, waiting for the first; [] after `timeout_s`, or when it has ended."""
        if not self._events and not self.ended:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            alarm = None if timeout_s is None else loop.call_later(timeout_s, self._wake)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if alarm:
                    alarm.cancel()
        events, self._events = self._events, deque()
        return [seen for event in events if (seen := _as_seen(event, self._matches)) is not None]

    def offer(self, event: Event) -> None:
        """Take a change. A watch that isn't read is cut off, so that it can't hold the writers up."""
        if len(self._events) >= _QUEUE:
            self._events.clear()
            self.close()
            return
        self._events.append(event)
        self._wake()

    def close(self) -> None:
        """End the watch; who waits for it goes on."""
        self.ended = True
        self._watches.remove(self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Watches:
    """The watches of one cluster, and the changes that they may still ask for."""

    def __init__(self, version: int) -> None:
        self._oldest = version  # changes up to this one are not remembered
        self._newest = version
        self._events: deque[Event] = deque(maxlen=_EVENTS_KEPT)
        self._by_kind: dict[str, set[Watch]] = {}
        # A lab has hundreds of watches that each want one node's pods: those are found by an index.
        self._indexed: dict[tuple[str, str, str], set[Watch]] = {}

    def publish(self, event: Event) -> None:
        """Remember a change and offer it to those whom it may concern."""
        if len(self._events) == _EVENTS_KEPT:
            self._oldest = self._events[0].version
        self._newest = event.version
        self._events.append(event)
        for watch in list(self._by_kind.get(event.plural, ())):
            watch.offer(event)
        if not self._indexed:
            return
        reached: set[Watch] = set()
        for item in (event.before, event.after):
            if item is not None:
                for path, value in _index_values(item):
                    reached |= self._indexed.get((event.plural, path, value), set())
        for watch in reached:
            watch.offer(event)

    def open(self, plural: str, matches: Predicate, field_selector: str, since: int | None) -> "Watch":
        """Begin a watch of what comes after version `since` (None: now). Raises ExpiredError."""
        if since is not None and not self._oldest <= since <= self._newest:
            raise ExpiredError(f"too old resource version: {since} ({self._newest})")
        index = next((term for term in field_terms(field_selector) if term[1] and term[0] in _INDEXED_FIELDS), None)
        watch = Watch(self, plural, matches, (index[0], index[2]) if index else None, self._newest)
        if watch.index is None:
            self._by_kind.setdefault(plural, set()).add(watch)
        else:
            self._indexed.setdefault((plural, *watch.index), set()).add(watch)
        if since is not None and since < self._newest:
            missed = itertools.takewhile(lambda event: event.version > since, reversed(self._events))
            for event in reversed([event for event in missed if event.plural == plural]):
                watch.offer(event)
        return watch

    def remove(self, watch: "Watch") -> None:
        """Forget a watch that has ended."""
        if watch.index is None:
            self._by_kind.get(watch.plural, set()).discard(watch)
            return
        place = (watch.plural, *watch.index)
        group = self._indexed.get(place, set())
        group.discard(watch)
        if not group:
            self._indexed.pop(place, None)

    def close(self) -> None:
        """End every watch."""
        for watch in [watch for group in (*self._by_kind.values(), *self._indexed.values()) for watch in group]:
            watch.close()


def _index_values(item: Object) -> "list[tuple[str, str]]":
    found = [("metadata.name", item["metadata"]["name"])]
    node = item.get("spec", {}).get("nodeName") if isinstance(item.get("spec"), dict) else None
    return [*found, ("spec.nodeName", node)] if node else found


def _as_seen(event: Event, matches: Predicate) -> Change | None:
    """Return an event as a watch with a selector sees it: what stops matching is gone for it."""
    before, after = event.before, event.after
    was = before is not None and matches(before)
    if after is not None and matches(after):
        return ("MODIFIED" if was else "ADDED"), after
    if before is None or not was:
        return None
    if after is None:
        return "DELETED", before
    version = after["metadata"]["resourceVersion"]
    return "DELETED", Stored(before | {"metadata": before["metadata"] | {"resourceVersion": version}})
