"""The address space as cells: what a strip and a 16 x 16 grid show. One cell is one sixteenth or one 256th of a
range.
"""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network

from slash24.core.addresses import IPNetwork, overlap
from slash24.plan.propose import PRIVATE, RESERVED
from slash24.plan.request import ClusterRequest

GRID = 256


class Kind(StrEnum):
    """Who has a part of the space."""

    POD = "pod"
    SERVICE = "service"
    VNET = "vnet"
    SUBNET = "subnet"
    KNOWN = "known"
    RESERVED = "reserved"


@dataclass(frozen=True, slots=True)
class Area:
    """A range and who has it."""

    kind: Kind
    name: str
    prefix: IPNetwork


@dataclass(frozen=True, slots=True)
class Cell:
    """One equal part of a range. areas: what lies in it, even if only in a part of it; conflict: two areas of different
    kinds share addresses that may not be shared.
    """

    prefix: IPNetwork
    areas: tuple[Area, ...]
    conflict: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """A whole private range in equal cells, in order of address."""

    prefix: IPNetwork
    cells: tuple[Cell, ...]


def areas_of(request: ClusterRequest) -> tuple[Area, ...]:
    """Return every IPv4 range that the request knows of, in drawing order: later ones lie on top."""
    found = [Area(Kind.RESERVED, "reserved by AKS", network) for network in RESERVED]
    found += [Area(Kind.KNOWN, one.name, one.prefix) for one in request.known]
    found += [Area(Kind.VNET, "VNet", prefix) for prefix in request.vnet_prefixes]
    found += [Area(Kind.SUBNET, subnet.name, subnet.prefix) for subnet in request.subnets]
    found += [Area(Kind.SERVICE, "Services", network) for network in request.service_networks]
    found += [Area(Kind.POD, "pods", network) for network in request.pod_networks]
    return tuple(area for area in found if area.prefix.version == 4)


def strips(request: ClusterRequest, cells: int = 64) -> tuple[Strip, ...]:
    """Return the four private ranges of IPv4, each cut into `cells` cells, a power of two."""
    areas = areas_of(request)
    return tuple(Strip(space, cut(space, areas, cells)) for space in PRIVATE)


def cut(prefix: IPNetwork, areas: tuple[Area, ...], cells: int = GRID) -> tuple[Cell, ...]:
    """Return `prefix` in equal cells with what lies in each.

    Raises ValueError if `cells` is no power of two, or more than the range has addresses.
    """
    bits = cells.bit_length() - 1
    if 1 << bits != cells or bits > 32 - prefix.prefixlen:
        raise ValueError(f"{prefix} can't be cut into {cells} equal cells")
    inside = [area for area in areas if overlap(area.prefix, prefix)]
    found = []
    for part in prefix.subnets(prefixlen_diff=bits):
        here = tuple(area for area in inside if overlap(area.prefix, part))
        found.append(Cell(part, here, _conflict(here)))
    return tuple(found)


def _conflict(areas: tuple[Area, ...]) -> bool:
    """Return whether two of the areas share addresses though they may not; a subnet lies in its VNet."""
    for index, one in enumerate(areas):
        for other in areas[:index]:
            if {one.kind, other.kind} <= {Kind.VNET, Kind.SUBNET} or one.kind is other.kind is Kind.KNOWN:
                continue
            if overlap(one.prefix, other.prefix):
                return True
    return False


@dataclass(frozen=True, slots=True)
class Block:
    """A node block of the pod CIDR. use: now, peak (autoscaler), upgrade, or free."""

    prefix: IPNetwork
    use: str


def node_blocks_in_use(request: ClusterRequest) -> tuple[Block, ...]:
    """Return the node blocks of the pod CIDR in order, with what takes them; at most the first 256.

    Blocks are given out in order here; AKS promises no order.
    """
    pods = request.pod_network
    if pods is None or pods.prefixlen > request.block_prefix:
        return ()
    now = sum(pool.nodes for pool in request.pools)
    peak = sum(pool.peak for pool in request.pools)
    upgrade = peak + sum(pool.surge for pool in request.pools)
    count = min(GRID, 1 << (request.block_prefix - pods.prefixlen))
    size = 1 << (32 - request.block_prefix)
    first = int(pods.network_address)
    return tuple(
        Block(
            ip_network((first + index * size, request.block_prefix)),
            "now" if index < now else "peak" if index < peak else "upgrade" if index < upgrade else "free",
        )
        for index in range(count)
    )
