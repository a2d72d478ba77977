"""Rules about changing a cluster that stands: its networking model, its dataplane, its ranges."""

from collections.abc import Iterator
from datetime import date

from slash24.core.addresses import overlap
from slash24.core.models import TRAITS, Model
from slash24.plan.addons import Addon, uses
from slash24.plan.finding import Problem, Severity, known
from slash24.plan.kubernetes import older_than
from slash24.plan.propose import pod_cidr_fix
from slash24.plan.request import ClusterRequest
from slash24.plan.rulebook import rule
from slash24.plan.rules.overlaps import reserved_vnet
from slash24.plan.source import changelog, docs, issue

_UPDATE = docs("update-azure-cni")
_POD_CIDR = "networkProfile.podCIDR"
_PROFILE = "networkProfile.networkPluginMode"
_MODEL_MOVES = "update of node subnet or kubenet to Overlay"


def model_move(request: ClusterRequest) -> tuple[Model, Model] | None:
    """Return (from, to) if the networking model changes, else None."""
    if request.current is None or request.current.model is request.model:
        return None
    return request.current.model, request.model


def moves_to_overlay(request: ClusterRequest) -> Model | None:
    """Return the model that an update leaves for Overlay, None if it is no such update."""
    move = model_move(request)
    return move[0] if move and move[1] is Model.OVERLAY else None


_KUBENET_MOVES = date(2024, 1, 23)
_moves_rule = ("S24-131", "The networking model can be changed to that", _UPDATE, changelog("2024-01-23"))


@rule(*_moves_rule, applies="update", until=_KUBENET_MOVES)
def moves_to_overlay_began_with_node_subnet(request: ClusterRequest) -> Iterator[Problem]:
    """From node subnet to Overlay; from kubenet it was a preview until the release of 23 January 2024."""
    yield from _moves(request)
    if moves_to_overlay(request) is Model.KUBENET:
        yield Problem(
            "kubenet to Overlay is a preview until 23 January 2024",
            fix="wait, or a new cluster",
            severity=Severity.WARNING,
            target=_PROFILE,
        )


@rule(*_moves_rule, applies="update", since=_KUBENET_MOVES)
def models_change_to_overlay_only(request: ClusterRequest) -> Iterator[Problem]:
    """From node subnet and from kubenet to Overlay, never back; a pod subnet stays what it is."""
    return _moves(request)


def _moves(request: ClusterRequest) -> Iterator[Problem]:
    move = model_move(request)
    if move is None or (move[0] in (Model.NODE_SUBNET, Model.KUBENET) and move[1] is Model.OVERLAY):
        return
    before, after = (TRAITS[model].title for model in move)
    one_way = move[0] is Model.OVERLAY
    yield Problem(
        f"a cluster can't be changed from {before} to {after}",
        why="the way to Overlay is one way"
        if one_way
        else "AKS changes node subnet and kubenet to Overlay, nothing else",
        fix="a new cluster beside it",
        target=_PROFILE,
    )


@rule("S24-132", "A move to Overlay has the Kubernetes and the Windows for it", _UPDATE, applies=_MODEL_MOVES)
def moving_clusters_are_new_enough(request: ClusterRequest) -> Iterator[Problem]:
    """Kubernetes 1.27; all pools are reimaged at once."""
    if moves_to_overlay(request) and older_than(request, 27):
        yield Problem(
            f"a move to Overlay on Kubernetes {request.kubernetes_version}",
            why="it needs Kubernetes 1.27",
            fix="az aks upgrade --kubernetes-version 1.27 or newer",
            target=_PROFILE,
        )


_CALICO_GOES_FIRST = date(2023, 11, 28)
_policy_rule = (
    "S24-133",
    "A cluster without a policy engine moves to Overlay",
    _UPDATE,
    issue("Azure/AKS", 4006),
    changelog("2023-11-28"),
)
_POLICY_DISPUTE = (
    "kubenet with Calico: refused since the changelog of 28 November 2023; the page on policies still describes the "
    "way. "
    "Followed: the changelog."
)


