"""A cluster as its nodes see it: settings, nodes, and which block of the pod CIDR each one owns."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from slash24.core.addresses import IPAddress, IPNetwork, overlap
from slash24.core.topology import Transport

#: The settings that a cluster without any has: AKS' own pod CIDR and service CIDR (docs/sources.md#defaults).
DEFAULT_POD_CIDR = IPv4Network("10.244.0.0/16")
DEFAULT_SERVICE_CIDR = IPv4Network("10.0.0.0/16")


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for a whole cluster. `vni` is the VXLAN network identifier, 1 to 2^24 - 1."""

    pod_cidr: IPNetwork = DEFAULT_POD_CIDR
    block_prefix: int = 24
    transport: Transport = Transport.ENCAPSULATED
    vni: int = 1
    service_cidr: IPNetwork = DEFAULT_SERVICE_CIDR


@dataclass(frozen=True, slots=True)
class Node:
    """One node. `address` is its own in the VNet, `blocks` its share of the pod CIDR, `probe` its probe's pod address.

    `created` (RFC 3339, so that text order is time order) decides who keeps a block that two nodes claim.
    """

    name: str
    address: IPAddress | None = None
    blocks: tuple[IPNetwork, ...] = ()
    probe: IPAddress | None = None
    ready: bool = False
    created: str = ""
    uid: str = ""

    @property
    def tunnel_address(self) -> IPAddress | None:
        """The first address of the node's first block; the node's own end of the tunnels in `encapsulated`."""
        return self.blocks[0].network_address if self.blocks else None


@dataclass(frozen=True, slots=True)
class View:
    """A cluster at one moment: its settings and its nodes."""

    settings: Settings
    nodes: tuple[Node, ...]

    def node(self, name: str) -> Node | None:
        """Return the node of that name, or None."""
        return next((node for node in self.nodes if node.name == name), None)

    def owner(self, address: IPAddress) -> Node | None:
        """Return the node whose block holds `address`, or None."""
        return next((node for node in self.nodes if any(address in block for block in node.blocks)), None)

    def host(self, address: IPAddress) -> Node | None:
        """Return the node that `address` itself belongs to, its tunnel address included, or None."""
        encapsulated = self.settings.transport is Transport.ENCAPSULATED
        for node in self.nodes:
            if address == node.address or (encapsulated and address == node.tunnel_address):
                return node
        return None


@dataclass(frozen=True, slots=True, order=True)
class Conflict:
    """`node` claims `block`, but may not have it, for the reason `why`."""

    node: str
    block: str
    why: str


def conflicts(pod_cidr: IPNetwork, nodes: Iterable[Node]) -> tuple[Conflict, ...]:
    """Return the blocks that can't be served: outside the pod CIDR, or overlapping a block of an older node.

    Who was created first keeps its block; names decide between nodes of one second.
    """
    found = []
    kept: dict[tuple[int, int], str] = {}  # (network, prefix length) -> node, of the blocks that are fine
    lengths: set[int] = set()
    wide: list[tuple[IPNetwork, str]] = []
    for node in sorted(nodes, key=lambda node: (node.created, node.name)):
        for block in node.blocks:
            if block.prefixlen < pod_cidr.prefixlen or block.network_address not in pod_cidr:
                found.append(Conflict(node.name, str(block), f"it is outside the pod CIDR {pod_cidr}"))
                continue
            other = kept.get((int(block.network_address), block.prefixlen))
            # Equal lengths, which is nearly always, need no search: 5,000 nodes are compared on each change.
            if other is None and lengths - {block.prefixlen}:
                other = next((name for taken, name in wide if overlap(taken, block)), None)
            if other is not None:
                found.append(Conflict(node.name, str(block), f"node {other} has it, or a part of it, already"))
                continue
            kept[(int(block.network_address), block.prefixlen)] = node.name
            lengths.add(block.prefixlen)
            wide.append((block, node.name))
    return tuple(sorted(found))


def without_conflicts(view: View) -> View:
    """Return `view` with the blocks taken away from the nodes that may not have them."""
    lost = {(conflict.node, conflict.block) for conflict in conflicts(view.settings.pod_cidr, view.nodes)}
    if not lost:
        return view
    nodes = tuple(
        replace(node, blocks=tuple(block for block in node.blocks if (node.name, str(block)) not in lost))
        for node in view.nodes
    )
    return View(view.settings, nodes)
