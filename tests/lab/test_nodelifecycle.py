"""Nodes that fall silent, and what becomes of their pods; the clock is the test's own."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slash24.lab.eviction import toleration_s
from slash24.lab.nodelifecycle import NodeLifecycle
from slash24.lab.readiness import condition
from slash24.store.objects import ClusterObjects, ObjectStore

Object = dict[str, Any]
GRACE_S = 5.0
UNREACHABLE, NOT_READY = "node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"


class Bench:
    """A controller over a real store; `silence` lets time pass in which only the named kubelets are heard."""

    def __init__(self, objects: ClusterObjects) -> None:
        self.objects = objects
        self.time = self.start = time.time()
        self.beats = 0
        self.restart()

    def restart(self) -> None:
        self.controller = NodeLifecycle(
            self.objects, grace_s=GRACE_S, clock=lambda: self.time - self.start, wall=lambda: self.time
        )

    def add_node(self, name: str, ready: str = "True") -> None:
        status = {"conditions": [{"type": "Ready", "status": ready, "reason": "KubeletReady"}]}
        self.objects.create("nodes", {"kind": "Node", "metadata": {"name": name}, "spec": {}, "status": status})
        metadata = {"name": name, "namespace": "kube-node-lease"}
        self.objects.create("leases", {"kind": "Lease", "metadata": metadata, "spec": {"renewTime": "0"}})

    def add_pod(self, name: str, node: str, *tolerations: Object) -> None:
        spec = {"nodeName": node, "terminationGracePeriodSeconds": 30, "tolerations": list(tolerations)}
        metadata = {"name": name, "namespace": "default"}
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        self.objects.create("pods", {"kind": "Pod", "metadata": metadata, "spec": spec, "status": status})

    def pass_time(self, seconds: float, *, heard: tuple[str, ...] = ()) -> None:
        for _ in range(math.ceil(seconds)):
            self.time += 1
            self.beats += 1
            for name in heard:
                self.objects.update(
                    "leases", name, lambda lease: lease | {"spec": {"renewTime": str(self.beats)}},
                    namespace="kube-node-lease",
                )  # fmt: skip
            self.controller.look()

    def say_ready(self, name: str, status: str) -> None:
        def change(node: Object) -> Object:
            condition(node, "Ready")["status"] = status
            return node

        self.objects.update("nodes", name, change)

    def taints(self, name: str) -> set[tuple[str, str]]:
        return {(t["key"], t["effect"]) for t in self.objects.get("nodes", name)["spec"].get("taints", ())}

    def pod(self, name: str) -> Object | None:
        return self.objects.find("pods", name, namespace="default")

    def is_leaving(self, name: str) -> bool:
        pod = self.pod(name)
        return pod is not None and "deletionTimestamp" in pod["metadata"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    store = ObjectStore(tmp_path / "lab.db")
    bench = Bench(store.cluster("demo"))
    bench.add_node("one")
    bench.add_node("two")
    yield bench
    store.close()


def stays(seconds: int, key: str = UNREACHABLE) -> Object:
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}


def test_a_node_within_its_grace_period_is_left_alone(bench: Bench) -> None:
    bench.pass_time(GRACE_S, heard=("one",))
    assert condition(bench.objects.get("nodes", "two"), "Ready")["status"] == "True"
    assert bench.taints("two") == set()


def test_a_silent_node_is_unknown_tainted_and_its_pods_are_not_ready(bench: Bench) -> None:
    bench.add_pod("web", "two", stays(300))
    bench.pass_time(GRACE_S + 2, heard=("one",))
    ready = condition(bench.objects.get("nodes", "two"), "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert ready["message"] == "Kubelet stopped posting node status."
    assert condition(bench.objects.get("nodes", "two"), "DiskPressure")["reason"] == "NodeStatusNeverUpdated"
    assert bench.taints("two") == {(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")}
    pod = bench.pod("web")
    assert pod and condition(pod, "Ready")["status"] == "False"
    assert bench.taints("one") == set()


def test_a_lease_that_is_longer_than_the_grace_period_counts(bench: Bench) -> None:
    spec = {"renewTime": "0", "leaseDurationSeconds": 30}
    bench.objects.update("leases", "two", lambda lease: lease | {"spec": spec}, namespace="kube-node-lease")
    bench.pass_time(29, heard=("one",))
    assert bench.taints("two") == set()
    bench.pass_time(3, heard=("one",))
    assert bench.taints("two")


def test_a_pod_is_evicted_when_its_toleration_is_over_and_stays_terminating(bench: Bench) -> None:
    bench.add_pod("short", "two", stays(3))
    bench.add_pod("long", "two", stays(300))
    bench.pass_time(GRACE_S + 2, heard=("one",))
    assert not bench.is_leaving("short")
    bench.pass_time(4, heard=("one",))
    assert bench.is_leaving("short") and not bench.is_leaving("long")
    bench.pass_time(60, heard=("one",))
    assert bench.is_leaving("short"), "only its kubelet, or the end of its node, removes it"


def test_taints_go_when_the_node_is_heard_again(bench: Bench) -> None:
    bench.add_pod("web", "two", stays(300))
    bench.pass_time(GRACE_S + 2, heard=("one",))
    bench.say_ready("two", "True")
    bench.pass_time(1, heard=("one", "two"))
    assert bench.taints("two") == set() and not bench.is_leaving("web")


def test_nobody_is_evicted_when_no_node_is_heard(bench: Bench) -> None:
    bench.add_pod("web", "two", stays(0))
    bench.pass_time(60)
    assert bench.taints("two") == {(UNREACHABLE, "NoSchedule")}
    assert not bench.is_leaving("web")


def test_a_new_server_gives_every_node_its_grace_period_anew(bench: Bench) -> None:
    bench.pass_time(3, heard=("one",))
    bench.restart()
    bench.pass_time(4, heard=("one",))
    assert bench.taints("two") == set()


def test_a_node_that_says_it_is_not_ready_is_tainted_so(bench: Bench) -> None:
    bench.pass_time(1, heard=("one", "two"))
    bench.say_ready("two", "False")
    bench.pass_time(1, heard=("one", "two"))
    assert bench.taints("two") == {(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")}


def test_a_node_that_only_begins_is_not_tainted(bench: Bench) -> None:
    bench.add_node("three", ready="False")
    bench.pass_time(2, heard=("one", "two", "three"))
    assert bench.taints("three") == set()


def test_a_users_taint_evicts_who_does_not_tolerate_it_and_stays(bench: Bench) -> None:
    bench.add_pod("web", "two")
    bench.add_pod("agent", "two", {"operator": "Exists"})
    bench.add_pod("guest", "two", {"key": "maintenance", "operator": "Exists", "tolerationSeconds": 10})
    taint = {"key": "maintenance", "value": "now", "effect": "NoExecute"}
    bench.objects.update("nodes", "two", lambda node: node | {"spec": {"taints": [taint]}})
    bench.pass_time(2, heard=("one", "two"))
    assert bench.is_leaving("web") and not bench.is_leaving("agent") and not bench.is_leaving("guest")
    bench.pass_time(12, heard=("one", "two"))
    assert bench.is_leaving("guest") and not bench.is_leaving("agent")
    assert bench.taints("two") == {("maintenance", "NoExecute")}


def test_pods_and_the_lease_of_a_node_that_was_deleted_go(bench: Bench) -> None:
    bench.add_pod("web", "two", stays(300))
    bench.objects.delete("nodes", "two")
    bench.pass_time(21, heard=("one",))
    assert bench.pod("web") is None
    assert bench.objects.find("leases", "two", namespace="kube-node-lease") is None
    assert bench.objects.find("leases", "one", namespace="kube-node-lease")


@pytest.mark.parametrize(
    ("tolerations", "seconds"),
    [
        ([], 0.0),
        ([stays(5)], 5.0),
        ([stays(5), stays(2)], 2.0),
        ([stays(-1)], 0.0),
        ([{"operator": "Exists"}], math.inf),
        ([stays(5, NOT_READY)], 0.0),
    ],
)
def test_how_long_a_pod_stays(tolerations: list[Object], seconds: float) -> None:
    assert toleration_s([{"key": UNREACHABLE, "effect": "NoExecute"}], tolerations) == seconds
