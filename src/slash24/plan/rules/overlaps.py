"""Rules about two ranges: what may not share an address."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise

from slash24.core.addresses import IPNetwork, overlap
from slash24.plan.finding import Problem, Severity
from slash24.plan.propose import pod_cidr_fix, service_cidr_fix
from slash24.plan.ranges import Range
from slash24.plan.request import ClusterRequest
from slash24.plan.rulebook import rule
from slash24.plan.rules import targets
from slash24.plan.source import changelog, docs, issue, troubleshooting

_OVERLAY = docs("concepts-network-azure-cni-overlay")
_SUBNETS_ONLY = date(2024, 10, 25)
_pods_and_vnet = (
    "S24-101",
    "The pod CIDR overlaps no subnet of the VNet",
    changelog("2024-10-25"),
    _OVERLAY,
    docs("update-azure-cni"),
    issue("Azure/AKS-Construction", 403),
)
_DISPUTE = (
    "The changelog of 25 October 2024 compares a new cluster's pod CIDR with the subnets; the page on migration asks "
    "for the whole VNet. Followed: subnets on create, the VNet on migration (S24-135)."
)


def reserved_vnet(range_text: str, vnet: str) -> str:
    """Return Azure's own sentence, to the letter (Azure/AKS-Construction issue 403)."""
    return f"NetworkProfile CIDR {range_text} overlaps with reserved VNET CIDR {vnet}"


@rule(*_pods_and_vnet, azure=("NetworkProfileCIDROverlapVNET",), until=_SUBNETS_ONLY, dispute=_DISPUTE)
def pods_avoid_the_vnet(request: ClusterRequest) -> Iterator[Problem]:
    """Until October 2024 the pod CIDR was compared with the VNet's whole address space."""
    for pods in request.pod_networks:
        for prefix in request.vnet_prefixes:
            if overlap(pods, prefix):
                yield Problem(
                    f"pod CIDR {pods} overlaps the VNet's range {prefix}",
                    why=f"packets of pods for {overlap_of(pods, prefix)} would stay in the overlay and never arrive",
                    fix=pod_cidr_fix(request),
                    azure="NetworkProfileCIDROverlapVNET",
                    azure_text=reserved_vnet(str(pods), str(prefix)),
                    target=targets.POD_CIDR,
                )
                return


@rule(*_pods_and_vnet, azure=("PodCidrOverlapExistingSubnetsCidr",), since=_SUBNETS_ONLY, dispute=_DISPUTE)
def pods_avoid_subnets(request: ClusterRequest) -> Iterator[Problem]:
    """A pod's packet for an address of the pod CIDR stays in the overlay, so a host of a subnet there is out of reach.
    Since October 2024 a new cluster is compared with every subnet of the VNet, no longer with its whole space.
    """
    for pods in request.pod_networks:
        hit = next((subnet for subnet in request.subnets if overlap(pods, subnet.prefix)), None)
        if hit is not None:
            yield Problem(
                f"pod CIDR {pods} overlaps subnet {hit.name} {hit.prefix}",
                why=f"packets of pods for {overlap_of(pods, hit.prefix)} would stay in the overlay and never arrive",
                fix=pod_cidr_fix(request),
                azure="PodCidrOverlapExistingSubnetsCidr",
                azure_text=f"The specified pod CIDR {pods} is conflicted with an existing subnet CIDR {hit.prefix}",
                target=targets.POD_CIDR,
            )
            return
        around = next((prefix for prefix in request.vnet_prefixes if overlap(pods, prefix)), None)
        if around is not None:
            yield Problem(
                f"pod CIDR {pods} lies in the VNet's range {around}, though in none of its subnets yet",
                why="a subnet made there later could not be reached from pods",
                fix=pod_cidr_fix(request),
                target=targets.POD_CIDR,
                severity=Severity.WARNING,
            )


@rule("S24-102", "Pod CIDR and service CIDR don't overlap", _OVERLAY, azure=("PodCidrOverlapServiceCidr",))
def pods_avoid_services(request: ClusterRequest) -> Iterator[Problem]:
    """One address would name a pod and a Service at once."""
    for pods in request.pod_networks:
        for services in request.service_networks:
            if overlap(pods, services):
                yield Problem(
                    f"pod CIDR {pods} overlaps service CIDR {services}",
                    why=f"an address of {overlap_of(pods, services)} would name a pod and a Service at once",
                    fix=pod_cidr_fix(request) if request.pod_cidrs else service_cidr_fix(request),
                    azure="PodCidrOverlapServiceCidr",
                    azure_text=f"The specified pod CIDR {pods} overlaps with the service CIDR {services}",
                    target=targets.POD_CIDR,
                )


