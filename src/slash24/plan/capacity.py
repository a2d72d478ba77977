"""Rules about room: addresses in subnets, node blocks in the pod CIDR, pods on a node, nodes in a pool."""

from collections.abc import Iterator
from datetime import date

from slash24.core.addresses import AZURE_RESERVED, usable_addresses
from slash24.plan.finding import Problem, Severity
from slash24.plan.propose import free_pod_cidr
from slash24.plan.ranges import POD_TARGET
from slash24.plan.request import ClusterRequest, Operation, PoolRequest, SubnetFacts
from slash24.plan.rulebook import rule

_PLANNING = "https://learn.microsoft.com/azure/aks/concepts-network-ip-address-planning"
_OVERLAY = "https://learn.microsoft.com/azure/aks/concepts-network-azure-cni-overlay"
_LARGE = "https://learn.microsoft.com/azure/aks/best-practices-performance-scale-large"
_SIZE = (
    "https://learn.microsoft.com/troubleshoot/azure/azure-kubernetes/error-codes/"
    "insufficientsubnetsize-error-advanced-networking"
)
_DOCS = date(2026, 8, 21)

MAX_PODS = range(10, 251)
POOL_PODS = 30  # every pool must have room for so many
MAX_NODES_OF_POOL = 1000
MAX_NODES = 5000
BLOCK_PREFIXES = range(16, 31)
SUBNET_TARGET = "agentPoolProfile.vnetSubnetID"


def insufficient_subnet_size(wanted: int, available: int, cidr: str, name: str) -> str:
    """Return Azure's own sentence, to the letter (Azure/AKS-Construction issue 701)."""
    return (
        f"Pre-allocated IPs {wanted} exceeds IPs available {available} in Subnet Cidr {cidr}, Subnet Name {name}. "
        "If Autoscaler is enabled, the max-count from each nodepool is counted towards this total (which means that "
        "pre-allocated IPs count represents a theoretical max value, not the actual number of IPs requested). "
        "http://aka.ms/aks/insufficientsubnetsize"
    )


@rule("S24-111", "The pod CIDR has a block for every node", source=_OVERLAY, as_of=_DOCS)
def pods_have_blocks(request: ClusterRequest) -> Iterator[Problem]:
    """The sum over all pools (the maximum of autoscaled ones) times the block's size must fit, with nothing kept."""
    pods = request.pod_network
    if pods is None or pods.version != 4:
        return
    nodes = sum(pool.peak for pool in request.pools)
    block = 1 << (32 - request.block_prefix)
    wanted, available = nodes * block, pods.num_addresses
    if wanted <= available:
        return
    blocks = available // block
    needed = 32 - (wanted - 1).bit_length()
    free = free_pod_cidr(needed, [network for network in request.taken() if network != pods]) if needed >= 8 else ""
    maximum = " at their maximum" if any(pool.autoscale for pool in request.pools) else ""
    yield Problem(
        f"pod CIDR {pods} holds {blocks} node blocks of /{request.block_prefix}, and the pools ask for {nodes} nodes"
        f"{maximum}",
        why=f"{nodes} nodes x {block} addresses are {wanted}, and {pods} has {available}",
        fix=f"--pod-cidr {free}" if free else f"at most {blocks} nodes",
        azure="InsufficientSubnetSize",
        azure_text=insufficient_subnet_size(wanted, available, str(pods), POD_TARGET),
        target=POD_TARGET,
    )


@rule("S24-117", "A node block is a /16 to a /30", source=_OVERLAY, as_of=_DOCS)
def blocks_have_a_size(request: ClusterRequest) -> Iterator[Problem]:
    """AKS' block is a fixed /24; here it is a setting, within what the controller can cut."""
    if request.block_prefix not in BLOCK_PREFIXES:
        yield Problem(
            f"a node block of /{request.block_prefix} is not possible: /16 to /30 are",
            why="AKS gives each node a /24",
            fix="--block-prefix 24",
            target="networkProfile.slash24.blockPrefix",
        )


@rule("S24-110", "The node subnet exists and has an address for every node", source=_SIZE, as_of=date(2026, 9, 1))
def subnets_have_room(request: ClusterRequest) -> Iterator[Problem]:
    """On create, the nodes asked for; on scale and a new pool, the maximum of an autoscaled one."""
    if not request.subnets:
        return
    wanted: dict[str, int] = {}
    peak: dict[str, int] = {}
    facts: dict[str, SubnetFacts] = {}
    for pool in request.pools:
        subnet = request.subnet_of(pool)
        if subnet is None:
            continue
        facts[subnet.id] = subnet
        wanted[subnet.id] = wanted.get(subnet.id, 0) + max(0, _counted(request, pool) - pool.present)
        peak[subnet.id] = peak.get(subnet.id, 0) + max(0, pool.peak - pool.present)
    for subnet_id, subnet in facts.items():
        yield from _judge_subnet(subnet, wanted[subnet_id], peak[subnet_id])


def _counted(request: ClusterRequest, pool: PoolRequest) -> int:
    return pool.count if request.operation == Operation.CREATE else pool.peak


