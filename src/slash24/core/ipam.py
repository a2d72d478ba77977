"""Node blocks: how a pod CIDR is cut, who gets which block, which addresses of a block pods may have."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from slash24.core.addresses import IPAddress, IPNetwork, overlap
from slash24.core.cluster import Conflict, Node, conflicts
from slash24.core.topology import Transport

NODE_BLOCK_PREFIX = 24  # docs/sources.md#node-block: AKS gives each node a /24


def node_blocks(pod_cidr: IPNetwork, block_prefix: int = NODE_BLOCK_PREFIX) -> int:
    """Return how many nodes `pod_cidr` can serve, one block each.

    block_prefix: prefix length of one node's block; 24 holds 256 addresses.
    Raises ValueError if a block is wider than the network it is cut from, or longer than an address.

    >>> from ipaddress import ip_network
    >>> node_blocks(ip_network("10.244.0.0/16"))
    256
    """
    if block_prefix < pod_cidr.prefixlen:
        raise ValueError(f"a /{block_prefix} block does not fit in {pod_cidr}")
    if block_prefix > pod_cidr.max_prefixlen:
        raise ValueError(f"/{block_prefix} is longer than an address of {pod_cidr.max_prefixlen} bits")
    return 1 << (block_prefix - pod_cidr.prefixlen)


def tunnel_address(block: IPNetwork, transport: Transport) -> IPAddress | None:
    """Return the address of `block` that is the node's own end of the tunnels; None if the transport has none."""
    return block.network_address if transport is Transport.ENCAPSULATED else None


def pod_addresses(block: IPNetwork, transport: Transport, *, first: bool = True) -> int:
    """Return how many addresses of `block` pods can have.

    All of them, the first and the last included (docs/sources.md#node-block), but for the tunnel address in
    `encapsulated`, which only a node's first block holds (`first`).

    >>> from ipaddress import ip_network
    >>> pod_addresses(ip_network("10.244.0.0/24"), Transport.ENCAPSULATED)
    255
    """
    return block.num_addresses - (1 if first and transport is Transport.ENCAPSULATED else 0)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the controller should do: blocks to hand out, claims to refuse, nodes that nothing is left for."""

    new: Mapping[str, IPNetwork]
    refused: tuple[Conflict, ...]
    without: tuple[str, ...]


def assign_blocks(
    pod_cidr: IPNetwork, block_prefix: int, nodes: Iterable[Node], reserved: Iterable[IPNetwork] = ()
) -> Assignment:
    """Return a block for each node that has none: the lowest free one, older nodes first.

    Blocks that nodes have are kept, whatever their size; one that overlaps another's, or lies outside the pod CIDR, is
    refused, and nothing of it is given to anyone else. `reserved` networks are not handed out either.
    """
    nodes = sorted(nodes, key=lambda node: (node.created, node.name))
    taken = [block for node in nodes for block in node.blocks] + list(reserved)
    free = _free_blocks(pod_cidr, block_prefix, taken)
    new: dict[str, IPNetwork] = {}
    without = []
    for node in nodes:
        if node.blocks:
            continue
        block = next(free, None)
        if block is None:
            without.append(node.name)
        else:
            new[node.name] = block
    return Assignment(new, conflicts(pod_cidr, nodes), tuple(without))


def _free_blocks(pod_cidr: IPNetwork, block_prefix: int, taken: Iterable[IPNetwork]) -> Iterator[IPNetwork]:
    node_blocks(pod_cidr, block_prefix)  # raises if there can be none
    same = {int(network.network_address) for network in taken if network.prefixlen == block_prefix}
    other = [network for network in taken if network.prefixlen != block_prefix]
    for block in pod_cidr.subnets(new_prefix=block_prefix):
        if int(block.network_address) not in same and not any(overlap(block, network) for network in other):
            yield block
