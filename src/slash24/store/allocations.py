"""What a lab has given out: NIC addresses and ports of virtual networks, numbers and public addresses of clusters.

One SQLite file per lab; it outlives the server, so that a new server knows what stands.
"""

import json
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from slash24.core.addresses import first_free
from slash24.errors import Slash24Error
from slash24.store.database import connect

_SCHEMA = """
create table if not exists things (
  kind text not null, key text not null, number integer not null, document text not null,
  primary key (kind, key), unique (kind, number)) without rowid;
create table if not exists nics (
  vnet text not null, address text not null, subnet text not null, owner text not null unique, port integer not null,
  cluster text not null, stopped integer not null default 0, primary key (vnet, address)) without rowid;
create unique index if not exists nic_ports on nics (vnet, port);
"""


class SubnetFullError(Slash24Error):
    """A subnet has no address left for another NIC."""

    def __init__(self, subnet: str, prefix: IPv4Network) -> None:
        super().__init__(
            f"subnet {subnet} ({prefix}) has no free address for another node",
            why=f"Azure keeps five of its {prefix.num_addresses} addresses and the others are in use",
            fix="use a larger subnet, or scale another node pool down",
            azure="SubnetIsFull",
        )


@dataclass(frozen=True, slots=True)
class Nic:
    """One network interface: its address in a subnet and the number of its port on the virtual network.

    stopped: the user has cut the power of the machine behind it.
    """

    owner: str
    vnet: str
    subnet: str
    address: IPv4Address
    port: int
    cluster: str
    stopped: bool = False


class Allocations:
    """The lab's allocations in the SQLite file at `path`; each method is one transaction."""

    def __init__(self, path: Path) -> None:
        self._db = connect(path, check_same_thread=False)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def put(self, kind: str, key: str, document: dict[str, Any]) -> int:
        """Store a thing (a virtual network, a cluster); return its number among its kind, the lowest free from 1."""
        row = self._db.execute("select number from things where kind = ? and key = ?", (kind, key)).fetchone()
        taken = {number for (number,) in self._db.execute("select number from things where kind = ?", (kind,))}
        number: int = row[0] if row else next(n for n in range(1, len(taken) + 2) if n not in taken)
        self._db.execute("insert or replace into things values (?, ?, ?, ?)", (kind, key, number, json.dumps(document)))
        return number

    def all(self, kind: str) -> dict[str, tuple[int, dict[str, Any]]]:
        """Return key -> (number, document) of all things of a kind."""
        rows = self._db.execute("select key, number, document from things where kind = ?", (kind,))
        return {key: (number, json.loads(document)) for key, number, document in rows}

    def remove(self, kind: str, key: str) -> None:
        self._db.execute("delete from things where kind = ? and key = ?", (kind, key))

    def add_nic(self, owner: str, *, vnet: str, subnet: str, prefix: IPv4Network, cluster: str) -> Nic:
        """Give `owner` the first free address of the subnet `prefix`; the one it has already if it has one.

        Raises SubnetFullError.
        """
        for nic in self.nics(vnet):
            if nic.owner == owner:
                return nic
        nics = self.nics(vnet)
        address = first_free(prefix, [nic.address for nic in nics])
        if not isinstance(address, IPv4Address):
            raise SubnetFullError(subnet, prefix)
        return self._insert(Nic(owner, vnet, subnet, address, _free_port(nics), cluster))

    def add_nic_at(self, owner: str, *, vnet: str, subnet: str, address: IPv4Address) -> Nic:
        """Give `owner`, which belongs to no cluster, a certain address."""
        return self._insert(Nic(owner, vnet, subnet, address, _free_port(self.nics(vnet)), ""))

    def _insert(self, nic: Nic) -> Nic:
        row = (nic.vnet, str(nic.address), nic.subnet, nic.owner, nic.port, nic.cluster)
        self._db.execute("insert into nics values (?, ?, ?, ?, ?, ?, 0)", row)
        return nic

    def remove_nic(self, owner: str) -> None:
        self._db.execute("delete from nics where owner = ?", (owner,))

    def set_stopped(self, owner: str, stopped: bool) -> None:
        """Note whether the user wants the machine behind a NIC to be off."""
        self._db.execute("update nics set stopped = ? where owner = ?", (int(stopped), owner))

    def nics(self, vnet: str | None = None) -> list[Nic]:
        """Return the NICs of one virtual network, or of all, by address."""
        rows = self._db.execute("select owner, vnet, subnet, address, port, cluster, stopped from nics")
        found = [Nic(o, v, s, IPv4Address(a), p, c, bool(off)) for o, v, s, a, p, c, off in rows if vnet in (None, v)]
        return sorted(found, key=lambda nic: (nic.vnet, nic.address))


def _free_port(nics: list[Nic]) -> int:
    taken = {nic.port for nic in nics}
    return next(port for port in range(1, len(taken) + 2) if port not in taken)
