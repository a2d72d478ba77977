"""Kubernetes objects in SQLite, with versions, optimistic locking and watches. It knows nothing of any kind's meaning.

The objects of all clusters of a lab are in one file; each cluster has one counter of versions. What is read is shared
between readers: nobody changes an object that the store gave out, a change is a new object.
"""

import asyncio
import json
import sqlite3
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slash24.errors import NotFoundError, Slash24Error
from slash24.store.selectors import Predicate, field_terms, selects

Object = dict[str, Any]

_SCHEMA = """
create table if not exists objects (
  cluster text not null, plural text not null, namespace text not null, name text not null, json text not null,
  primary key (cluster, plural, namespace, name)) without rowid;
create table if not exists versions (cluster text primary key, version integer not null) without rowid;
"""
_EVENTS_KEPT = 20_000
_QUEUE = 20_000  # events that a watcher may lag behind before it is cut off


class AlreadyExistsError(Slash24Error):
    """An object of that name is there already."""


class ConflictError(Slash24Error):
    """The object was changed since the version that the caller knows, or is another one of the same name."""


class ExpiredError(Slash24Error):
    """A watch asked for a version that is not remembered any more."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change: what it was before (None if new), what it is now (None if gone), and the line a watcher gets."""

    version: int
    plural: str
    before: Object | None
    after: Object | None

    @property
    def item(self) -> Object:
        item = self.after if self.after is not None else self.before
        assert item is not None  # noqa: S101 - one of the two is there by construction
        return item


@dataclass(slots=True, eq=False)
class Watcher:
    """One watch: its events come by `queue`; None ends it."""

    plural: str
    matches: Predicate
    index: tuple[str, str] | None
    queue: asyncio.Queue[Event | None] = field(default_factory=lambda: asyncio.Queue(_QUEUE))


