"""Rules about room: addresses in subnets, node blocks in the pod CIDR, pods on a node."""

from collections.abc import Iterator

from slash24.core.addresses import AZURE_RESERVED, usable_addresses
from slash24.core.models import TRAITS, Model
from slash24.plan.demand import block_nodes, node_addresses, subnet_demand
from slash24.plan.finding import Problem, Severity
from slash24.plan.pool import PoolRequest
from slash24.plan.propose import free_pod_cidr
from slash24.plan.request import ClusterRequest
from slash24.plan.rulebook import rule
from slash24.plan.rules import targets
from slash24.plan.source import changelog, docs, issue, troubleshooting
from slash24.plan.vnet import SubnetFacts

_PLANNING = docs("concepts-network-ip-address-planning")
_OVERLAY = docs("concepts-network-azure-cni-overlay")
_SIZE = troubleshooting("insufficientsubnetsize-error-advanced-networking")

MAX_PODS = range(10, 251)
POOL_PODS = 30  # every pool must have room for so many
BLOCK_PREFIXES = range(16, 31)


def insufficient_subnet_size(wanted: int, available: int, cidr: str, name: str) -> str:
    """Return Azure's own sentence, to the letter (Azure/AKS-Construction issue 701)."""
    return (
        f"Pre-allocated IPs {wanted} exceeds IPs available {available} in Subnet Cidr {cidr}, Subnet Name {name}. "
        "If Autoscaler is enabled, the max-count from each nodepool is counted towards this total (which means that "
        "pre-allocated IPs count represents a theoretical max value, not the actual number of IPs requested). "
        "http://aka.ms/aks/insufficientsubnetsize"
    )


@rule(
    "S24-111",
    "The pod CIDR has a block for every node",
    _OVERLAY,
    _SIZE,
    issue("Azure/AKS-Construction", 701),
    applies="Overlay, kubenet",
    azure=("InsufficientSubnetSize",),
)
def pods_have_blocks(request: ClusterRequest) -> Iterator[Problem]:
    """Every node takes one block of the pod CIDR, a /24 on AKS; an upgrade's extra nodes take one too. The maximum of
    an autoscaled pool counts, and nothing of the range is kept: the 256 blocks of a /16 serve 256 nodes.
    """
    pods = request.pod_network
    if pods is None or request.model is Model.BYO:
        return
    nodes, with_surge = block_nodes(request)
    block = 1 << (32 - request.block_prefix)
    available = pods.num_addresses
    blocks = available // block
    maximum = " at their maximum" if any(pool.autoscale for pool in request.pools) else ""
    if nodes * block > available:
        yield Problem(
            f"pod CIDR {pods} holds {blocks} node blocks of /{request.block_prefix}, and the pools ask for {nodes} "
            f"nodes{maximum}",
            why=f"{nodes} nodes x {block} addresses are {nodes * block}, and {pods} has {available}",
            fix=_wider_pod_cidr(request, with_surge) or f"at most {blocks} nodes",
            azure="InsufficientSubnetSize",
            azure_text=insufficient_subnet_size(nodes * block, available, str(pods), targets.POD_CIDR),
            target=targets.POD_CIDR,
        )
    elif with_surge > blocks:
        yield Problem(
            f"pod CIDR {pods} holds {blocks} node blocks of /{request.block_prefix}: {nodes} nodes{maximum} fit, "
            f"the {with_surge - nodes} that an upgrade adds don't",
            why=f"{with_surge} nodes x {block} addresses are {with_surge * block}, and {pods} has {available}",
            fix=_wider_pod_cidr(request, with_surge) or "a smaller --max-surge",
            target=targets.POD_CIDR,
            severity=Severity.WARNING,
        )


def _wider_pod_cidr(request: ClusterRequest, nodes: int) -> str:
    needed = request.block_prefix - (nodes - 1).bit_length()
    if needed < 8:
        return ""
    others = [network for network in request.taken() if network != request.pod_network]
    free = free_pod_cidr(needed, others, request.known)
    return f"--pod-cidr {free}" if free else ""


