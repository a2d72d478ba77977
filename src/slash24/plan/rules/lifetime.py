"""Rules about what a cluster keeps for life, and the pod CIDR, which may grow."""

from collections.abc import Iterator
from datetime import date

from slash24.core.addresses import IPNetwork, overlap
from slash24.core.models import Model
from slash24.plan.finding import Problem, Severity, known
from slash24.plan.request import ClusterRequest
from slash24.plan.rulebook import rule
from slash24.plan.rules.migration import model_move, moves_to_overlay
from slash24.plan.source import changelog, docs

_UPDATE = docs("update-azure-cni")
_EXPAND = docs("azure-cni-overlay-pod-expand")
_POD_CIDR = "networkProfile.podCIDR"
_GROWS = date(2026, 1, 4)
_grow_rule = ("S24-113", "A pod CIDR grows around itself", _EXPAND, changelog("2026-01-04"))
_GROWN_KUBENET = date(2025, 8, 29)


def _new_pod_ranges(request: ClusterRequest) -> tuple[IPNetwork, IPNetwork] | None:
    """Return the pod CIDR before and after, None if it doesn't change or the update is a move."""
    if request.current is None or model_move(request) or request.model is Model.BYO:
        return None
    before, after = request.current.pod_network, request.pod_network
    return (before, after) if before and after and before != after else None


@rule(*_grow_rule, applies="update", until=_GROWS)
def pod_ranges_stayed(request: ClusterRequest) -> Iterator[Problem]:
    """Until 2026 a pod CIDR was for life; az told of success and changed nothing."""
    change = _new_pod_ranges(request)
    if change:
        yield Problem(f"the pod CIDR {change[0]} can't be changed", fix="a new cluster", target=_POD_CIDR)


@rule(*_grow_rule, applies="update", since=_GROWS)
def pod_ranges_grow(request: ClusterRequest) -> Iterator[Problem]:
    """A preview since 4 January 2026: Overlay with Linux pools only, IPv4 only, to a range that contains the old
    one.
    """
    change = _new_pod_ranges(request)
    if change is None:
        return
    before, after = change
    if not (overlap(before, after) and after.prefixlen < before.prefixlen):
        yield Problem(
            f"the pod CIDR can't be changed from {before} to {after}",
            why="it can only grow, to a range that contains the old one",
            fix=f"--pod-cidr {before.supernet()}",
            target=_POD_CIDR,
        )
    elif request.model is not Model.OVERLAY or request.dual_stack:
        yield Problem("a pod CIDR grows in IPv4 Overlay clusters only", fix="a new cluster", target=_POD_CIDR)
    elif any(known(pool.os, f"the OS of pool {pool.name}") == "Windows" for pool in request.pools):
        yield Problem("a pod CIDR doesn't grow with Windows pools", fix="delete the Windows pools", target=_POD_CIDR)
    else:
        yield Problem(
            f"growing the pod CIDR from {before} to {after} is a preview",
            severity=Severity.WARNING,
            fix="look at the nodes' NodeNetworkConfig afterwards: kubectl get nnc -A",
            target=_POD_CIDR,
        )


@rule(
    "S24-137",
    "kubenet keeps its pod CIDR in a move",
    changelog("2025-08-29"),
    applies="update of kubenet to Overlay",
    until=_GROWN_KUBENET,
)
def kubenet_pod_ranges_stayed(request: ClusterRequest) -> Iterator[Problem]:
    """Since 29 August 2025 a move may name a new pod CIDR; before, the old one was kept."""
    if (
        request.current
        and moves_to_overlay(request) is Model.KUBENET
        and request.current.pod_network != request.pod_network
    ):
        yield Problem(
            f"a move from kubenet with the new pod CIDR {request.pod_network}",
            fix=f"--pod-cidr {request.current.pod_network}",
            target=_POD_CIDR,
        )


@rule(
    "S24-179",
    "What a cluster keeps for life stays",
    docs("concepts-network-azure-cni-overlay"),
    _UPDATE,
    applies="update",
    azure=("PropertyChangeNotAllowed",),
)
def settings_for_life_stay(request: ClusterRequest) -> Iterator[Problem]:
    """The service CIDR (from Kubernetes 1.33 on ServiceCIDR objects add ranges), a pool's max pods, subnets and OS."""
    current = request.current
    if current is None:
        return
    if current.service_networks != request.service_networks:
        yield Problem(
            "the service CIDR can't be changed",
            why="it is given when the cluster is made",
            fix="from Kubernetes 1.33 on: a ServiceCIDR object beside it",
            azure="PropertyChangeNotAllowed",
            target="networkProfile.serviceCIDR",
        )
    before = {pool.name: pool for pool in current.pools}
    for pool in request.pools:
        old = before.get(pool.name)
        if old is None:
            continue
        moved = model_move(request) is None and current.max_pods(old) != request.max_pods(pool)
        for changed, what in (
            (moved, "max pods"),
            (old.subnet_id != pool.subnet_id, "the subnet"),
            (old.pod_subnet_id != pool.pod_subnet_id, "the pod subnet"),
            (old.os != pool.os, "the OS"),
        ):
            if changed:
                yield Problem(
                    f"node pool {pool.name}: {what} can't be changed",
                    fix="a new pool beside it",
                    azure="PropertyChangeNotAllowed",
                    target="agentPoolProfile",
                )
