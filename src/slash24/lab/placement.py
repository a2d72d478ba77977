"""Where a pod may be: what the lab's scheduler looks at in a node, and Kubernetes' words for a refusal. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NodeView:
    """What the scheduler looks at in a node. `places`: pods it may hold. Taints are (key, value, effect)."""

    name: str
    places: int
    cordoned: bool
    taints: tuple[tuple[str, str, str], ...]
    labels: Mapping[str, str]


def view_node(node: Object) -> NodeView:
    """Return the scheduler's view of a v1 Node."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    taints = [
        (str(taint.get("key", "")), str(taint.get("value") or ""), str(taint.get("effect", "")))
        for taint in spec.get("taints") or ()
    ]
    # In a real cluster the node controller turns these conditions into taints.
    state = {condition.get("type"): condition.get("status") for condition in status.get("conditions") or ()}
    if state.get("Ready") != "True":
        why = "unreachable" if state.get("Ready") == "Unknown" else "not-ready"
        taints.append((f"node.kubernetes.io/{why}", "", "NoSchedule"))
    if state.get("NetworkUnavailable") == "True":
        taints.append(("node.kubernetes.io/network-unavailable", "", "NoSchedule"))
    capacity = (status.get("allocatable") or status.get("capacity") or {}).get("pods", 0)
    return NodeView(
        name=node["metadata"]["name"],
        places=int(capacity) if str(capacity).isdigit() else 0,
        cordoned=bool(spec.get("unschedulable")),
        taints=tuple(dict.fromkeys(taints)),
        labels=dict(node["metadata"].get("labels") or {}),
    )


def refusal(spec: Object, node: NodeView) -> str | None:
    """Return why a pod can't be on a node, in Kubernetes' words; None if it can. Free places aside."""
    tolerations = spec.get("tolerations") or ()
    cordon = ("node.kubernetes.io/unschedulable", "", "NoSchedule")
    if node.cordoned and not _tolerated(cordon, tolerations):
        return "node(s) were unschedulable"
    for taint in node.taints:
        if taint[2] in ("NoSchedule", "NoExecute") and not _tolerated(taint, tolerations):
            return f"node(s) had untolerated taint {{{taint[0]}: {taint[1]}}}"
    if not _selected(spec, node):
        return "node(s) didn't match Pod's node affinity/selector"
    return None


def _tolerated(taint: tuple[str, str, str], tolerations: Iterable[Object]) -> bool:
    key, value, effect = taint
    for toleration in tolerations:
        if toleration.get("effect") and toleration["effect"] != effect:
            continue
        if toleration.get("key") and toleration["key"] != key:
            continue
        if toleration.get("operator") == "Exists" or (
            toleration.get("key") and (toleration.get("value") or "") == value
        ):
            return True
    return False


def _selected(spec: Object, node: NodeView) -> bool:
    if any(node.labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(
        all(_holds(expression, node.labels) for expression in term.get("matchExpressions") or ())
        and all(_holds(expression, {"metadata.name": node.name}) for expression in term.get("matchFields") or ())
        for term in required.get("nodeSelectorTerms") or ()
        if term.get("matchExpressions") or term.get("matchFields")  # an empty term matches nothing
    )


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    operator, values = expression.get("operator"), expression.get("values") or []
    label = labels.get(str(expression.get("key")))
    match operator:
        case "In":
            return label in values
        case "NotIn":
            return label not in values
        case "Exists":
            return label is not None
        case "DoesNotExist":
            return label is None
        case "Gt" | "Lt":
            try:
                number, bound = int(label or ""), int(values[0])
            except (ValueError, IndexError):
                return False
            return number > bound if operator == "Gt" else number < bound
    return False


def why_nowhere(reasons: Mapping[str, int], full: int) -> str:
    """Return kube-scheduler's message for a pod that fits on no node.

    reasons: nodes by what speaks against them; full: how many more have no free place for a pod.

    >>> why_nowhere({"node(s) were unschedulable": 1}, 1)[:72]
    '0/2 nodes are available: 1 Too many pods, 1 node(s) were unschedulable. '
    """
    total = sum(reasons.values()) + full
    if not total:
        return "no nodes available to schedule pods"
    counted = dict(reasons) | ({"Too many pods": full} if full else {})
    parts = ", ".join(sorted(f"{count} {reason}" for reason, count in counted.items()))
    helpless = total - full
    preemption = ([f"{full} No preemption victims found for incoming pod"] if full else []) + (
        [f"{helpless} Preemption is not helpful for scheduling"] if helpless else []
    )
    head = f"0/{total} nodes are available:"
    return f"{head} {parts}. preemption: {head} {', '.join(sorted(preemption))}."
