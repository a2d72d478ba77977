"""Assessing a change of a cluster that stands: what blocks it, what it does besides, and the commands in their order.

What may change into what is the rulebook's (S24-113, S24-131 to S24-139, S24-167, S24-179); this adds what only the
cluster's surroundings show, and turns the findings into steps.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from shlex import quote

from slash24.core.models import TRAITS, Model
from slash24.plan.finding import Finding, Severity
from slash24.plan.request import ClusterRequest, Operation
from slash24.plan.rulebook import Rule, examine, rules
from slash24.plan.source import RULEBOOK_DAY


class Target(StrEnum):
    """What a cluster may be asked to become, allowed or not."""

    OVERLAY = "overlay"
    CILIUM = "cilium"
    OVERLAY_CILIUM = "overlay-cilium"
    NODE_SUBNET = "node-subnet"
    POD_SUBNET = "pod-subnet"
    KUBENET = "kubenet"
    POLICY_NONE = "policy-none"
    POLICY_AZURE = "policy-azure"
    POLICY_CALICO = "policy-calico"
    POD_CIDR = "pod-cidr"
    SERVICE_CIDR = "service-cidr"
    MAX_PODS = "max-pods"


class Result(StrEnum):
    """How a check ended. A danger is nothing that AKS would refuse, but something that destroys."""

    OK = "ok"
    BLOCKER = "BLOCKER"
    DANGER = "DANGER"
    WARNING = "WARNING"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the assessment. code: of the rule behind it, "" if none is; source: where it was read."""

    check: str
    result: Result
    message: str = ""
    why: str = ""
    fix: str = ""
    code: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and what it is for."""

    command: str
    why: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of a cluster beside its own document. None is unknown.

    group: its resource group. route_table_sharers: other subnets that have the node subnet's route table.
    policies: how many NetworkPolicies there are.
    """

    group: str = "<group>"
    route_table_sharers: tuple[str, ...] | None = None
    policies: int | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """checks, blockers first; steps in the order in which they are to be taken."""

    before: ClusterRequest
    after: ClusterRequest
    checks: tuple[Check, ...]
    steps: tuple[Step, ...]

    def count(self, result: Result) -> int:
        return sum(one.result is result for one in self.checks)


def changed(
    current: ClusterRequest, target: Target, *, pod_cidr: str = "", service_cidr: str = "", max_pods: int = 0
) -> ClusterRequest:
    """Return the update that asks for the target. pod_cidr, service_cidr, max_pods: new values, if any."""
    fields: dict[Target, dict[str, object]] = {
        Target.OVERLAY: {"plugin": "azure", "mode": "overlay"},
        Target.CILIUM: {"dataplane": "cilium", "policy": "cilium"},
        Target.OVERLAY_CILIUM: {"plugin": "azure", "mode": "overlay", "dataplane": "cilium", "policy": "cilium"},
        Target.NODE_SUBNET: {"plugin": "azure", "mode": "", "pod_cidrs": ()},
        Target.POD_SUBNET: {"plugin": "azure", "mode": "", "pod_cidrs": ()},
        Target.KUBENET: {"plugin": "kubenet", "mode": ""},
        Target.POLICY_NONE: {"policy": "none"},
        Target.POLICY_AZURE: {"policy": "azure"},
        Target.POLICY_CALICO: {"policy": "calico"},
    }
    changes = dict(fields.get(target, {}))
    if pod_cidr:
        changes["pod_cidrs"] = (pod_cidr,)
    if service_cidr:
        changes["service_cidrs"] = (service_cidr,)
    pools = current.pools
    if target is Target.POD_SUBNET:
        pools = tuple(replace(pool, pod_subnet_id=pool.pod_subnet_id or "<pod subnet>") for pool in pools)
    if max_pods:
        pools = tuple(replace(pool, max_pods=max_pods) for pool in pools)
    return replace(current, pools=pools, operation=Operation.UPDATE, current=current, **changes)  # type: ignore[arg-type]