@rule(
    *_policy_rule, applies=_MODEL_MOVES, azure=("ValidationError",), until=_CALICO_GOES_FIRST, dispute=_POLICY_DISPUTE
)
def node_subnets_move_without_engine(request: ClusterRequest) -> Iterator[Problem]:
    """NPM and Calico on node subnet had to go before; kubenet's Calico was taken along."""
    return _engine_in_the_way(request, (Model.NODE_SUBNET,))


@rule(
    *_policy_rule, applies=_MODEL_MOVES, azure=("ValidationError",), since=_CALICO_GOES_FIRST, dispute=_POLICY_DISPUTE
)
def clusters_move_without_engine(request: ClusterRequest) -> Iterator[Problem]:
    """The policy engine goes first and comes back afterwards; in between nothing enforces the policies."""
    return _engine_in_the_way(request, (Model.NODE_SUBNET, Model.KUBENET))


def _engine_in_the_way(request: ClusterRequest, models: tuple[Model, ...]) -> Iterator[Problem]:
    if request.current is None or moves_to_overlay(request) not in models:
        return
    policy = known(request.current.policy, "the network policy engine of the cluster as it is")
    # Cilium moves along: node subnet with Cilium to Overlay with Cilium, since 19 May 2025.
    if policy in ("azure", "calico"):
        yield Problem(
            f"a move to Overlay with --network-policy {policy}",
            why="the engine belongs to the old plugin; policies aren't enforced until it is back",
            fix="az aks update --network-policy none, the move, then --network-policy again",
            azure="ValidationError",
            azure_text="Cannot update cluster to Azure CNI Overlay while using network policies with Azure CNI v1.",
            target="networkProfile.networkPolicy",
        )


@rule(
    "S24-134",
    "A kubenet cluster that moves has a user-assigned identity",
    _UPDATE,
    issue("Azure/AKS", 2333),
    applies="update of kubenet to Overlay",
    azure=("CustomRouteTableWithMSINotSupported",),
)
def moving_kubenet_has_an_identity(request: ClusterRequest) -> Iterator[Problem]:
    """AKS takes the route table off the subnet, which a system-assigned identity may not."""
    if moves_to_overlay(request) is Model.KUBENET and known(request.identity, "the identity") != "UserAssigned":
        yield Problem(
            "kubenet to Overlay with a system-assigned identity",
            why="AKS must detach the route table from the subnet",
            fix="az identity create ..., then az aks update --enable-managed-identity --assign-identity ID",
            azure="CustomRouteTableWithMSINotSupported",
            azure_text="Clusters using managed identity type SystemAssigned do not support bringing your own route "
            "table. "
            "Please see https://aka.ms/aks/customrt for more information",
            target="identity.type",
        )


@rule(
    "S24-135",
    "A cluster that moves has a pod CIDR outside the whole VNet",
    _UPDATE,
    issue("Azure/AKS-Construction", 403),
    applies=_MODEL_MOVES,
    azure=("NetworkProfileCIDROverlapVNET",),
)
def moving_pods_avoid_the_vnet(request: ClusterRequest) -> Iterator[Problem]:
    """A create is compared with the subnets only; a move with the VNet's whole address space."""
    before = moves_to_overlay(request)
    if before is None:
        return
    if before is Model.NODE_SUBNET and not request.pod_cidrs:
        yield Problem("node subnet to Overlay without --pod-cidr", fix=pod_cidr_fix(request), target=_POD_CIDR)
    for pods in request.pod_networks:
        for prefix in request.vnet_prefixes:
            if overlap(pods, prefix):
                yield Problem(
                    f"pod CIDR {pods} overlaps the VNet's range {prefix}",
                    why="at a move the pod CIDR must be outside the VNet, not only outside its subnets",
                    fix=pod_cidr_fix(request),
                    azure="NetworkProfileCIDROverlapVNET",
                    azure_text=reserved_vnet(str(pods), str(prefix)),
                    target=_POD_CIDR,
                )


