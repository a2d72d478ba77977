"""Which pool grows, by how much, and why another doesn't."""

from typing import Any

import pytest

from slash24.lab.autoscaler.growth import NodeGroup, choose, growths, why_none
from tests.lab.autoscaler.objects import pod, view

TAINT = {"key": "only", "value": "shop", "effect": "NoSchedule"}
TOLERATION = {"key": "only", "value": "shop"}


def group(
    name: str = "np", *, size: int = 1, ceiling: int = 5, spare: int = 99, shortage: str = "", **node: Any
) -> NodeGroup:
    return NodeGroup(f"aks-{name}-vmss", name, size, 0, ceiling, view(pool=name, **node), spare, shortage)


def test_a_pool_grows_by_the_nodes_that_the_pods_fill() -> None:
    (growth,) = growths([pod(f"p{number}") for number in range(25)], [group(places=10)])
    assert (growth.nodes, len(growth.pods)) == (3, 25)
    assert growth.shown == "{aks-np-vmss 1->4 (max: 5)}"


def test_what_pods_ask_for_fills_nodes_as_their_number_does() -> None:
    asking: dict[str, Any] = {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1500m"}}}]}
    (growth,) = growths([pod(f"p{number}", **asking) for number in range(5)], [group(cpu="4")])
    assert (growth.nodes, len(growth.pods)) == (3, 5)
    assert growth.idle == pytest.approx(1 - (0.75 + 0.75 + 0.375) / 3)


def test_a_pod_that_asks_for_more_than_a_fresh_node_has_grows_nothing() -> None:
    greedy = pod("p", containers=[{"name": "c", "resources": {"requests": {"cpu": "5"}}}])
    assert growths([greedy], [group(cpu="4")]) == []
    assert why_none(greedy, [group(cpu="4")]) == "1 Insufficient cpu"


@pytest.mark.parametrize(("ceiling", "spare", "nodes"), [(3, 99, 2), (9, 1, 1)])
def test_it_grows_no_further_than_its_maximum_and_its_addresses(ceiling: int, spare: int, nodes: int) -> None:
    (growth,) = growths([pod(f"p{number}") for number in range(50)], [group(ceiling=ceiling, spare=spare)])
    assert (growth.nodes, len(growth.pods)) == (nodes, 10 * nodes)


def test_a_pod_that_a_fresh_node_could_not_take_grows_nothing() -> None:
    groups = [
        group("a", taints=[TAINT]),
        group("b"),
        group("c", size=5),
        group("d", spare=0, shortage="subnet s is full"),
    ]
    picky = pod("p", nodeSelector={"agentpool": "z"})
    assert growths([picky], groups) == []
    assert why_none(picky, groups) == (
        "1 max node group size reached, 1 node(s) didn't match Pod's node affinity/selector, "
        "1 node(s) had untolerated taint {only: shop}, 1 subnet s is full"
    )


def test_pods_that_tolerate_it_let_the_tainted_pool_grow() -> None:
    (growth,) = growths([pod("p", tolerations=[TOLERATION]), pod("q")], [group(taints=[TAINT])])
    assert [one["metadata"]["name"] for one in growth.pods] == ["p"]


@pytest.mark.parametrize(
    ("expander", "chosen"), [("most-pods", "big"), ("least-waste", "small"), ("priority", "small"), ("random", "big")]
)
def test_the_expander_chooses(expander: str, chosen: str) -> None:
    pods = [pod(f"p{number}") for number in range(12)]
    options = growths(pods, [group("big", places=20), group("small", places=4, ceiling=3)])
    priorities = {10: [".*"], 50: ["^aks-small-"]}
    assert choose(options, expander, priorities, lambda among: among[0]).group.pool == chosen


def test_a_priority_that_matches_nothing_leaves_the_choice_open() -> None:
    options = growths([pod("p")], [group("a"), group("b")])
    assert choose(options, "priority", {9: ["nobody"]}, lambda among: among[-1]).group.pool == "b"
