"""How many addresses a request takes: of each subnet, and of the pod CIDR (docs/sources.md#counting)."""

from collections.abc import Iterator
from dataclasses import dataclass

from slash24.core.models import Model
from slash24.plan.pool import PoolRequest
from slash24.plan.request import ClusterRequest, Operation
from slash24.plan.vnet import SubnetFacts

BATCH = 16  # pod subnet: addresses in a batch, and in a static block (a /28)


@dataclass(frozen=True, slots=True)
class NodeAddresses:
    """What one node takes of the VNet: of its own subnet, and of a pod subnet, (at least, when full of pods)."""

    node_subnet: int
    pod_subnet: tuple[int, int] = (0, 0)


def node_addresses(request: ClusterRequest, pool: PoolRequest) -> NodeAddresses:
    """Return what a node of the pool takes of the VNet.

    A pod subnet's full node holds its pods and the half batch that it keeps free; a static block includes the node's
    own address.
    """
    model = request.model
    if model is Model.NODE_SUBNET:
        return NodeAddresses(1 + request.max_pods(pool))
    if model is Model.POD_SUBNET:
        return NodeAddresses(1, (BATCH, batched_addresses(request.max_pods(pool))))
    if model is Model.POD_SUBNET_STATIC:
        blocks = static_blocks(request.max_pods(pool)) * BATCH
        return NodeAddresses(1, (blocks, blocks))
    return NodeAddresses(1)


def static_blocks(max_pods: int) -> int:
    """Return how many /28 blocks a node of Azure CNI Pod Subnet holds in static block allocation.

    >>> [static_blocks(pods) for pods in (30, 31, 32)]
    [2, 2, 3]
    """
    return -(-(max_pods + 1) // BATCH)


def batched_addresses(pods: int) -> int:
    """Return how many addresses a node of dynamic allocation holds for so many pods: batches, half of one kept free.

    16 x ceil(1/2 + pods/16), the formula of azure-container-networking's pool scaler.

    >>> [batched_addresses(pods) for pods in (0, 8, 9, 24, 25)]
    [16, 16, 32, 32, 48]
    """
    return BATCH * -(-(2 * pods + BATCH) // (2 * BATCH))


@dataclass(frozen=True, slots=True)
class SubnetDemand:
    """Addresses of one subnet: `wanted` by this operation, `peak` at the pools' maximum with an upgrade's nodes."""

    subnet: SubnetFacts
    wanted: int
    peak: int


def subnet_demand(request: ClusterRequest) -> Iterator[SubnetDemand]:
    """Yield what the request takes of each node subnet that is known."""
    wanted: dict[str, int] = {}
    peak: dict[str, int] = {}
    facts: dict[str, SubnetFacts] = {}
    if not request.subnets:
        return
    for pool in request.pools:
        subnet = request.subnet_of(pool)
        if subnet is None:
            continue
        each = node_addresses(request, pool).node_subnet
        facts[subnet.id] = subnet
        wanted[subnet.id] = wanted.get(subnet.id, 0) + _new_nodes(request, pool) * each
        peak[subnet.id] = peak.get(subnet.id, 0) + max(0, pool.peak + pool.surge - pool.present) * each
    for subnet_id, subnet in facts.items():
        yield SubnetDemand(subnet, wanted[subnet_id], peak[subnet_id])


def _new_nodes(request: ClusterRequest, pool: PoolRequest) -> int:
    if request.operation is Operation.UPGRADE:
        return max(0, pool.peak - pool.present) + pool.surge
    if request.operation is Operation.CREATE:
        return max(0, pool.nodes - pool.present)
    return max(0, pool.peak - pool.present)


def block_nodes(request: ClusterRequest) -> tuple[int, int]:
    """Return how many node blocks the pools take at their maximum, without and with the nodes that an upgrade adds."""
    nodes = sum(pool.peak for pool in request.pools)
    surge = sum(pool.surge for pool in request.pools)
    return (nodes + surge if request.operation is Operation.UPGRADE else nodes), nodes + surge