def _judge_subnet(subnet: SubnetFacts, wanted: int, peak: int) -> Iterator[Problem]:
    usable = usable_addresses(subnet.prefix)
    free = max(0, usable - subnet.used)
    arithmetic = (
        f"{subnet.prefix.num_addresses} addresses - {AZURE_RESERVED} that Azure keeps - {subnet.used} in use = {free}"
    )
    fix = f"a wider subnet (a /{_prefix_for(wanted + subnet.used)} would do), or at most {free} new nodes"
    if wanted > free == 0:
        yield Problem(
            f"subnet {subnet.name} {subnet.prefix} is full, and {wanted} {_addresses(wanted)} wanted",
            why=arithmetic,
            fix=fix,
            azure="SubnetIsFull",
            azure_text=f"Subnet {subnet.name} with address prefix {subnet.prefix} does not have enough capacity for "
            f"{wanted} IP addresses.",
            target=SUBNET_TARGET,
        )
    elif wanted > free:
        yield Problem(
            f"subnet {subnet.name} {subnet.prefix} has {free} free addresses, and {wanted} nodes need one each",
            why=arithmetic,
            fix=fix,
            azure="InsufficientSubnetSize",
            azure_text=insufficient_subnet_size(wanted, free, str(subnet.prefix), subnet.name),
            target=SUBNET_TARGET,
        )
    elif peak > free:
        yield Problem(
            f"subnet {subnet.name} {subnet.prefix} has {free} free addresses, and the autoscaler may want {peak}",
            why=f"{arithmetic}: the pools would stop growing before their maximum",
            fix=f"a wider subnet (a /{_prefix_for(peak + subnet.used)} would do), or a smaller --max-count",
            target=SUBNET_TARGET,
            severity=Severity.WARNING,
        )


def _addresses(count: int) -> str:
    return "address is" if count == 1 else "addresses are"


def _prefix_for(addresses: int) -> int:
    """Return the longest prefix whose subnet has so many usable addresses; Azure's smallest subnet is a /29."""
    return min(29, 32 - (addresses + AZURE_RESERVED - 1).bit_length())


@rule("S24-112", "A node takes 10 to 250 pods, a pool at least 30", source=_PLANNING, as_of=_DOCS)
def pods_per_node_are_allowed(request: ClusterRequest) -> Iterator[Problem]:
    for pool in request.pools:
        if pool.max_pods not in MAX_PODS:
            yield Problem(
                f"node pool {pool.name}: max pods {pool.max_pods} is not in the range 10 to 250",
                why="AKS enforces 10 at least and 250 at most on every node",
                fix="--max-pods 250" if pool.max_pods > 250 else "--max-pods 30",
                azure="InvalidParameter",
                azure_text="The value of parameter maxPods is invalid.",
                target="agentPoolProfile.maxPods",
            )
        elif pool.max_pods * max(pool.count, 1) < POOL_PODS:
            nodes = -(-POOL_PODS // pool.max_pods)
            yield Problem(
                f"node pool {pool.name}: {pool.count} nodes of {pool.max_pods} pods have no room for {POOL_PODS} pods",
                why=f"AKS wants room for {POOL_PODS} pods in each pool, for its own system pods",
                fix=f"--node-count {nodes}, or --max-pods {POOL_PODS}",
                azure="InvalidParameter",
                azure_text="The value of parameter maxPods is invalid.",
                target="agentPoolProfile.maxPods",
            )
        else:
            yield from _fill_of_block(request, pool)


def _fill_of_block(request: ClusterRequest, pool: PoolRequest) -> Iterator[Problem]:
    size = 1 << (32 - request.block_prefix)
    if pool.max_pods > size:
        yield Problem(
            f"node pool {pool.name}: a node takes {pool.max_pods} pods and its /{request.block_prefix} block has "
            f"{size} addresses",
            why="pods beyond the block's addresses stay in ContainerCreating",
            fix=f"--max-pods {max(10, size - 1)}, or a wider block",
            target="agentPoolProfile.maxPods",
            severity=Severity.WARNING,
        )
    elif pool.max_pods * 4 < size:
        share = round(100 * pool.max_pods / size)
        yield Problem(
            f"node pool {pool.name}: max pods {pool.max_pods} uses {share} % of each node's /{request.block_prefix}",
            why="a node's block has a fixed size; addresses that it doesn't use serve no other node",
            fix="--max-pods 250 costs no address more",
            target="agentPoolProfile.maxPods",
            severity=Severity.WARNING,
        )


@rule("S24-143", "A pool has at most 1,000 nodes, a cluster 5,000", source=_LARGE, as_of=_DOCS)
def nodes_are_within_limits(request: ClusterRequest) -> Iterator[Problem]:
    for pool in request.pools:
        least = 1 if pool.mode.lower() == "system" else 0
        if not least <= pool.count <= MAX_NODES_OF_POOL:
            yield Problem(
                f"node pool {pool.name}: {pool.count} nodes are not in the range {least} to {MAX_NODES_OF_POOL}",
                why="a scale set has 1,000 machines at most, and a system pool needs one at least",
                fix=f"--node-count {min(max(pool.count, least), MAX_NODES_OF_POOL)}",
                azure="AgentPoolMaxCountExceeded" if pool.count > MAX_NODES_OF_POOL else "InvalidParameter",
                target="agentPoolProfile.count",
            )
    total = sum(pool.peak for pool in request.pools)
    if total > MAX_NODES:
        yield Problem(
            f"{total} nodes are more than the {MAX_NODES} of an Overlay cluster",
            why="AKS supports 5,000 nodes in a cluster",
            fix=f"fewer nodes, at most {MAX_NODES} at the pools' maximum",
            azure="AgentPoolMaxCountExceeded",
            target="agentPoolProfile.count",
        )
