"""Which nodes nobody needs, and which pods keep theirs."""

from collections.abc import Sequence
from typing import Any

import pytest

from slash24.core.autoscaling import AutoscalerProfile
from slash24.lab.autoscaler.rooms import Room
from slash24.lab.autoscaler.shrinking import Candidate, blocker, candidates
from slash24.lab.placement import view_node
from tests.lab.autoscaler.objects import Object, node, pod

PROFILE = AutoscalerProfile()
SAFE = "cluster-autoscaler.kubernetes.io/safe-to-evict"
EMPTY_DIR = [{"name": "cache", "emptyDir": {}}]


@pytest.mark.parametrize(
    ("keeper", "why"),
    [
        (pod("p"), ""),
        (pod("p", owner=""), "NotReplicated"),
        (pod("p", owner="", notes={SAFE: "true"}), ""),
        (pod("p", notes={SAFE: "false"}), "NotSafeToEvictAnnotation"),
        (pod("p", namespace="kube-system"), "UnmovableKubeSystemPod"),
        (pod("p", volumes=EMPTY_DIR), ""),
    ],
)
def test_a_pod_keeps_its_node_for_the_autoscalers_own_reasons(keeper: Object, why: str) -> None:
    assert blocker(keeper, PROFILE) == why


def test_the_profile_decides_about_local_storage_and_system_pods() -> None:
    strict = AutoscalerProfile(skip_nodes_with_local_storage=True, skip_nodes_with_system_pods=False)
    dispensable = {"cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": "cache"}
    assert blocker(pod("p", volumes=EMPTY_DIR), strict) == "LocalStorageRequested"
    assert blocker(pod("p", volumes=EMPTY_DIR, notes=dispensable), strict) == ""
    assert blocker(pod("p", namespace="kube-system"), strict) == ""


def find(nodes: Sequence[Object], pods: Sequence[Object], spare: int = 9, **settings: Any) -> list[Candidate]:
    by_node: dict[str, list[Object]] = {}
    for one in pods:
        by_node.setdefault(one["spec"]["nodeName"], []).append(one)
    rooms = {one["metadata"]["name"]: Room(view_node(one), by_node.get(one["metadata"]["name"], ())) for one in nodes}
    return candidates(nodes, by_node, rooms, {"np": spare}, AutoscalerProfile(**settings))


def names(found: Sequence[Candidate]) -> list[str]:
    return [one.name for one in found]


def test_an_empty_node_may_go_and_a_pod_that_fits_elsewhere_moves() -> None:
    found = find([node("a"), node("b"), node("c")], [pod("p", on="a"), pod("q", on="b")], spare=2)
    assert names(found) == ["c", "a"]
    assert [one["metadata"]["name"] for one in found[1].moving] == ["p"]


def test_a_node_that_another_ones_pods_move_to_stays() -> None:
    assert names(find([node("a"), node("b")], [pod("p", on="a"), pod("q", on="b")])) == ["a"]


def test_a_node_stays_whose_pods_have_no_other_place() -> None:
    full = [pod(f"p{number}", on="b") for number in range(10)]
    assert names(find([node("a"), node("b")], [pod("p", on="a"), *full])) == []
    picky = pod("p", on="a", nodeSelector={"kubernetes.io/hostname": "a"})
    assert names(find([node("a"), node("b")], [picky, pod("q", on="b", owner="")])) == []


def test_no_more_go_than_the_pool_may_lose_and_other_pools_are_left_alone() -> None:
    nodes = [node("a"), node("b"), node("c"), node("d", pool="fixed")]
    assert names(find(nodes, [], spare=2)) == ["a", "b"]


def test_daemons_and_mirrors_keep_nothing_and_pods_that_end_are_waited_for() -> None:
    mirror = pod("m", on="a", owner="", notes={"kubernetes.io/config.mirror": "x"})
    ending = pod("e", on="a", owner="")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    (found,) = find([node("a"), node("b")], [pod("d", on="a", owner="DaemonSet"), mirror, ending], spare=1)
    assert (found.name, found.moving) == ("a", ())
    assert {one["metadata"]["name"] for one in found.daemons} == {"d", "m"}


def test_a_node_says_by_annotation_that_it_stays() -> None:
    kept = node("a")
    kept["metadata"]["annotations"] = {"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"}
    assert names(find([kept, node("b")], [])) == ["b"]