class ObjectStore:
    """The objects of a lab, in the SQLite file at `path`."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self.db.execute("pragma journal_mode=wal")
        self.db.execute("pragma synchronous=normal")
        self.db.executescript(_SCHEMA)
        self._clusters: dict[str, ClusterObjects] = {}

    def cluster(self, key: str) -> "ClusterObjects":
        """Return the objects of the cluster `key`, always the same view."""
        if key not in self._clusters:
            self._clusters[key] = ClusterObjects(self.db, key)
        return self._clusters[key]

    def drop_cluster(self, key: str) -> None:
        """Forget a cluster with all its objects; its watches end."""
        view = self._clusters.pop(key, None)
        if view:
            view.end_watches()
        self.db.execute("delete from objects where cluster = ?", (key,))
        self.db.execute("delete from versions where cluster = ?", (key,))

    def close(self) -> None:
        for view in self._clusters.values():
            view.end_watches()
        self.db.close()


class ClusterObjects:
    """One cluster's objects: read from memory, written through to SQLite."""

    def __init__(self, db: sqlite3.Connection, key: str) -> None:
        self._db = db
        self.key = key
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        for plural, text in db.execute("select plural, json from objects where cluster = ?", (key,)):
            item = json.loads(text)
            self._objects.setdefault(plural, {})[_key(item)] = item
        row = db.execute("select version from versions where cluster = ?", (key,)).fetchone()
        self.version: int = row[0] if row else 1
        self._oldest = self.version  # changes up to this one are not remembered
        self._events: deque[Event] = deque(maxlen=_EVENTS_KEPT)
        self._watchers: dict[str, set[Watcher]] = {}
        # A lab has hundreds of watchers that each want one node's pods: those are found by an index.
        self._indexed: dict[tuple[str, str, str], set[Watcher]] = {}

    # Reading

    def find(self, plural: str, name: str, *, namespace: str = "") -> Object | None:
        return self._objects.get(plural, {}).get((namespace, name))

    def get(self, plural: str, name: str, *, namespace: str = "") -> Object:
        """Return an object, which must not be changed. Raises NotFoundError."""
        found = self.find(plural, name, namespace=namespace)
        if found is None:
            raise NotFoundError(f'{plural} "{name}" not found')
        return found

    def list(
        self, plural: str, *, namespace: str = "", field_selector: str = "", label_selector: str = ""
    ) -> "list[Object]":
        """Return the objects of a kind, by namespace and name."""
        matches = selects(field_selector=field_selector, label_selector=label_selector, namespace=namespace)
        found = self._objects.get(plural, {})
        return [found[key] for key in sorted(found) if matches(found[key])]

    # Writing

    def create(self, plural: str, item: Object) -> Object:
        """Store a new object; return it with uid, version and time. Raises AlreadyExistsError."""
        metadata = dict(item["metadata"])
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = f"{metadata['generateName']}{uuid.uuid4().hex[:5]}"
        if self.find(plural, metadata["name"], namespace=metadata.get("namespace", "")):
            raise AlreadyExistsError(f'{plural} "{metadata["name"]}" already exists')
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = now()
        if "spec" in item:
            metadata["generation"] = 1
        return self._write(plural, None, item | {"metadata": metadata})

    def replace(self, plural: str, item: Object) -> Object:
        """Store a changed object; return what is stored.

        With a resourceVersion it must be the stored one's, else ConflictError; NotFoundError if the object is gone. An
        object that is equal to the stored one is not written, and keeps its version.
        """
        metadata = item["metadata"]
        before = self.get(plural, metadata["name"], namespace=metadata.get("namespace", ""))
        old = before["metadata"]
        if metadata.get("resourceVersion", old["resourceVersion"]) != old["resourceVersion"]:
            raise ConflictError(
                f'Operation cannot be fulfilled on {plural} "{metadata["name"]}": the object has been modified; '
                "please apply your changes to the latest version and try again"
            )
        if metadata.get("uid", old["uid"]) != old["uid"]:
            raise ConflictError(f'{plural} "{metadata["name"]}" is another object of the same name')
        kept = {
            name: old[name] for name in ("uid", "creationTimestamp", "generation", "resourceVersion") if name in old
        }
        after = item | {"metadata": metadata | kept}
        if after == before:
            return before
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] = old.get("generation", 0) + 1
        if after["metadata"].get("deletionTimestamp") and not after["metadata"].get("finalizers") and plural != "pods":
            return self.delete(plural, metadata["name"], namespace=metadata.get("namespace", ""))
        return self._write(plural, before, after)

    def update(self, plural: str, name: str, change: Callable[[Object], Object], *, namespace: str = "") -> Object:
        """Replace an object by `change` of it; `change` gets a copy that it may alter."""
        return self.replace(plural, change(json.loads(json.dumps(self.get(plural, name, namespace=namespace)))))

    def delete(self, plural: str, name: str, *, namespace: str = "") -> Object:
        """Remove an object at once; return it as it was last, with a new version. Raises NotFoundError."""
        before = self.get(plural, name, namespace=namespace)
        last = before | {"metadata": before["metadata"] | {"resourceVersion": str(self.version + 1)}}
        self._write(plural, last, None)
        return last

    def _write(self, plural: str, before: Object | None, after: Object | None) -> Object:
        self.version += 1
        self._db.execute("insert or replace into versions values (?, ?)", (self.key, self.version))
        if after is not None:
            after = after | {"metadata": after["metadata"] | {"resourceVersion": str(self.version)}}
            key = _key(after)
            text = json.dumps(after, separators=(",", ":"))
            self._db.execute("insert or replace into objects values (?, ?, ?, ?, ?)", (self.key, plural, *key, text))
            self._objects.setdefault(plural, {})[key] = after
        elif before is not None:
            key = _key(before)
            self._db.execute(
                "delete from objects where cluster = ? and plural = ? and namespace = ? and name = ?",
                (self.key, plural, *key),
            )
            self._objects[plural].pop(key, None)
        event = Event(self.version, plural, before, after)
        if len(self._events) == _EVENTS_KEPT:
            self._oldest = self._events[0].version
        self._events.append(event)
        self._publish(event)
        return event.item

    # Watching

    def _publish(self, event: Event) -> None:
        for watcher in list(self._watchers.get(event.plural, ())):
            self._offer(watcher, event)
        if not self._indexed:
            return
        reached: set[Watcher] = set()
        for item in (event.before, event.after):
            if item is not None:
                for path, value in _index_values(item):
                    reached |= self._indexed.get((event.plural, path, value), set())
        for watcher in reached:
            self._offer(watcher, event)

    def _offer(self, watcher: Watcher, event: Event) -> None:
        try:
            watcher.queue.put_nowait(event)
        except asyncio.QueueFull:  # it doesn't read: cut off, so that it can't hold the writers up
            self._remove(watcher)
            while not watcher.queue.empty():
                watcher.queue.get_nowait()
            watcher.queue.put_nowait(None)

    def _add(self, watcher: Watcher) -> None:
        if watcher.index:
            self._indexed.setdefault((watcher.plural, *watcher.index), set()).add(watcher)
        else:
            self._watchers.setdefault(watcher.plural, set()).add(watcher)

    def _remove(self, watcher: Watcher) -> None:
        if watcher.index:
            self._indexed.get((watcher.plural, *watcher.index), set()).discard(watcher)
        else:
            self._watchers.get(watcher.plural, set()).discard(watcher)

    def end_watches(self) -> None:
        """End every watch."""
        watchers = [w for group in (*self._watchers.values(), *self._indexed.values()) for w in group]
        for watcher in watchers:
            self._remove(watcher)
            if not watcher.queue.full():
                watcher.queue.put_nowait(None)

    async def watch(
        self,
        plural: str,
        *,
        since: int | None = None,
        send_initial: bool = False,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
        mark_initial: bool = False,
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """Yield (ADDED | MODIFIED | DELETED, object) of each change, as the selectors see it.

        since: the version to go on from; None for now. send_initial: what is there already comes first, as ADDED, and
        with `mark_initial` a ("SYNCED", {}) after it. Raises ExpiredError if `since` is not remembered.
        """
        if since is not None and (since < self._oldest or since > self.version):
            raise ExpiredError(f"too old resource version: {since} ({self.version})")
        matches = selects(field_selector=field_selector, label_selector=label_selector, namespace=namespace)
        index = next((t for t in field_terms(field_selector) if t[1] and t[0] in _INDEXED_FIELDS), None)
        watcher = Watcher(plural, matches, (index[0], index[2]) if index else None)
        initial = self.list(plural, namespace=namespace, field_selector=field_selector, label_selector=label_selector)
        missed = [e for e in self._events if since is not None and e.version > since and e.plural == plural]
        self._add(watcher)
        try:
            for item in initial if send_initial else ():
                yield "ADDED", item
            if mark_initial:
                yield "SYNCED", {}
            for event in missed if not send_initial else ():
                if (seen := _as_seen(event, matches)) is not None:
                    yield seen
            while (event_or_end := await watcher.queue.get()) is not None:
                if (seen := _as_seen(event_or_end, matches)) is not None:
                    yield seen
        finally:
            self._remove(watcher)


_INDEXED_FIELDS = ("spec.nodeName", "metadata.name")


def _index_values(item: Object) -> "list[tuple[str, str]]":
    found = [("metadata.name", item["metadata"]["name"])]
    node = item.get("spec", {}).get("nodeName") if isinstance(item.get("spec"), dict) else None
    return [*found, ("spec.nodeName", node)] if node else found


def _as_seen(event: Event, matches: Predicate) -> tuple[str, Object] | None:
    """Return an event as a watcher with a selector sees it: what stops matching is gone for it."""
    before = event.before is not None and matches(event.before)
    after = event.after is not None and matches(event.after)
    if after and event.after is not None:
        return ("MODIFIED" if before else "ADDED"), event.after
    if before:
        if event.after is None:
            return "DELETED", event.item
        gone = event.before or {}
        version = event.after["metadata"]["resourceVersion"]
        return "DELETED", gone | {"metadata": gone["metadata"] | {"resourceVersion": version}}
    return None


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def now() -> str:
    """Return the time as the Kubernetes API writes it, in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
