"""Which pod holds which address of this node's blocks: one SQLite file a node, written before an answer is given.

One row an address. That a row has one owner, and that an attachment (container, interface) has one row, are constraints
of the schema, so no order of events can lease an address twice. Agent and plugin may both write; SQLite orders them.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from slash24.core.addresses import IPAddress, IPNetwork
from slash24.errors import Slash24Error

SCHEMA_VERSION = 1
#: How long a DEL that came before its ADD is remembered; runtimes give up an ADD long before.
TOMBSTONE_S = 120
RESERVED, OWNED, DYING = 0, 1, 2

_SCHEMA = """
create table setting(key text primary key, value text not null) without rowid;
create table address(
  ip blob primary key check(length(ip) in (4, 16)),
  retired integer not null default 0,              -- outside today's blocks: never given out again
  freed integer not null default 0,                -- 0: never used; else the place in the order of releases
  container_id text, ifname text,                  -- the owner; null: free
  state integer check(state in (0, 1, 2)),
  attempt text, host_veth text unique, netns text,
  pod_namespace text, pod_name text, pod_uid text,
  check((container_id is null) = (ifname is null) and (container_id is null) = (state is null)
        and (container_id is null) = (host_veth is null)),
  unique(container_id, ifname)
) without rowid;
create index free_address on address(freed, ip) where container_id is null and retired = 0;
create index release_order on address(freed);
create index pod_address on address(pod_uid) where pod_uid <> '';
create table tombstone(container_id text, ifname text, at integer not null, primary key(container_id, ifname))
  without rowid;
"""
_COLUMNS = "ip, container_id, ifname, state, attempt, host_veth, netns, pod_namespace, pod_name, pod_uid"


class StoreError(Slash24Error):
    """The lease store can't be used: unreadable, from a newer version, locked or full."""


class BlockFullError(Slash24Error):
    """No address of the node's blocks is free."""


class AttachedError(Slash24Error):
    """The attachment (container, interface) has an address already, or was deleted before it was added."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What a plugin needs to know of its node to work without the agent.

    `reserved` addresses are the node's own; `mtu_bytes` is the pods'.
    """

    node: str
    address: str
    blocks: tuple[str, ...]
    reserved: tuple[str, ...]
    mtu_bytes: int


@dataclass(frozen=True, slots=True)
class Lease:
    """An address and the attachment that has it."""

    ip: IPAddress
    container_id: str
    ifname: str
    state: int
    attempt: str
    host_veth: str
    netns: str
    pod_namespace: str
    pod_name: str
    pod_uid: str

    @property
    def pod(self) -> str:
        return f"{self.pod_namespace}/{self.pod_name}" if self.pod_name else self.container_id[:13]


