"""Azure resources of a lab: ARM documents by id, in the lab's SQLite file.

Ids are compared without their subscription and without regard to case, since the lab takes any subscription and ARM
clients spell `resourceGroups` in two ways. What is stored keeps its spelling.
"""

import json
from pathlib import Path
from typing import Any

from slash24.core.topology import resource_key
from slash24.store.database import connect

_SCHEMA = """
CREATE TABLE IF NOT EXISTS arm_resources (
    key TEXT PRIMARY KEY,       -- resource_key(id)
    kind TEXT NOT NULL,         -- microsoft.network/virtualnetworks, resourcegroups, ...
    document TEXT NOT NULL,     -- the ARM document as JSON, with its id as the user spelled it
    changed INTEGER NOT NULL    -- grows with each write
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS arm_resources_by_kind ON arm_resources (kind, key);
"""

Document = dict[str, Any]


class Resources:
    """The store. One connection, used from one thread; every write is on disk when the call returns."""

    def __init__(self, path: Path | str) -> None:
        self._db = connect(path)
        self._db.executescript(_SCHEMA)

    def get(self, resource_id: str) -> Document | None:
        """Return the document of an id, None if there is none. It is the caller's own copy."""
        row = self._db.execute(
            "SELECT document FROM arm_resources WHERE key = ?", (resource_key(resource_id),)
        ).fetchone()
        return None if row is None else _load(row[0])

    def put(self, document: Document) -> None:
        """Store a document under its own `id`, in place of what was there."""
        resource_id = str(document["id"])
        self._db.execute(
            "INSERT INTO arm_resources (key, kind, document, changed)"
            " VALUES (?, ?, ?, (SELECT coalesce(max(changed), 0) + 1 FROM arm_resources))"
            " ON CONFLICT (key) DO UPDATE SET document = excluded.document, changed = excluded.changed",
            (resource_key(resource_id), kind_of(resource_id), json.dumps(document)),
        )

    def delete(self, resource_id: str) -> bool:
        """Forget a document; return whether it was there. What lies below it stays."""
        done = self._db.execute("DELETE FROM arm_resources WHERE key = ?", (resource_key(resource_id),))
        return done.rowcount > 0

    def list(self, kind: str = "", *, under: str = "") -> list[Document]:
        """Return the documents of a kind (any, if empty) below an id, by id. `under` itself is not among them.

        A folder is whole path segments: below `.../resourceGroups/rg` is nothing of `.../resourceGroups/rg2`.
        """
        prefix = resource_key(under).rstrip("/") + "/" if under else "/"
        rows = self._db.execute(
            "SELECT document FROM arm_resources WHERE (? = '' OR kind = ?) AND substr(key, 1, ?) = ? ORDER BY key",
            (kind, kind.lower(), len(prefix), prefix),
        )
        return [_load(row[0]) for row in rows]

    def trim(self, kind: str, keep: int) -> None:
        """Forget all but the `keep` documents of a kind that were written last."""
        self._db.execute(
            "DELETE FROM arm_resources WHERE kind = ? AND key NOT IN"
            " (SELECT key FROM arm_resources WHERE kind = ? ORDER BY changed DESC LIMIT ?)",
            (kind.lower(), kind.lower(), keep),
        )

    def close(self) -> None:
        self._db.close()


def _load(text: str) -> Document:
    document: Document = json.loads(text)
    return document


def kind_of(resource_id: str) -> str:
    """Return the type of the resource that an id names, in lower case; for a group that is `resourcegroups`.

    >>> kind_of("/subscriptions/1/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/s")
    'microsoft.network/virtualnetworks/subnets'
    """
    head, provider, tail = resource_key(resource_id).rpartition("/providers/")
    if not provider:
        return head.strip("/").split("/")[0] if head else tail.strip("/").split("/")[0]
    namespace, *rest = tail.split("/")
    return "/".join([namespace, *rest[::2]])