def assess(request: ClusterRequest, around: Surroundings, *, as_of: date | None = None) -> Assessment:
    """Return what the update `request`, whose `current` is the cluster as it is, would meet.

    Raises ValueError if the request is no update, UnknownFact if the cluster's networking model isn't known.
    """
    before = request.current
    if before is None:
        raise ValueError("the request has no current cluster")
    report = examine(request, as_of=as_of)
    standing = {(one.code, one.message) for one in examine(before, as_of=as_of).findings}
    # What is already so has been accepted by AKS; only what the change brings, or its rules say, belongs here.
    found = [
        one for one in report.findings if (one.code, one.message) not in standing or one.code in _asked(before, request)
    ]
    checks = [_check(one) for one in found]
    holes = {one.code: one.fact for one in report.unchecked}
    found_codes = {one.code for one in found}
    for one in rules():
        if one.code in _asked(before, request) and one.code not in found_codes and _holds(one, as_of):
            result = Result.UNKNOWN if one.code in holes else Result.OK
            message = f"{holes[one.code]} is not known" if one.code in holes else ""
            checks.append(Check(one.title, result, message, code=one.code, source=str(one.sources[0])))
    checks += _surrounding(request, before, around)
    return Assessment(before, request, ordered(checks), tuple(_steps(request, before, around, found_codes)))