@rule("S24-117", "A node block is a /16 to a /30", _OVERLAY, applies="Overlay in the lab")
def blocks_have_a_size(request: ClusterRequest) -> Iterator[Problem]:
    """AKS' block is a fixed /24; here it is a setting, within what the controller can cut."""
    if request.block_prefix not in BLOCK_PREFIXES:
        yield Problem(
            f"a node block of /{request.block_prefix} is not possible: /16 to /30 are",
            why="AKS gives each node a /24",
            fix="--block-prefix 24",
            target="networkProfile.slash24.blockPrefix",
        )


@rule(
    "S24-110",
    "The node subnet has an address for every node, in node subnet for every pod too",
    _SIZE,
    _PLANNING,
    changelog("2023-05-07"),
    issue("Azure/AKS", 456),
    issue("Azure/AKS", 3686),
    azure=("InsufficientSubnetSize", "SubnetIsFull"),
)
def subnets_have_room(request: ClusterRequest) -> Iterator[Problem]:
    """A node takes one address of its subnet; with Azure CNI node subnet 1 + max pods, up front. A create counts the
    nodes that are asked for, every other operation the new ones, an autoscaled pool with its maximum; an upgrade counts
    the nodes that it adds. Azure keeps five addresses of each subnet.
    """
    for demand in subnet_demand(request):
        yield from _judge_subnet(request, demand.subnet, demand.wanted, demand.peak)


def _judge_subnet(request: ClusterRequest, subnet: SubnetFacts, wanted: int, peak: int) -> Iterator[Problem]:
    free = max(0, usable_addresses(subnet.prefix) - subnet.used)
    arithmetic = (
        f"{subnet.prefix.num_addresses} addresses - {AZURE_RESERVED} that Azure keeps - {subnet.used} in use = {free}"
    )
    flat = request.model is Model.NODE_SUBNET
    need = f"{wanted} are wanted, max pods + 1 for each node" if flat else f"{wanted} nodes need one each"
    most = "" if flat else f", or at most {free} new nodes"
    fix = f"a wider subnet (a /{prefix_for(wanted + subnet.used)} would do){most}"
    if wanted > free == 0:
        yield Problem(
            f"subnet {subnet.name} {subnet.prefix} is full, and {wanted} {_addresses(wanted)} wanted",
            why=arithmetic,
            fix=fix,
            azure="SubnetIsFull",
            azure_text=f"Subnet {subnet.name} with address prefix {subnet.prefix} does not have enough capacity for "
            f"{wanted} IP addresses.",
            target=targets.SUBNET,
        )
    elif wanted > free:
        yield Problem(
            f"subnet {subnet.name} {subnet.prefix} has {free} free addresses, and {need}",
            why=arithmetic,
            fix=fix,
            azure="InsufficientSubnetSize",
            azure_text=insufficient_subnet_size(wanted, free, str(subnet.prefix), subnet.name),
            target=targets.SUBNET,
        )
    elif peak > free:
        yield Problem(
            f"subnet {subnet.name} {subnet.prefix} has {free} free addresses, and autoscaler and upgrades may want "
            f"{peak}",
            why=f"{arithmetic}: the pools would stop growing before their maximum, or an upgrade would not start",
            fix=f"a wider subnet (a /{prefix_for(peak + subnet.used)} would do), or a smaller --max-count",
            target=targets.SUBNET,
            severity=Severity.WARNING,
        )


def _addresses(count: int) -> str:
    return "address is" if count == 1 else "addresses are"


def prefix_for(addresses: int) -> int:
    """Return the longest prefix whose subnet has so many usable addresses; Azure's smallest subnet is a /29.

    >>> prefix_for(10), prefix_for(251), prefix_for(252)
    (28, 24, 23)
    """
    return min(29, 32 - (addresses + AZURE_RESERVED - 1).bit_length())


