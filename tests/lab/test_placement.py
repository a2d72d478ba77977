"""Where a pod may be."""

from fractions import Fraction
from typing import Any

import pytest

from slash24.lab.placement import NodeView, refusal, requests_of, shortages, view_node, why_nowhere

Object = dict[str, Any]


def look(cpu: str = "4", **spec: Any) -> NodeView:
    return view_node(
        {
            "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "n1"}},
            "spec": spec,
            "status": {
                "allocatable": {"pods": "10", "cpu": cpu, "memory": "1Gi"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }
    )


GPU = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "yes"}, True),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "cpu", "operator": "Exists"}, False),
    ],
)
def test_a_taint_is_tolerated_as_in_kubernetes(toleration: Object, tolerated: bool) -> None:
    assert (refusal({"tolerations": [toleration]}, look(taints=[GPU])) is None) == tolerated


def test_a_preference_is_no_refusal() -> None:
    assert refusal({}, look(taints=[GPU | {"effect": "PreferNoSchedule"}])) is None


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ({"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1", "n2"]}, True),
        ({"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["n1"]}, False),
        ({"key": "zone", "operator": "NotIn", "values": ["1"]}, True),
        ({"key": "zone", "operator": "Exists"}, False),
        ({"key": "zone", "operator": "DoesNotExist"}, True),
        ({"key": "zone", "operator": "Gt", "values": ["1"]}, False),
    ],
)
def test_required_node_affinity_decides(expression: Object, matches: bool) -> None:
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    spec = {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}
    assert (refusal(spec, look()) is None) == matches


def test_a_node_selector_needs_each_label() -> None:
    assert refusal({"nodeSelector": {"kubernetes.io/hostname": "n1"}}, look()) is None
    assert refusal({"nodeSelector": {"disk": "ssd"}}, look()) == "node(s) didn't match Pod's node affinity/selector"


def test_reasons_are_counted_and_sorted() -> None:
    assert why_nowhere({"b": 1, "a": 2}, [["Too many pods"]] * 3) == (
        "0/6 nodes are available: 1 b, 2 a, 3 Too many pods. preemption: 0/6 nodes are available: "
        "3 No preemption victims found for incoming pod, 3 Preemption is not helpful for scheduling."
    )


def container(cpu: str = "", **more: Any) -> Object:
    return {"name": "c", "resources": {"requests": {"cpu": cpu} if cpu else {}}, **more}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [container()]}, "0"),
        ({"containers": [container("500m"), container("1")]}, "3/2"),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}}}]}, "2"),
        ({"initContainers": [container("3")], "containers": [container("1")]}, "3"),
        ({"initContainers": [container("1", restartPolicy="Always")], "containers": [container("1")]}, "2"),
        (
            {
                "initContainers": [container("1", restartPolicy="Always"), container("3")],
                "containers": [container("1")],
            },
            "4",
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, "5/4"),
    ],
)
def test_a_pod_asks_for_its_containers_or_its_greatest_init_container(spec: Object, cpu: str) -> None:
    assert requests_of(spec).get("cpu", 0) == Fraction(cpu)


def test_a_node_lacks_what_others_have_taken() -> None:
    asked, used = {"cpu": Fraction(2), "memory": Fraction(1 << 29)}, {"cpu": Fraction(3), "memory": Fraction(1 << 29)}
    assert shortages(asked, look(), 9, {}) == ()
    assert shortages(asked, look(), 9, used) == ("Insufficient cpu",)
    assert shortages({"gpu.example/one": Fraction(1)}, look(), 10, {}) == (
        "Too many pods",
        "Insufficient gpu.example/one",
    )


def test_a_pod_that_asks_for_more_than_a_node_has_is_refused_by_it() -> None:
    assert refusal({"containers": [container("5")]}, look()) == "Insufficient cpu"
    assert refusal({"containers": [container("4")]}, look()) is None