_MASQ_LOOKED_AT = date(2025, 1, 30)
_masq_rule = ("S24-136", "A cluster that moves has no ip-masq settings of its own", changelog("2025-01-30"), _UPDATE)


@rule(*_masq_rule, applies=_MODEL_MOVES, severity=Severity.WARNING, until=_MASQ_LOOKED_AT)
def own_masquerading_breaks(request: ClusterRequest) -> Iterator[Problem]:
    """A left-over ConfigMap azure-ip-masq-agent-config broke connectivity after the move."""
    return _own_masquerading(request)


@rule(*_masq_rule, applies=_MODEL_MOVES, since=_MASQ_LOOKED_AT)
def own_masquerading_blocks(request: ClusterRequest) -> Iterator[Problem]:
    """AKS refuses the move since 30 January 2025: pod addresses can't leave the overlay, so exemptions can't work."""
    return _own_masquerading(request)


def _own_masquerading(request: ClusterRequest) -> Iterator[Problem]:
    if moves_to_overlay(request) and known(request.ip_masq, "whether there is a ConfigMap azure-ip-masq-agent-config"):
        yield Problem(
            "a move to Overlay with a ConfigMap azure-ip-masq-agent-config",
            why="what it exempts from translation could not be reached by pods any more",
            fix="kubectl -n kube-system delete configmap azure-ip-masq-agent-config",
        )


_CILIUM_ALONG = date(2025, 5, 19)
_together_rule = ("S24-138", "One change at a time: address model or dataplane", _UPDATE, changelog("2025-05-19"))


@rule(*_together_rule, applies="update", until=_CILIUM_ALONG)
def node_subnet_with_cilium_stayed(request: ClusterRequest) -> Iterator[Problem]:
    """Two updates in any order; node subnet with Cilium could not move until 19 May 2025."""
    yield from _two_changes(request)
    if request.current and moves_to_overlay(request) is Model.NODE_SUBNET and request.current.dataplane == "cilium":
        yield Problem("node subnet with Cilium to Overlay", fix="a new cluster", target=_PROFILE)


@rule(*_together_rule, applies="update", since=_CILIUM_ALONG)
def model_and_dataplane_change_apart(request: ClusterRequest) -> Iterator[Problem]:
    """Each reimages all pools; they are two updates, in any order."""
    return _two_changes(request)


def _two_changes(request: ClusterRequest) -> Iterator[Problem]:
    if model_move(request) and _to_cilium(request):
        yield Problem("address model and dataplane in one update", fix="two updates, in any order", target=_PROFILE)


def _to_cilium(request: ClusterRequest) -> bool:
    before = known(request.current.dataplane, "the dataplane of the cluster as it is") if request.current else "cilium"
    return before != "cilium" and known(request.dataplane, "the network dataplane") == "cilium"


@rule(
    "S24-139",
    "A cluster that takes Cilium's dataplane can",
    _UPDATE,
    docs("node-auto-provisioning-networking"),
    applies="update to Cilium",
)
def cilium_can_be_taken(request: ClusterRequest) -> Iterator[Problem]:
    """Not from kubenet directly, and with node auto-provisioning off; all pools are reimaged, and policies hold when
    every node is done. S24-155 speaks of Windows pools.
    """
    if request.current is None or not _to_cilium(request):
        return
    if request.current.model is Model.KUBENET:
        yield Problem("kubenet to Cilium's dataplane", fix="to Overlay first", target="networkProfile.networkDataplane")
    if uses(request, Addon.NAP):
        yield Problem(
            "an update to Cilium with node auto-provisioning on",
            fix="switch it off during the update",
            target="networkProfile.networkDataplane",
        )
