"""All networking models side by side: what the same pools take of the VNet and of the pod CIDR in each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date

from slash24.core.addresses import usable_addresses
from slash24.core.models import TRAITS, Model
from slash24.plan.demand import NodeAddresses, node_addresses
from slash24.plan.finding import Finding, Severity
from slash24.plan.pool import PoolRequest
from slash24.plan.request import IPV4, IPV6, ClusterRequest
from slash24.plan.rulebook import check
from slash24.plan.rules.capacity import prefix_for
from slash24.plan.vnet import SubnetFacts

#: A pod subnet that is yet to be made: models that need one are sized as if it were there.
_PODS = "pods"


@dataclass(frozen=True, slots=True)
class Variant:
    """A networking model as a user chooses it: `name` is the word for it, `title` what the documents call it."""

    name: str
    title: str
    plugin: str
    mode: str = ""
    dataplane: str = ""
    pod_subnet: str = ""  # the allocation mode, "" if pods need no subnet of their own
    families: tuple[str, ...] = (IPV4,)


VARIANTS = (
    Variant("overlay", TRAITS[Model.OVERLAY].title, "azure", "overlay"),
    Variant("overlay-cilium", "Azure CNI Overlay with Cilium", "azure", "overlay", "cilium"),
    Variant("overlay-dual-stack", "Azure CNI Overlay, dual-stack", "azure", "overlay", families=(IPV4, IPV6)),
    Variant("kubenet", TRAITS[Model.KUBENET].title, "kubenet"),
    Variant("pod-subnet", TRAITS[Model.POD_SUBNET].title, "azure", pod_subnet="DynamicIndividual"),
    Variant("pod-subnet-static", TRAITS[Model.POD_SUBNET_STATIC].title, "azure", pod_subnet="StaticBlock"),
    Variant("node-subnet", TRAITS[Model.NODE_SUBNET].title, "azure"),
)


@dataclass(frozen=True, slots=True)
class Size:
    """What a variant takes of the VNet.

    vnet_addresses: with the nodes that are asked for; vnet_addresses_in_upgrade: and those that an upgrade adds;
    vnet_addresses_at_peak: at the autoscalers' maximum, in an upgrade; of these node_addresses_at_peak are of the
    nodes' own subnet. In pod subnets by dynamic allocation full nodes are counted. smallest_subnet: as in /26, or /26
    + /19 for nodes and pods. pod_blocks: node blocks of the pod CIDR at the peak, 0 if there is none. free: addresses
    of the node subnet that are left, None if no subnet is known; negative is missing.
    rules: the codes behind the verdict.
    """

    variant: Variant
    vnet_addresses: int
    vnet_addresses_in_upgrade: int
    vnet_addresses_at_peak: int
    node_addresses_at_peak: int
    smallest_subnet: str
    pod_blocks: int
    free: int | None
    fits: bool
    verdict: str
    rules: tuple[str, ...]


def as_variant(request: ClusterRequest, variant: Variant, *, default_pods: bool = False) -> ClusterRequest:
    """Return the request with the variant's settings in place of its own.

    Max pods that nobody gives are the variant's default; with `default_pods`, the user's are put aside too.
    """
    pools = tuple(
        replace(
            pool,
            max_pods=0 if default_pods else pool.max_pods,
            pod_subnet_id=(pool.pod_subnet_id or _PODS) if variant.pod_subnet else "",
            pod_allocation=variant.pod_subnet,
        )
        for pool in request.pools
    )
    keeps = bool(request.pod_cidrs) and variant.plugin != "none" and (variant.mode or variant.plugin == "kubenet")
    single = len(variant.families) == 1
    return replace(
        request,
        pools=pools,
        plugin=variant.plugin,
        mode=variant.mode,
        dataplane=variant.dataplane,
        policy="cilium" if variant.dataplane == "cilium" else "",
        ip_families=variant.families,
        pod_cidrs=request.pod_cidrs if keeps and single else (),
        service_cidrs=request.service_cidrs if single else (),
    )


def size(request: ClusterRequest, *, as_of: date | None = None) -> list[Size]:
    """Return the size of every variant for the request's pools, the recommended first.

    Raises UnknownFact if a pool's counts are unknown.
    """
    return [_size(as_variant(request, variant), variant, as_of) for variant in VARIANTS]


def _size(request: ClusterRequest, variant: Variant, as_of: date | None) -> Size:
    each = {pool.name: node_addresses(request, pool) for pool in request.pools}
    now = _total((pool.nodes, each[pool.name]) for pool in request.pools)
    surge = _total((pool.nodes + pool.surge_at(pool.nodes), each[pool.name]) for pool in request.pools)
    peak_nodes = _nodes((pool.peak + pool.surge, each[pool.name]) for pool in request.pools)
    peak_pods = _pods((pool.peak + pool.surge, each[pool.name]) for pool in request.pools)
    free = _free(request, peak_nodes)
    findings = [finding for finding in check(request, as_of=as_of) if finding.code in _SIZING]
    fits = (free is None or free >= 0) and all(finding.severity is not Severity.ERROR for finding in findings)
    smallest = f"/{prefix_for(peak_nodes)}" + (f" + /{prefix_for(peak_pods)}" if peak_pods else "")
    return Size(
        variant=variant,
        vnet_addresses=now,
        vnet_addresses_in_upgrade=surge,
        vnet_addresses_at_peak=peak_nodes + peak_pods,
        node_addresses_at_peak=peak_nodes,
        smallest_subnet=smallest,
        pod_blocks=sum(pool.peak + pool.surge for pool in request.pools) if TRAITS[request.model].pod_cidr else 0,
        free=free,
        fits=fits,
        verdict=_verdict(variant, findings, free, peak_pods),
        rules=tuple(dict.fromkeys(finding.code for finding in findings)),
    )


#: Rules that speak of whether a model carries these pools; a range that overlaps is no matter of the model.
_SIZING = frozenset({
    "S24-110", "S24-111", "S24-112", "S24-118", "S24-121", "S24-143", "S24-144", "S24-145", "S24-155", "S24-175",
    "S24-176", "S24-191", "S24-192", "S24-193", "S24-194", "S24-195", "S24-196",
})  # fmt: skip


def _nodes(counted: Iterable[tuple[int, NodeAddresses]]) -> int:
    return sum(nodes * each.node_subnet for nodes, each in counted)


def _pods(counted: Iterable[tuple[int, NodeAddresses]]) -> int:
    return sum(nodes * each.pod_subnet[1] for nodes, each in counted)


def _total(counted: Iterable[tuple[int, NodeAddresses]]) -> int:
    pairs = list(counted)
    return _nodes(pairs) + _pods(pairs)


def _free(request: ClusterRequest, wanted: int) -> int | None:
    """Return what is left of the node subnets at the peak; None if none is known."""
    subnets: dict[str, SubnetFacts] = {}
    for pool in request.pools:
        subnet = request.subnet_of(pool) if pool.subnet_id else None
        if subnet is not None:
            subnets[subnet.id] = subnet
    if not subnets:
        return None
    return sum(usable_addresses(subnet.prefix) - subnet.used for subnet in subnets.values()) - wanted


def _verdict(variant: Variant, findings: list[Finding], free: int | None, pods: int) -> str:
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if free is not None and free < 0:
        return f"no: {-free:,} addresses short"
    if errors:
        return f"no: {errors[0].message}"
    retiring = next((finding for finding in findings if finding.code == "S24-121"), None)
    if retiring is not None:
        return retiring.message.removeprefix("kubenet is ").replace("retired on", "retires on")
    if pods:
        return f"{pods:,} pod addresses must be granted"
    return "recommended" if variant.name == "overlay" else "ok"


def largest(request: ClusterRequest, variant: Variant, subnet_prefix: int, *, max_pods: int = 0) -> int:
    """Return how many nodes fit into a node subnet of that prefix length, with one more left for upgrades.

    With Overlay and kubenet the pod CIDR counts too, with kubenet the routes. The pool grows as one; surge is the first
    pool's.

    >>> largest(ClusterRequest(), VARIANTS[0], 24), largest(ClusterRequest(), VARIANTS[-1], 24)
    (228, 7)
    """
    first = replace(as_variant(request, variant).pools[0], autoscale=False, min_count=None, max_count=None, present=0)
    return _search(request, variant, subnet_prefix, replace(first, max_pods=max_pods or first.max_pods))


def _search(request: ClusterRequest, variant: Variant, subnet_prefix: int, pool: PoolRequest) -> int:
    low, high = 0, 5000
    while low < high:
        middle = (low + high + 1) // 2
        if _carries(request, variant, subnet_prefix, replace(pool, count=middle)):
            low = middle
        else:
            high = middle - 1
    return low


def _carries(request: ClusterRequest, variant: Variant, subnet_prefix: int, pool: PoolRequest) -> bool:
    asked = as_variant(replace(request, pools=(pool,)), variant)
    nodes = pool.nodes + pool.surge
    pods = asked.pod_network
    if pods is not None and nodes << (32 - request.block_prefix) > pods.num_addresses:
        return False
    limit = TRAITS[asked.model].max_nodes
    if limit is not None and nodes > limit:
        return False
    return nodes * node_addresses(asked, pool).node_subnet <= (1 << (32 - subnet_prefix)) - 5


def sizes_as_data(sizes: Iterable[Size]) -> Iterator[dict[str, object]]:
    """Yield the sizes as JSON objects: model, vnet_addresses, vnet_addresses_at_peak, smallest_subnet, verdict,
    rules.
    """
    for one in sizes:
        yield {
            "model": one.variant.name,
            "title": one.variant.title,
            "vnet_addresses": one.vnet_addresses,
            "vnet_addresses_in_upgrade": one.vnet_addresses_in_upgrade,
            "vnet_addresses_at_peak": one.vnet_addresses_at_peak,
            "node_addresses_at_peak": one.node_addresses_at_peak,
            "smallest_subnet": one.smallest_subnet,
            "pod_blocks": one.pod_blocks,
            "free": one.free,
            "fits": one.fits,
            "verdict": one.verdict,
            "rules": list(one.rules),
        }
