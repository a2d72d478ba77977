"""Where a fault is put, or looked for: one node seen from outside, with a peer whose pods it should reach."""

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from slash24.dataplane import names
from slash24.errors import Slash24Error
from slash24.kernel import process
from slash24.kernel.netlink import Netlink
from slash24.lab.connectivity.bed import Bed, Cluster
from slash24.lab.connectivity.checks import Scene
from slash24.lab.connectivity.packets import Machine
from slash24.lab.fabric import WHOAMI
from slash24.lab.paths import LabPaths
from slash24.store.leases import OWNED, Lease, Leases


class PartGoneError(Slash24Error):
    """A node's agent or kubelet doesn't run."""


@dataclass(frozen=True)
class Place:
    """One node and its peer, by the machine's own state: no API is asked, and none has to answer."""

    paths: LabPaths
    bed: Bed
    cluster: Cluster
    name: str
    peer: str

    @cached_property
    def node(self) -> Machine:
        return self.bed.node(self.cluster, self.name)

    def netlink(self) -> Netlink:
        """Return a netlink socket in the node's network; the caller closes it."""
        return Netlink(self.node.netns)

    def address_of(self, node: str) -> IPv4Address:
        return IPv4Address(self._status(node)["address"])

    def block_of(self, node: str) -> IPv4Network:
        """Return a node's block. Raises Slash24Error if it has none yet."""
        block = self._status(node)["podCidr"]
        if not block:
            raise Slash24Error(f"node {node} has no block yet", fix="slash24 lab status --wait")
        return IPv4Network(block)

    def _status(self, node: str) -> dict[str, str]:
        return next(entry for entry in self.cluster.status["nodes"] if entry["name"] == node)

    def uplink(self, link: Netlink) -> int:
        """Return the index of the link that bears the node's address."""
        return next(entry.device for entry in link.addresses() if entry.interface.ip == self.node.address)

    def tunnel(self, link: Netlink) -> int:
        return link.index_of(names.TUNNEL)

    # Processes

    def part(self, name: str) -> int:
        """Return the pid of the node's agent or kubelet. Raises PartGoneError."""
        first = int((self.paths.node(self.name) / "pid").read_text().split()[0])
        pid = process.children(first).get(f"slash24-{name}")
        if pid is None:
            raise PartGoneError(f"node {self.name} runs no {name}", fix="wait a moment: the node starts it again")
        return pid

    # The node's disk

    @property
    def authority(self) -> Path:
        """The certificate by which the node knows the Kubernetes API."""
        return self.paths.node(self.name) / "slash24/ca.pem"

    def leases(self) -> Leases:
        """Return the node's lease store; the caller closes it."""
        return Leases(self.paths.node(self.name) / "slash24/leases.db", boot=None)

    def leaked(self, leases: Leases) -> list[Lease]:
        """Return the leases whose pods are gone: nothing has them, and nobody else can."""
        files = self.bed.files(self.name)
        return [
            lease
            for lease in leases.all()
            if lease.state == OWNED and not (files / lease.netns.removeprefix("/")).exists()
        ]

    def scene(self) -> Scene:
        """Return what the connectivity checks need, with the probes of the two nodes as the pods."""
        space, vm = self.cluster.status["namespace"], self.cluster.status["virtualMachine"]
        probe = self.bed.probe(self.name)
        return Scene(
            cluster=self.cluster,
            a1=probe,
            a2=probe,
            b1=self.bed.probe(self.peer),
            node_a=self.node,
            node_b=self.bed.node(self.cluster, self.peer),
            vm=Machine("vm", self.bed.namespace(space.replace("vnet-", "vm-")), IPv4Address(vm)) if vm else None,
            internet=Machine("internet", self.bed.namespace("internet"), WHOAMI),
            vnet=self.bed.namespace(space),
        )
