"""Kubernetes objects in SQLite, with versions, optimistic locking and watches. It knows nothing of any kind's meaning.

The objects of all clusters of a lab are in one file; each cluster has one counter of versions. What is read is shared
between readers: nobody changes an object that the store gave out, a change is a new object.
"""

import json
import uuid
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path

from slash24.errors import NotFoundError, Slash24Error
from slash24.store.database import Database, connect
from slash24.store.selectors import selects
from slash24.store.watches import Event, ExpiredError, Object, Stored, Watch, Watches

__all__ = [
    "AlreadyExistsError",
    "ClusterObjects",
    "ConflictError",
    "ExpiredError",
    "Object",
    "ObjectStore",
    "Stored",
    "now",
]

_SCHEMA = """
create table if not exists objects (
  cluster text not null, plural text not null, namespace text not null, name text not null, json blob not null,
  primary key (cluster, plural, namespace, name)) without rowid;
create table if not exists versions (cluster text primary key, version integer not null) without rowid;
"""
_RESERVED = 1000  # versions set aside at once, so that a write is one statement


class AlreadyExistsError(Slash24Error):
    """An object of that name is there already."""


class ConflictError(Slash24Error):
    """The object was changed since the version that the caller knows, or is another one of the same name."""


class ObjectStore:
    """The objects of a lab, in the SQLite file at `path`."""

    def __init__(self, path: Path) -> None:
        self.db = connect(path, check_same_thread=False)
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
            view.watches.close()
        self.db.execute("delete from objects where cluster = ?", (key,))
        self.db.execute("delete from versions where cluster = ?", (key,))

    def close(self) -> None:
        for view in self._clusters.values():
            view.watches.close()
            view.save_version()
        self.db.close()


class ClusterObjects:
    """One cluster's objects: read from memory, written through to SQLite."""

    def __init__(self, db: Database, key: str) -> None:
        self._db = db
        self.key = key
        self._objects: dict[str, dict[tuple[str, str], Stored]] = {}
        for plural, text in db.execute("select plural, json from objects where cluster = ?", (key,)):
            item = Stored(json.loads(text), text)
            self._objects.setdefault(plural, {})[_key(item)] = item
        row = db.execute("select version from versions where cluster = ?", (key,)).fetchone()
        # After a crash this is more than was used. No version is ever given twice; clients list anew.
        self.version: int = row[0] if row else 1
        self._reserved = self.version
        self.watches = Watches(self.version)

    def save_version(self) -> None:
        """Give back the versions that were set aside and not used."""
        self._db.execute("insert or replace into versions values (?, ?)", (self.key, self.version))
        self._reserved = self.version

    # Reading

    def find(self, plural: str, name: str, *, namespace: str = "") -> Stored | None:
        return self._objects.get(plural, {}).get((namespace, name))

    def get(self, plural: str, name: str, *, namespace: str = "") -> Stored:
        """Return an object, which must not be changed. Raises NotFoundError."""
        found = self.find(plural, name, namespace=namespace)
        if found is None:
            raise NotFoundError(f'{plural} "{name}" not found')
        return found

    def list(
        self, plural: str, *, namespace: str = "", field_selector: str = "", label_selector: str = ""
    ) -> "list[Stored]":
        """Return the objects of a kind, by namespace and name."""
        matches = selects(field_selector=field_selector, label_selector=label_selector, namespace=namespace)
        found = self._objects.get(plural, {})
        return [found[key] for key in sorted(found) if matches(found[key])]

    # Writing

    def create(self, plural: str, item: Object) -> Stored:
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

    def replace(self, plural: str, item: Object) -> Stored:
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

    def update(self, plural: str, name: str, change: Callable[[Object], Object], *, namespace: str = "") -> Stored:
        """Replace an object by `change` of it; `change` gets a copy that it may alter."""
        return self.replace(plural, change(json.loads(json.dumps(self.get(plural, name, namespace=namespace)))))

    def delete(self, plural: str, name: str, *, namespace: str = "") -> Stored:
        """Remove an object at once; return it as it was last, with a new version. Raises NotFoundError."""
        before = self.get(plural, name, namespace=namespace)
        version = self._next_version()
        key = _key(before)
        self._db.execute(
            "delete from objects where cluster = ? and plural = ? and namespace = ? and name = ?",
            (self.key, plural, *key),
        )
        del self._objects[plural][key]
        last = Stored(before | {"metadata": before["metadata"] | {"resourceVersion": str(version)}})
        self.watches.publish(Event(version, plural, last, None))
        return last

    def _write(self, plural: str, before: Stored | None, item: Object) -> Stored:
        version = self._next_version()
        after = Stored(item | {"metadata": item["metadata"] | {"resourceVersion": str(version)}})
        key = _key(after)
        self._db.execute("insert or replace into objects values (?, ?, ?, ?, ?)", (self.key, plural, *key, after.text))
        self._objects.setdefault(plural, {})[key] = after
        self.watches.publish(Event(version, plural, before, after))
        return after

    def _next_version(self) -> int:
        self.version += 1
        if self.version > self._reserved:
            reserved = self.version + _RESERVED
            self._db.execute("insert or replace into versions values (?, ?)", (self.key, reserved))
            self._reserved = reserved
        return self.version

    # Watching

    def open_watch(
        self,
        plural: str,
        *,
        since: int | None = None,
        send_initial: bool = False,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
    ) -> Watch:
        """Begin to watch a kind, as the selectors see it.

        since: the version to go on from; None for now. send_initial: fill `initial` with what is there. Raises
        ExpiredError if `since` is not remembered.
        """
        matches = selects(field_selector=field_selector, label_selector=label_selector, namespace=namespace)
        watch = self.watches.open(plural, matches, field_selector, since)
        if send_initial:
            watch.initial = [item for item in self.list(plural) if matches(item)]
        return watch

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
        """Yield (ADDED | MODIFIED | DELETED, object) of each change; see `open_watch`.

        With `send_initial`, what is there already comes first, as ADDED; with `mark_initial` a ("SYNCED", {}) after it.
        """
        watch = self.open_watch(
            plural,
            since=since,
            send_initial=send_initial,
            namespace=namespace,
            field_selector=field_selector,
            label_selector=label_selector,
        )
        try:
            for item in watch.initial:
                yield "ADDED", item
            watch.initial = []
            if mark_initial:
                yield "SYNCED", {}
            while not watch.ended:
                for change in await watch.next():
                    yield change
        finally:
            watch.close()


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def now() -> str:
    """Return the time as the Kubernetes API writes it, in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
