"""Which model for these pools, and which ranges: proposals with their reasons."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from ipaddress import ip_network

from slash24.core.addresses import IPNetwork, overlap
from slash24.plan.propose import RESERVED, free_pod_cidr, free_service_cidr
from slash24.plan.request import (
    DEFAULT_POD_CIDR,
    DEFAULT_SERVICE_CIDR,
    MANAGED_VNET_PREFIX,
    ClusterRequest,
    default_dns_ip,
)
from slash24.plan.sizing import VARIANTS, Size, as_variant, size

_ROOM = 2  # a proposed pod CIDR has room for twice the peak, since growing it is a preview


@dataclass(frozen=True, slots=True)
class Candidate:
    """A range that was looked at: whether it is free, and why not. code: of the rule against it."""

    prefix: IPNetwork
    ok: bool
    why: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """Sizes of all models, the ranges that were looked at in order (the last one is proposed), reasons.

    request: the plan that is proposed, as Overlay; None if there is no room for one.
    """

    sizes: tuple[Size, ...]
    pod_cidrs: tuple[Candidate, ...]
    service_cidrs: tuple[Candidate, ...]
    reasons: tuple[tuple[str, str], ...]
    request: ClusterRequest | None


def advise(request: ClusterRequest, *, as_of: date | None = None) -> Advice:
    """Return advice for a cluster: all models sized, and free ranges for Overlay.

    Raises UnknownFact if a pool's counts are unknown.
    """
    sizes = tuple(size(request, as_of=as_of))
    overlay = as_variant(request, VARIANTS[0])
    prefix = pod_prefix(sum(pool.peak + pool.surge for pool in overlay.pools), request.block_prefix)
    pods = tuple(_pod_candidates(overlay, prefix))
    chosen_pods = pods[-1].prefix if pods and pods[-1].ok else None
    services = tuple(_service_candidates(overlay, chosen_pods))
    proposed = None
    if chosen_pods is not None and services and services[-1].ok:
        text = str(services[-1].prefix)
        proposed = replace(
            overlay, pod_cidrs=(str(chosen_pods),), service_cidrs=(text,), dns_service_ip=default_dns_ip(text)
        )
    return Advice(sizes, pods, services, tuple(_reasons(sizes)), proposed)


def pod_prefix(nodes: int, block_prefix: int = 24) -> int:
    """Return the length of a pod CIDR with room for twice so many nodes, a /16 at least as the documents advise.

    >>> pod_prefix(41), pod_prefix(400)
    (16, 14)
    """
    return max(8, min(16, block_prefix - (max(1, nodes) * _ROOM - 1).bit_length()))


def _around(request: ClusterRequest) -> list[IPNetwork]:
    """Return what new ranges must avoid beside `known`: the VNet, or the one that AKS would make."""
    own = list(request.vnet_prefixes) + [subnet.prefix for subnet in request.subnets]
    return own or [ip_network(MANAGED_VNET_PREFIX)]


def _pod_candidates(request: ClusterRequest, prefix: int) -> Iterator[Candidate]:
    wanted = request.pod_cidrs[0] if request.pod_cidrs else DEFAULT_POD_CIDR
    others = _around(request)
    if request.service_cidrs:
        others += request.service_networks
    first = _judge(request, wanted, others, prefix)
    yield from first
    if first and first[-1].ok:
        return
    found = free_pod_cidr(prefix, others, request.known)
    if found:
        blocks = 1 << (request.block_prefix - prefix)
        peak = sum(pool.peak + pool.surge for pool in request.pools)
        yield Candidate(ip_network(found), True, f"{blocks} node blocks, {peak} used at peak")


def _service_candidates(request: ClusterRequest, pods: IPNetwork | None) -> Iterator[Candidate]:
    wanted = request.service_cidrs[0] if request.service_cidrs else DEFAULT_SERVICE_CIDR
    others = _around(request) + ([pods] if pods else [])
    first = _judge(request, wanted, others, None)
    yield from first
    if first and first[-1].ok:
        return
    found = free_service_cidr(16, others, request.known)
    if found:
        yield Candidate(ip_network(found), True, f"DNS {default_dns_ip(found)}")


def _judge(request: ClusterRequest, text: str, others: list[IPNetwork], prefix: int | None) -> list[Candidate]:
    try:
        network = ip_network(text)
    except ValueError:
        return []
    hit = next(iter(request.known.overlapping(network)), None)
    if hit is not None:
        inside = network.prefixlen >= hit.prefix.prefixlen
        return [Candidate(network, False, f"{'inside' if inside else 'around'} {hit.name} {hit.prefix}", "S24-107")]
    reserved = next((one for one in RESERVED if overlap(one, network)), None)
    if reserved is not None:
        return [Candidate(network, False, f"touches {reserved}, which AKS reserves", "S24-104")]
    other = next((one for one in others if overlap(one, network)), None)
    if other is not None:
        return [Candidate(network, False, f"overlaps {other}", "S24-101" if prefix else "S24-103")]
    if prefix is None:
        return [Candidate(network, True, f"DNS {default_dns_ip(text)}")]
    blocks = 1 << max(0, request.block_prefix - network.prefixlen)
    peak = sum(pool.peak + pool.surge for pool in request.pools)
    if peak > blocks:
        return [Candidate(network, False, f"{blocks} node blocks, {peak} needed at peak", "S24-111")]
    return [Candidate(network, True, f"{blocks} node blocks, {peak} used at peak")]


def _reasons(sizes: tuple[Size, ...]) -> Iterator[tuple[str, str]]:
    """Yield the article's questions with their answers of today."""
    by_name = {one.variant.name: one for one in sizes}
    overlay, flat = by_name["overlay"], by_name["node-subnet"]
    yield "scale", "Overlay: 5,000 nodes of 250 pods; kubenet: 400 nodes, one route each; flat: as far as addresses go"
    yield (
        "addresses",
        (
            f"Overlay takes {overlay.vnet_addresses} of the VNet ({overlay.vnet_addresses_at_peak} at the peak), "
            f"node subnet "
            f"{flat.vnet_addresses:,} ({flat.vnet_addresses_at_peak:,})"
        ),
    )
    yield (
        "security",
        "policies by Cilium (recommended), Calico or Azure NPM (to 2028) with Overlay; Calico only with kubenet",
    )
    yield "performance", "Overlay: as between virtual machines, Azure doesn't encapsulate; kubenet: one more hop"
    yield "ease", "Overlay: no route tables; kubenet: a route table that AKS writes and nobody may share"
    yield "Windows", "Overlay and flat models; not kubenet, not with Cilium's dataplane"
    yield "reach", "pods that must be reached from outside the cluster by their own address need a flat model"


def passes(advice: Advice) -> bool:
    """Return whether there is a plan, and Overlay carries the pools."""
    return advice.request is not None and advice.sizes[0].fits
