"""The autoscaler's loop over a real store, with a scheduler beside it and a lab that is only remembered."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from slash24.core.autoscaling import AutoscalerProfile
from slash24.core.topology import Cluster, NodePool
from slash24.errors import Slash24Error
from slash24.lab.autoscaler import loop, removal
from slash24.lab.autoscaler.loop import Autoscaler
from slash24.lab.scaling import with_counts
from slash24.lab.scheduler import Scheduler
from slash24.store.objects import ClusterObjects, ObjectStore
from tests.lab.autoscaler.objects import Object, node, pod

SUBNET = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
QUICK = AutoscalerProfile(
    scan_interval=timedelta(milliseconds=10),
    scale_down_unneeded_time=timedelta(milliseconds=50),
    scale_down_delay_after_add=timedelta(0),
    scale_down_delay_after_delete=timedelta(0),
)


class FakeScaler:
    """Makes Node objects instead of nodes. `free` addresses are left; `broken` says why nothing can be added."""

    def __init__(self, objects: ClusterObjects) -> None:
        pool = NodePool("np", 1, SUBNET, max_pods=10, autoscale=True, min_count=1, max_count=3)
        network = IPv4Network("10.244.0.0/16")
        self.cluster = Cluster(
            "/subscriptions/1/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c",
            "here", network, IPv4Network("10.0.0.0/16"), "10.0.0.10", (pool,), autoscaler=QUICK,
        )  # fmt: skip
        self.free, self.broken = 99, ""
        self._objects = objects
        objects.create("nodes", node("np-0"))

    def spare(self, pool: NodePool) -> tuple[int, str]:
        return (self.free, "") if self.free else (0, "subnet s 10.1.0.0/29 has no free address")

    async def resize(self, pool: str, count: int) -> None:
        present = {item["metadata"]["name"] for item in self._objects.list("nodes")}
        if count > len(present) and self.broken:
            raise Slash24Error(self.broken, azure="AllocationFailed")
        for number in range(count):
            if f"np-{number}" not in present:
                self._objects.create("nodes", node(f"np-{number}"))
        self.cluster = with_counts(self.cluster, {pool: count})

    async def remove(self, nodes: Sequence[str]) -> None:
        for name in nodes:
            self._objects.delete("nodes", name)
        self.cluster = with_counts(self.cluster, {"np": len(self._objects.list("nodes"))})


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[ClusterObjects]:
    store = ObjectStore(tmp_path / "lab.db")
    view = store.cluster("demo")
    scheduler = asyncio.create_task(Scheduler(view).run())
    yield view
    scheduler.cancel()
    store.close()


@pytest.fixture
async def scaler(objects: ClusterObjects, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeScaler]:
    monkeypatch.setattr(removal, "SETTLE_S", 0.05)
    made = FakeScaler(objects)
    autoscaler = asyncio.create_task(Autoscaler(objects, made).run())
    yield made
    autoscaler.cancel()
    await asyncio.wait([autoscaler])
    assert autoscaler.cancelled()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def events(objects: ClusterObjects, reason: str) -> set[str]:
    return {event["message"] for event in objects.list("events") if event["reason"] == reason}


def nodes(objects: ClusterObjects) -> list[str]:
    return [item["metadata"]["name"] for item in objects.list("nodes")]


def fill(objects: ClusterObjects, count: int, **spec: object) -> None:
    for number in range(count):
        objects.create("pods", pod(f"p{number}", **spec))  # type: ignore[arg-type]


def empty(objects: ClusterObjects) -> None:
    for item in objects.list("pods"):
        objects.delete("pods", item["metadata"]["name"], namespace="default")


async def test_pods_without_a_place_let_the_pool_grow_and_idle_nodes_go(
    objects: ClusterObjects, scaler: FakeScaler
) -> None:
    fill(objects, 25)
    await until(lambda: all(item["spec"].get("nodeName") for item in objects.list("pods")))
    assert len(nodes(objects)) == 3
    (told,) = events(objects, "TriggeredScaleUp")
    assert re.fullmatch(r"pod triggered scale-up: \[\{aks-np-\d{8}-vmss 1->3 \(max: 3\)\}\]", told)
    empty(objects)
    await until(lambda: len(nodes(objects)) == 1)
    await until(lambda: len(events(objects, "ScaleDownEmpty")) == 4)  # removing and removed, two nodes
    assert events(objects, "ScaleDown") == {"marked the node as toBeDeleted/unschedulable"}
    assert scaler.cluster.pools[0].count == 1


async def test_a_pool_at_its_maximum_says_so_once(objects: ClusterObjects, scaler: FakeScaler) -> None:
    fill(objects, 31)
    await until(lambda: events(objects, "NotTriggerScaleUp"))
    assert events(objects, "NotTriggerScaleUp") == {"pod didn't trigger scale-up: 1 max node group size reached"}
    told = [event for event in objects.list("events") if event["reason"] == "NotTriggerScaleUp"]
    await asyncio.sleep(0.05)  # several scans
    assert [(event["count"]) for event in told] == [1]
    assert len(nodes(objects)) == 3


async def test_a_subnet_without_addresses_stops_the_growth_with_an_event(
    objects: ClusterObjects, scaler: FakeScaler
) -> None:
    scaler.free = 0
    fill(objects, 11)
    shortage = "subnet s 10.1.0.0/29 has no free address"
    await until(lambda: events(objects, "FailedToScaleUpGroup"))
    assert all(told.endswith(shortage) for told in events(objects, "FailedToScaleUpGroup"))
    assert events(objects, "NotTriggerScaleUp") == {f"pod didn't trigger scale-up: 1 {shortage}"}


async def test_a_failed_growth_is_told_and_tried_again_later(
    objects: ClusterObjects, scaler: FakeScaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "BACKOFF_S", 0.2)
    scaler.broken = "no machine is left"
    fill(objects, 11)
    await until(lambda: events(objects, "NotTriggerScaleUp"))
    assert events(objects, "NotTriggerScaleUp") == {"pod didn't trigger scale-up: 1 in backoff after failed scale-up"}
    (told,) = events(objects, "FailedToScaleUpGroup")
    assert told.endswith("AllocationFailed: no machine is left")
    scaler.broken = ""
    await until(lambda: len(nodes(objects)) == 2)


async def test_pods_are_evicted_before_their_node_goes(objects: ClusterObjects, scaler: FakeScaler) -> None:
    objects.create("nodes", node("np-1"))
    scaler.cluster = with_counts(scaler.cluster, {"np": 2})
    objects.create("pods", pod("keeper", owner="", nodeName="np-0"))
    objects.create("pods", pod("mover", nodeName="np-1"))
    await until(lambda: nodes(objects) == ["np-0"])
    assert [item["metadata"]["name"] for item in objects.list("pods")] == ["keeper"]
    assert "deleting pod for node scale down" in events(objects, "ScaleDown")
    assert any(told.endswith("removing node np-1, pods to reschedule: mover") for told in events(objects, "ScaleDown"))


async def test_a_raised_minimum_is_kept_without_any_pod(objects: ClusterObjects, scaler: FakeScaler) -> None:
    pool = replace(scaler.cluster.pools[0], min_count=2)
    scaler.cluster = replace(scaler.cluster, pools=(pool,))
    await until(lambda: len(nodes(objects)) == 2)


async def test_the_status_is_a_config_map_as_aks_has_it(objects: ClusterObjects, scaler: FakeScaler) -> None:
    def status() -> Object:
        found = objects.find("configmaps", "cluster-autoscaler-status", namespace="kube-system")
        read: Object = yaml.safe_load(found["data"]["status"]) if found else {}
        return read

    await until(status)
    (group,) = status()["nodeGroups"]
    assert group["name"].startswith("aks-np-")
    assert group["health"] == {
        "status": "Healthy",
        "nodeCounts": {"registered": {"total": 1, "ready": 1}},
        "cloudProviderTarget": 1,
        "minSize": 1,
        "maxSize": 3,
    }
    assert (group["scaleUp"], group["scaleDown"]) == ({"status": "NoActivity"}, {"status": "NoCandidates"})


async def test_too_many_unready_nodes_stop_the_autoscaler(objects: ClusterObjects, scaler: FakeScaler) -> None:
    scaler.cluster = replace(
        scaler.cluster, autoscaler=replace(QUICK, ok_total_unready_count=0, max_total_unready_percentage=45.0)
    )
    objects.create("nodes", node("np-1", ready="Unknown"))
    scaler.cluster = with_counts(scaler.cluster, {"np": 2})

    def condition() -> str:
        found = objects.find("configmaps", "cluster-autoscaler-status", namespace="kube-system")
        return str(yaml.safe_load(found["data"]["status"])["clusterWide"]["health"]["status"]) if found else ""

    await until(lambda: condition() == "Unhealthy")
    fill(objects, 11)
    await until(lambda: events(objects, "FailedScheduling"))
    await asyncio.sleep(0.05)  # several scans
    assert nodes(objects) == ["np-0", "np-1"]


async def test_an_autoscaler_that_ends_takes_its_taints_along(objects: ClusterObjects) -> None:
    scaler = FakeScaler(objects)
    patient = replace(QUICK, scale_down_unneeded_time=timedelta(hours=1))
    scaler.cluster = with_counts(replace(scaler.cluster, autoscaler=patient), {"np": 2})
    objects.create("nodes", node("np-1"))
    autoscaler = asyncio.create_task(Autoscaler(objects, scaler).run())

    def taints() -> list[str]:
        return [taint["key"] for item in objects.list("nodes") for taint in item["spec"].get("taints") or ()]

    await until(taints)
    assert set(taints()) == {"DeletionCandidateOfClusterAutoscaler"}
    autoscaler.cancel()
    await asyncio.wait([autoscaler])
    assert not taints()