@rule(
    "S24-103",
    "The service CIDR overlaps no subnet of the VNet",
    troubleshooting("servicecidroverlapexistingsubnetscidr-error"),
    docs("concepts-network-legacy-cni"),
    azure=("ServiceCidrOverlapExistingSubnetsCidr",),
)
def services_avoid_subnets(request: ClusterRequest) -> Iterator[Problem]:
    """A node turns packets for the service CIDR into packets for pods, so hosts of a subnet there are out of reach."""
    for services in request.service_networks:
        hit = next((subnet for subnet in request.subnets if overlap(services, subnet.prefix)), None)
        if hit is not None:
            yield Problem(
                f"service CIDR {services} overlaps subnet {hit.name} {hit.prefix}",
                why=f"pods would send traffic for {overlap_of(services, hit.prefix)} to a Service",
                fix=service_cidr_fix(request),
                azure="ServiceCidrOverlapExistingSubnetsCidr",
                azure_text=f"The specified service CIDR {services} is conflicted with an existing subnet CIDR "
                f"{hit.prefix}",
                target=targets.SERVICE_CIDR,
            )
            return
        around = next((prefix for prefix in request.vnet_prefixes if overlap(services, prefix)), None)
        if around is not None:
            yield Problem(
                f"service CIDR {services} lies in the VNet's range {around}",
                why="a subnet made there later could not be reached from pods",
                fix=service_cidr_fix(request),
                target=targets.SERVICE_CIDR,
                severity=Severity.WARNING,
            )


@rule(
    "S24-107",
    "Pod CIDR and service CIDR overlap no network that pods must reach",
    _OVERLAY,
    docs("plan-pod-networking"),
    issue("MicrosoftDocs/azure-aks-docs", 291),
).of_ranges
def ranges_avoid_known_networks(request: ClusterRequest, one: Range) -> Iterator[Problem]:
    """Azure doesn't look at peers, VPN and on-premises networks, and nothing fails at creation: a host there whose
    address lies in the pod or service CIDR just never answers.
    """
    network = one.network
    hits = request.known.overlapping(network) if network is not None else []
    if not hits or network is None:
        return
    first = hits[0]
    more = f", and {len(hits) - 1} more networks" if len(hits) > 1 else ""
    relation = "lies in" if network.prefixlen >= first.prefix.prefixlen else "contains"
    yield Problem(
        f"{one.what} {network} {relation} {first.name} {first.prefix}{more}",
        why=f"pods can't reach {overlap_of(network, first.prefix)} there: their packets stay in the cluster",
        fix=one.fix,
        target=one.target,
    )


@rule(
    "S24-108",
    "The cluster's subnets overlap no network that they must reach",
    docs("concepts-network-legacy-cni"),
    docs("configure-kubenet"),
)
def subnets_avoid_known_networks(request: ClusterRequest) -> Iterator[Problem]:
    """Two networks with the same addresses can't be routed to each other, peered VNets can't even be peered."""
    for prefix in request.vnet_prefixes or tuple(subnet.prefix for subnet in request.subnets):
        for hit in request.known.overlapping(prefix)[:1]:
            yield Problem(
                f"the VNet's range {prefix} overlaps {hit.name} {hit.prefix}",
                why=f"nodes in {overlap_of(prefix, hit.prefix)} and hosts there have the same addresses",
                fix="a VNet of another range",
                target=targets.SUBNET,
            )


@rule(
    "S24-109",
    "Subnets lie in their VNet, apart from each other",
    docs("concepts-network-ip-address-planning"),
    docs("node-pool-unique-subnet"),
    azure=(
        "NetcfgSubnetRangesOverlap",
        "NetcfgInvalidSubnet",
    ),
)
def subnets_lie_apart(request: ClusterRequest) -> Iterator[Problem]:
    """All pools of a cluster are in one VNet, which is a /8 at most and at least as wide as its subnets."""
    ordered = sorted(request.subnets, key=lambda subnet: (subnet.prefix.version, subnet.prefix))
    for before, after in pairwise(ordered):
        if overlap(before.prefix, after.prefix):
            yield Problem(
                f"subnets {before.name} {before.prefix} and {after.name} {after.prefix} overlap",
                why=f"{overlap_of(before.prefix, after.prefix)} would be in both",
                fix="a range that no subnet uses",
                azure="NetcfgSubnetRangesOverlap",
                target=targets.SUBNET,
            )
    if request.vnet_prefixes:
        for subnet in ordered:
            if not any(_inside(subnet.prefix, prefix) for prefix in request.vnet_prefixes):
                yield Problem(
                    f"subnet {subnet.name} {subnet.prefix} lies outside the VNet "
                    f"{', '.join(map(str, request.vnet_prefixes))}",
                    fix="a range inside the VNet",
                    azure="NetcfgInvalidSubnet",
                    target=targets.SUBNET,
                )
    for prefix in request.vnet_prefixes:
        if prefix.version == 4 and prefix.prefixlen < 8:
            yield Problem(f"the VNet's range {prefix} is wider than a /8", fix="a /8 or smaller", target=targets.SUBNET)


def _inside(network: IPNetwork, other: IPNetwork) -> bool:
    return overlap(network, other) and network.prefixlen >= other.prefixlen


def overlap_of(a: IPNetwork, b: IPNetwork) -> IPNetwork:
    """Return the part that two overlapping networks share: the smaller of them."""
    return a if a.prefixlen >= b.prefixlen else b
