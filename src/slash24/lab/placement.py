"""Where a pod may be: what the lab's scheduler looks at in a node, and Kubernetes' words for a refusal. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from slash24.lab import quantity

Object = Mapping[str, Any]
#: Amounts of resources by name: processors, bytes.
Amounts = Mapping[str, Fraction]


@dataclass(frozen=True, slots=True)
class NodeView:
    """What the scheduler looks at in a node.

    places: pods it may hold; allocatable: what they may ask for together. Taints are (key, value, effect).
    """

    name: str
    places: int
    cordoned: bool
    taints: tuple[tuple[str, str, str], ...]
    labels: Mapping[str, str]
    allocatable: Amounts = field(default_factory=dict)


def view_node(node: Object) -> NodeView:
    """Return the scheduler's view of a v1 Node."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    taints = [
        (str(taint.get("key", "")), str(taint.get("value") or ""), str(taint.get("effect", "")))
        for taint in spec.get("taints") or ()
    ]
    # The node lifecycle controller turns these conditions into taints as well, of nodes that were Ready once.
    state = {condition.get("type"): condition.get("status") for condition in status.get("conditions") or ()}
    if state.get("Ready") != "True":
        why = "unreachable" if state.get("Ready") == "Unknown" else "not-ready"
        taints.append((f"node.kubernetes.io/{why}", "", "NoSchedule"))
    if state.get("NetworkUnavailable") == "True":
        taints.append(("node.kubernetes.io/network-unavailable", "", "NoSchedule"))
    allocatable = _amounts(status.get("allocatable") or status.get("capacity") or {})
    return NodeView(
        name=node["metadata"]["name"],
        places=int(allocatable.pop("pods", 0)),
        cordoned=bool(spec.get("unschedulable")),
        taints=tuple(dict.fromkeys(taints)),
        labels=dict(node["metadata"].get("labels") or {}),
        allocatable=allocatable,
    )


def requests_of(spec: Object) -> Amounts:
    """Return what a pod asks for: its containers' together, or what an init container asks for if that is more.

    Sidecars stay, so they count beside both (docs/sources.md#pods). A limit without a request is a request.
    """
    lasting: dict[str, Fraction] = {}
    most: dict[str, Fraction] = {}
    for container in spec.get("initContainers") or ():
        asked = _requests(container)
        for name, amount in asked.items():
            most[name] = max(most.get(name, Fraction(0)), lasting.get(name, Fraction(0)) + amount)
        if container.get("restartPolicy") == "Always":
            _add(lasting, asked)
    for container in spec.get("containers") or ():
        _add(lasting, _requests(container))
    total = {name: max(amount, most.get(name, amount)) for name, amount in (most | lasting).items()}
    _add(total, _amounts(spec.get("overhead") or {}))
    return {name: amount for name, amount in total.items() if amount}


def shortages(asked: Amounts, node: NodeView, pods: int, used: Amounts) -> tuple[str, ...]:
    """Return what a node lacks for one more pod, in kube-scheduler's words. pods, used: what those there take."""
    none = Fraction(0)
    scarce = [name for name in sorted(asked) if used.get(name, none) + asked[name] > node.allocatable.get(name, none)]
    return (*(() if pods < node.places else ("Too many pods",)), *(f"Insufficient {name}" for name in scarce))


def _requests(container: Object) -> Amounts:
    resources = container.get("resources") or {}
    return _amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _add(total: dict[str, Fraction], amounts: Amounts) -> None:
    for name, amount in amounts.items():
        total[name] = total.get(name, Fraction(0)) + amount


def _amounts(given: Mapping[str, Any]) -> dict[str, Fraction]:
    return {name: quantity.parse(text) for name, text in given.items()}


def refusal(spec: Object, node: NodeView) -> str | None:
    """Return why a pod can't be on a node, even an empty one, in Kubernetes' words; None if it can."""
    tolerations = spec.get("tolerations") or ()
    cordon = ("node.kubernetes.io/unschedulable", "", "NoSchedule")
    if node.cordoned and not _tolerated(cordon, tolerations):
        return "node(s) were unschedulable"
    for taint in node.taints:
        if taint[2] in ("NoSchedule", "NoExecute") and not _tolerated(taint, tolerations):
            return f"node(s) had untolerated taint {{{taint[0]}: {taint[1]}}}"
    if not _selected(spec, node):
        return "node(s) didn't match Pod's node affinity/selector"
    lacking = shortages(requests_of(spec), node, pods=-1, used={})
    return lacking[0] if lacking else None


def _tolerated(taint: tuple[str, str, str], tolerations: Iterable[Object]) -> bool:
    return any(tolerates(toleration, taint) for toleration in tolerations)


def tolerates(toleration: Object, taint: tuple[str, str, str]) -> bool:
    """Tell whether a pod's toleration takes a taint (key, value, effect)."""
    key, value, effect = taint
    if toleration.get("effect") and toleration["effect"] != effect:
        return False
    if toleration.get("key") and toleration["key"] != key:
        return False
    return toleration.get("operator") == "Exists" or (
        bool(toleration.get("key")) and (toleration.get("value") or "") == value
    )


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


def why_nowhere(reasons: Mapping[str, int], lacking: Sequence[Sequence[str]]) -> str:
    """Return kube-scheduler's message for a pod that fits on no node.

    reasons: nodes by what speaks against them; lacking: of each other node, what there is too little of now.

    >>> why_nowhere({"node(s) were unschedulable": 1}, [["Too many pods"]])[:72]
    '0/2 nodes are available: 1 Too many pods, 1 node(s) were unschedulable. '
    """
    helpless, full = sum(reasons.values()), len(lacking)
    total = helpless + full
    if not total:
        return "no nodes available to schedule pods"
    counted = Counter(reasons)
    for lacks in lacking:
        counted.update(lacks)
    parts = ", ".join(sorted(f"{count} {reason}" for reason, count in counted.items()))
    preemption = ([f"{full} No preemption victims found for incoming pod"] if full else []) + (
        [f"{helpless} Preemption is not helpful for scheduling"] if helpless else []
    )
    head = f"0/{total} nodes are available:"
    return f"{head} {parts}. preemption: {head} {', '.join(sorted(preemption))}."