@rule(
    "S24-112",
    "A node takes 10 to 250 pods, a pool at least 30",
    _PLANNING,
    docs("configure-azure-cni-dynamic-ip-allocation"),
    azure=("InvalidParameter",),
    dispute="Max pods of pod subnet by default: the page on configuring says 250, the planning page 110. Followed: "
    "250. az's help says 30 for azure, which is node subnet; Overlay's default is 250.",
).of_pools
def pods_per_node_are_allowed(request: ClusterRequest, pool: PoolRequest) -> Iterator[Problem]:
    """AKS enforces 10 at least and 250 at most on every node, and room for 30 pods in each pool; az doesn't look."""
    pods, nodes = request.max_pods(pool), max(pool.nodes, 1)
    if pods not in MAX_PODS:
        yield Problem(
            f"node pool {pool.name}: max pods {pods} is not in the range 10 to 250",
            why="AKS enforces 10 at least and 250 at most on every node",
            fix="--max-pods 250" if pods > 250 else "--max-pods 30",
            azure="InvalidParameter",
            azure_text="The value of parameter maxPods is invalid.",
            target=targets.MAX_PODS,
        )
    elif pods * nodes < POOL_PODS:
        yield Problem(
            f"node pool {pool.name}: {pool.count} nodes of {pods} pods have no room for {POOL_PODS} pods",
            why=f"AKS wants room for {POOL_PODS} pods in each pool, for its own system pods",
            fix=f"--node-count {-(-POOL_PODS // pods)}, or --max-pods {POOL_PODS}",
            azure="InvalidParameter",
            azure_text="The value of parameter maxPods is invalid.",
            target=targets.MAX_PODS,
        )
    elif TRAITS[request.model].pod_cidr and request.model is not Model.BYO:
        yield from _fill_of_block(request, pool, pods)


def _fill_of_block(request: ClusterRequest, pool: PoolRequest, pods: int) -> Iterator[Problem]:
    size = 1 << (32 - request.block_prefix)
    if pods > size:
        yield Problem(
            f"node pool {pool.name}: a node takes {pods} pods and its /{request.block_prefix} block has {size} "
            "addresses",
            why="pods beyond the block's addresses stay in ContainerCreating",
            fix=f"--max-pods {max(10, size - 1)}, or a wider block",
            target=targets.MAX_PODS,
            severity=Severity.WARNING,
        )
    elif pods * 4 < size:
        yield Problem(
            f"node pool {pool.name}: max pods {pods} uses {round(100 * pods / size)} % of each node's "
            f"/{request.block_prefix}",
            why="a node's block has a fixed size; addresses that it doesn't use serve no other node",
            fix="--max-pods 250 costs no address more",
            target=targets.MAX_PODS,
            severity=Severity.WARNING,
        )


@rule(
    "S24-118",
    "The pod subnet has addresses for every node",
    docs("configure-azure-cni-dynamic-ip-allocation"),
    docs("configure-azure-cni-static-block-allocation"),
    issue("MicrosoftDocs/azure-docs", 97370),
    applies="pod subnet",
    azure=("InsufficientSubnetSize",),
)
def pod_subnets_have_room(request: ClusterRequest) -> Iterator[Problem]:
    """Dynamic allocation gives a node 16 addresses at least, and more in batches of 16; a static block is
    ceil((max pods + 1) / 16) blocks of 16, which a node keeps for life.
    """
    if request.model not in (Model.POD_SUBNET, Model.POD_SUBNET_STATIC):
        return
    least: dict[str, int] = {}
    peak: dict[str, int] = {}
    for pool in request.pools:
        subnet_id = pool.pod_subnet_id or ""
        fewest, most = node_addresses(request, pool).pod_subnet
        least[subnet_id] = least.get(subnet_id, 0) + pool.nodes * fewest
        peak[subnet_id] = peak.get(subnet_id, 0) + (pool.peak + pool.surge) * most
    for subnet_id, wanted in least.items():
        subnet = request.subnet(subnet_id)
        if subnet is None:
            continue
        free = max(0, usable_addresses(subnet.prefix) - subnet.used)
        if wanted > free:
            yield Problem(
                f"pod subnet {subnet.name} {subnet.prefix} has {free} free addresses, and the nodes take {wanted}",
                why="every node takes 16 addresses of it at least",
                fix=f"a wider pod subnet (a /{prefix_for(peak[subnet_id] + subnet.used)} serves the peak)",
                azure="InsufficientSubnetSize",
                azure_text=insufficient_subnet_size(wanted, free, str(subnet.prefix), subnet.name),
                target=targets.POD_SUBNET,
            )
        elif peak[subnet_id] > free:
            yield Problem(
                f"pod subnet {subnet.name} {subnet.prefix} has {free} free addresses, and full nodes at their peak "
                f"take {peak[subnet_id]}",
                why="pods beyond that wait in ContainerCreating",
                fix=f"a wider pod subnet (a /{prefix_for(peak[subnet_id] + subnet.used)} would do)",
                target=targets.POD_SUBNET,
                severity=Severity.WARNING,
            )