class Leases:
    """The lease store of one node.

    boot: identity of the node's running network; leases of another one are void, since their links went with it. None:
    they are taken as they stand, by somebody who looks in from outside.
    """

    def __init__(self, path: Path, *, boot: str | None) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, cached_statements=64)
            path.chmod(0o600)
            self._db.execute("pragma journal_mode=wal")
            # NORMAL in WAL survives a killed process; a power loss may cost the last commits, but ends the pods too.
            self._db.execute("pragma synchronous=normal")
            self._migrate()
            if boot is not None:
                self._void_other_boots(boot)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"the lease store {path} can't be used: {error}",
                fix="see whether the disk is full or read-only; a damaged store may be removed when no pod runs",
            ) from error

    def close(self) -> None:
        self._db.close()

    def _migrate(self) -> None:
        version = self._db.execute("pragma user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreError(f"the lease store {self.path} has schema {version}; this version knows {SCHEMA_VERSION}")
        if version == 0:
            # executescript commits before it starts, so the transaction is part of the script.
            self._db.executescript(
                f"begin immediate;{_SCHEMA}pragma user_version={SCHEMA_VERSION};commit;"
                if not self._db.execute("select 1 from sqlite_master where name='address'").fetchone()
                else ""
            )

    def _void_other_boots(self, boot: str) -> None:
        if self.get("boot") == boot:
            return
        with self._db:
            self._db.execute("begin immediate")
            self._free("container_id is not null", ())
            self._db.execute("delete from tombstone")
            # What was known of the network (settings stay: they are the cluster's) was proven in another boot.
            self._db.execute("delete from setting where key = 'status'")
            self._db.execute("replace into setting values('boot', ?)", (boot,))

    def get(self, key: str) -> str:
        """Return a setting, "" if it isn't set."""
        row = self._db.execute("select value from setting where key=?", (key,)).fetchone()
        return row[0] if row else ""

    def put(self, key: str, value: str) -> None:
        if self.get(key) != value:
            self._run("replace into setting values(?, ?)", (key, value))

    def settings(self) -> NodeSettings | None:
        """Return what the agent wrote of its node; None before it had a block."""
        text = self.get("node")
        if not text:
            return None
        values = json.loads(text)
        values["blocks"], values["reserved"] = tuple(values["blocks"]), tuple(values["reserved"])
        return NodeSettings(**values)

    def configure(self, settings: NodeSettings) -> None:
        """Give out the addresses of `settings.blocks` but for the reserved ones, from now on.

        Leases of addresses outside them stay until their pods end.
        """
        text = json.dumps(asdict(settings))
        if self.get("node") == text:
            return
        wanted: set[bytes] = set()
        reserved = {ip_address(text).packed for text in settings.reserved}
        for block in settings.blocks:
            wanted.update(_packed(ip_network(block)))
        wanted -= reserved
        with self._db:
            self._db.execute("begin immediate")
            have = {row[0] for row in self._db.execute("select ip from address")}
            self._db.executemany("insert into address(ip) values(?)", [(ip,) for ip in sorted(wanted - have)])
            self._db.executemany("update address set retired=0 where ip=?", [(ip,) for ip in wanted & have])
            self._db.executemany("update address set retired=1 where ip=?", [(ip,) for ip in have - wanted])
            self._db.execute("delete from address where retired=1 and container_id is null")
            self._db.execute("replace into setting values('node', ?)", (text,))

    def reserve(
        self,
        container_id: str,
        ifname: str,
        *,
        attempt: str,
        host_veth: str,
        netns: str,
        pod_namespace: str = "",
        pod_name: str = "",
        pod_uid: str = "",
    ) -> Lease:
        """Lease the address that has been free for longest to an attachment, in state RESERVED.

        Raises AttachedError if the attachment has one, or if its DEL came first; BlockFullError if none is free.
        """
        # One statement, so that no other writer comes between choosing and taking.
        take = f"""update address set container_id=?, ifname=?, state={RESERVED}, attempt=?, host_veth=?, netns=?,
            pod_namespace=?, pod_name=?, pod_uid=? where ip =
            (select ip from address where container_id is null and retired = 0 order by freed, ip limit 1)
            and not exists (select 1 from tombstone where container_id=? and ifname=?) returning {_COLUMNS}"""  # noqa: S608
        owner = (container_id, ifname, attempt, host_veth, netns, pod_namespace, pod_name, pod_uid)
        try:
            row = self._run(take, (*owner, container_id, ifname))
        except sqlite3.IntegrityError as error:
            raise AttachedError(f"{ifname} of container {container_id} is attached already") from error
        if row:
            return _lease(row[0])
        if self._consume_tombstone(container_id, ifname):
            raise AttachedError(f"{ifname} of container {container_id} was deleted before this late ADD of it came")
        raise self._full(f"{pod_namespace}/{pod_name}" if pod_name else container_id[:13])

    def _consume_tombstone(self, container_id: str, ifname: str) -> bool:
        # Once: a runtime that uses an id again, as some test tools do, succeeds at the second try.
        gone = "delete from tombstone where container_id=? and ifname=? returning 1"
        return bool(self._run(gone, (container_id, ifname)))

    def _full(self, pod: str) -> BlockFullError:
        settings = self.settings()
        blocks = ", ".join(settings.blocks) if settings else "(none)"
        count = self._db.execute("select count(*) from address where container_id is not null").fetchone()[0]
        # The words before "waiting on" are those of AKS' own message, which users search for (docs/sources.md#cns).
        return BlockFullError(
            f"not enough IPs available of type IPv4 for {pod}, waiting on a pod of this node to end: node "
            f"{settings.node if settings else '?'}: all {count} pod addresses of {blocks} are in use; "
            "add a node or delete pods",
            fix="add a node or delete pods",
            azure="FailedCreatePodSandBox",
        )

    def own(self, lease: Lease) -> bool:
        """Turn a reservation into an owned lease; False if it was taken away meanwhile, and must not be used."""
        sql = f"update address set state={OWNED} where ip=? and attempt=? and state={RESERVED} returning 1"  # noqa: S608
        return bool(self._run(sql, (lease.ip.packed, lease.attempt)))

    def dying(self, lease: Lease) -> None:
        """Mark a lease whose link is being deleted: the address is not free, the attachment is gone."""
        sql = f"update address set state={DYING} where ip=? and attempt=?"  # noqa: S608
        self._run(sql, (lease.ip.packed, lease.attempt))

    def release(self, lease: Lease) -> None:
        """Free the address; it is the last to be used again. Nothing happens if the lease isn't that one any more."""
        self._free("ip=? and attempt=?", (lease.ip.packed, lease.attempt))

    def _free(self, where: str, values: Sequence[object]) -> None:
        # The order of releases is a counter, not a clock: a clock can be set back (F42).
        sql = f"""update address set freed=(select max(freed) + 1 from address), container_id=null, ifname=null,
            state=null, attempt=null, host_veth=null, netns=null, pod_namespace=null, pod_name=null, pod_uid=null
            where {where} returning retired"""  # noqa: S608
        if any(retired for (retired,) in self._run(sql, values)):
            self._run("delete from address where retired=1 and container_id is null", ())

    def bury(self, container_id: str, ifname: str, now_s: int) -> None:
        """Remember a DEL of an unknown attachment, so that an ADD which it overtook is refused."""
        self._run("delete from tombstone where at < ? or at > ?", (now_s - TOMBSTONE_S, now_s + TOMBSTONE_S))
        self._run("replace into tombstone values(?, ?, ?)", (container_id, ifname, now_s))

    def find(self, container_id: str, ifname: str) -> Lease | None:
        """Return the lease of an attachment, or None."""
        return next(iter(self._select("container_id=? and ifname=?", (container_id, ifname))), None)

    def of_container(self, container_id: str) -> list[Lease]:
        return self._select("container_id=?", (container_id,))

    def of_pod(self, pod_uid: str) -> list[Lease]:
        return self._select("pod_uid=? and pod_uid <> ''", (pod_uid,))

    def all(self) -> list[Lease]:
        """Return every lease, in the order of the addresses."""
        return self._select("container_id is not null order by ip", ())

    def free_count(self) -> int:
        """Return how many addresses are free."""
        sql = "select count(*) from address where container_id is null and retired = 0"
        count: int = self._db.execute(sql).fetchone()[0]
        return count

    def _select(self, where: str, values: Sequence[object]) -> list[Lease]:
        rows = self._db.execute(f"select {_COLUMNS} from address where {where}", values)  # noqa: S608
        return [_lease(row) for row in rows]

    def _run(self, sql: str, values: Sequence[object]) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise StoreError(f"the lease store {self.path} can't be written: {error}") from error


def _lease(row: tuple[bytes, str, str, int, str, str, str, str, str, str]) -> Lease:
    ip, container, ifname, state, attempt, veth, netns, namespace, name, uid = row
    return Lease(ip_address(ip), container, ifname, state, attempt, veth, netns, namespace, name, uid)


def _packed(network: IPNetwork) -> Iterable[bytes]:
    size = network.max_prefixlen // 8
    first = int(network.network_address)
    return (number.to_bytes(size, "big") for number in range(first, first + network.num_addresses))