def ordered(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return checks with the worst first, and those of a kind by their rules."""
    order = (Result.BLOCKER, Result.DANGER, Result.WARNING, Result.UNKNOWN, Result.OK)
    return tuple(sorted(checks, key=lambda one: (order.index(one.result), one.code)))


def _holds(one: Rule, as_of: date | None) -> bool:
    return one.holds(as_of or RULEBOOK_DAY)


def _asked(before: ClusterRequest, request: ClusterRequest) -> frozenset[str]:
    """Return the codes that a change of this kind is asked, be the answer yes or no."""
    codes = {"S24-138", "S24-179"}
    if before.model is not request.model:
        codes |= {"S24-131"}
        if request.model is Model.OVERLAY:
            codes |= {"S24-111", "S24-132", "S24-133", "S24-135", "S24-136"}
            codes |= {"S24-134", "S24-137"} if before.model is Model.KUBENET else set()
    elif request.pod_cidrs != before.pod_cidrs:
        codes |= {"S24-113"}
    if request.dataplane == "cilium" and before.dataplane != "cilium":
        codes |= {"S24-139", "S24-155"}
    return frozenset(codes)


def _check(one: Finding) -> Check:
    result = {Severity.ERROR: Result.BLOCKER, Severity.WARNING: Result.WARNING}.get(one.severity, Result.OK)
    return Check(one.message, result, one.azure, one.why, one.fix, one.code, f"{one.source} ({one.as_of})")


def _surrounding(request: ClusterRequest, before: ClusterRequest, around: Surroundings) -> Iterator[Check]:
    to_overlay = request.model is Model.OVERLAY and before.model is not Model.OVERLAY
    if to_overlay and before.model is Model.KUBENET:
        yield _route_table(around)
    if to_overlay and TRAITS[before.model].pod_cidr is False:
        yield Check(
            "Hosts outside the cluster that call pods", Result.WARNING,
            "pods have addresses of the VNet now and can't be reached from outside afterwards",
            why="Overlay's pod addresses mean something inside the cluster only",
            fix="a Service of type LoadBalancer, or an ingress, before the move",
            source="https://learn.microsoft.com/azure/aks/concepts-network-azure-cni-overlay (2026-08-21)",
        )  # fmt: skip
    if to_overlay and before.model is Model.KUBENET:
        yield Check(
            "Hosts of the VNet that reach pods through the route table", Result.WARNING,
            "the table goes, and the way with it",
            why="a VM whose subnet has the table reaches pods today, and won't afterwards",
            fix="a Service of type LoadBalancer, or an ingress, before the move",
            source="https://github.com/Azure/AKS/issues/4871 (2026-09-01)",
        )  # fmt: skip
    if to_overlay or before.dataplane != request.dataplane or before.policy != request.policy:
        yield Check(
            "All node pools are reimaged at once", Result.WARNING, "pods are moved; a pool alone can't be updated",
            why="the plugin's programs on every node change",
            fix="PodDisruptionBudgets, and a window in which this may happen",
            source="https://learn.microsoft.com/azure/aks/update-azure-cni (2026-08-21)",
        )  # fmt: skip
    if around.policies and before.policy in ("azure", "calico") and (to_overlay or request.policy != before.policy):
        yield Check(
            f"NetworkPolicies: {around.policies}", Result.WARNING,
            "nothing enforces them from the engine's removal until it is back",
            why="what they forbid is allowed in between", fix="a window in which that may be",
            source="https://learn.microsoft.com/azure/aks/use-network-policies (2026-08-21)",
        )  # fmt: skip


def _route_table(around: Surroundings) -> Check:
    title = "The nodes' route table is no other subnet's"
    source = "https://github.com/MicrosoftDocs/azure-aks-docs/issues/334 (2026-09-01)"
    if around.route_table_sharers is None:
        return Check(title, Result.UNKNOWN, "the VNet's subnets are not known", fix="--vnet VNET.json", source=source)
    if not around.route_table_sharers:
        return Check(title, Result.OK, source=source)
    names = ", ".join(around.route_table_sharers)
    return Check(
        title, Result.BLOCKER, f"{names} has it too", why="AKS can't delete a table that a subnet still has",
        fix="take it off that subnet, or give that subnet a table of its own", source=source,
    )  # fmt: skip


def _steps(
    request: ClusterRequest, before: ClusterRequest, around: Surroundings, found: Iterable[str]
) -> Iterator[Step]:
    """Yield the commands; none if the change itself is refused."""
    codes = set(found)
    moves = before.model is not request.model
    if codes & {"S24-131", "S24-179", "S24-113"} or ("S24-139" in codes and not moves):
        return
    whose = f"-g {quote(around.group)} -n {quote(request.name or '<cluster>')}"
    update = f"az aks update {whose}"
    if "S24-134" in codes:
        name = f"{request.name}-identity"
        yield Step(
            f"az identity create -g {quote(around.group)} -n {quote(name)}",
            "kubenet's routes need an identity of yours",
        )
        identity = f"$(az identity show -g {quote(around.group)} -n {quote(name)} --query id -o tsv)"
        yield Step(f'{update} --enable-managed-identity --assign-identity "{identity}"', "the cluster takes it")
    for subnet in around.route_table_sharers or ():
        where = f"-g {quote(around.group)} --vnet-name {quote(_vnet(before))} -n {quote(subnet)}"
        why = "the nodes' route table must be theirs alone"
        yield Step(f'az network vnet subnet update {where} --route-table ""', why)
    if "S24-136" in codes:
        yield Step(
            "kubectl -n kube-system delete configmap azure-ip-masq-agent-config", "what it exempts could not be reached"
        )
    engine = before.policy if before.policy in ("azure", "calico") else ""
    if engine and moves:
        yield Step(f"{update} --network-policy none", "the engine goes first; from here nothing enforces policies")
    if moves:
        pods = (
            f" --pod-cidr {request.pod_cidrs[0]}" if request.pod_cidrs and request.pod_cidrs != before.pod_cidrs else ""
        )
        yield Step(
            f"{update} --network-plugin azure --network-plugin-mode overlay{pods}", "the move; there is no way back"
        )
    elif request.pod_cidrs != before.pod_cidrs and request.pod_cidrs:
        yield Step(f"{update} --pod-cidr {request.pod_cidrs[0]}", "the pod CIDR grows")
    if engine and moves and request.dataplane != "cilium":
        yield Step(f"{update} --network-policy {engine}", "policies are enforced again")
    if request.dataplane == "cilium" and before.dataplane != "cilium":
        yield Step(f"{update} --network-dataplane cilium", "a step of its own; policies hold when every node is done")
    elif not moves and request.policy != before.policy:
        if engine and request.policy not in ("none", ""):
            yield Step(f"{update} --network-policy none", "one engine goes before the other comes")
        yield Step(f"{update} --network-policy {request.policy or 'none'}", "all pools are reimaged")
    yield Step("kubectl get nnc -A; kubectl get nodes -o wide", "every node has its block and is Ready")


def _vnet(request: ClusterRequest) -> str:
    return request.vnet_id.rpartition("/")[2] or "<vnet>"
