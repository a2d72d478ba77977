"""The scheduler over a real store."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from slash24.lab.scheduler import Scheduler
from slash24.store.objects import ClusterObjects, ObjectStore

Object = dict[str, Any]


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[ClusterObjects]:
    store = ObjectStore(tmp_path / "lab.db")
    view = store.cluster("demo")
    scheduler = asyncio.create_task(Scheduler(view).run())
    yield view
    scheduler.cancel()
    store.close()


def node(name: str, *, places: int = 10, ready: str = "True", **spec: Any) -> Object:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": spec,
        "status": {"allocatable": {"pods": str(places)}, "conditions": [{"type": "Ready", "status": ready}]},
    }


def pod(name: str, **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {"kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def placed(objects: ClusterObjects) -> Counter[str]:
    return Counter(pod["spec"]["nodeName"] for pod in objects.list("pods") if pod["spec"].get("nodeName"))


def scheduled(objects: ClusterObjects, name: str) -> Object:
    conditions = objects.get("pods", name, namespace="default")["status"].get("conditions", ())
    found: Object = next((c for c in conditions if c["type"] == "PodScheduled"), {})
    return found


async def test_pods_go_where_the_fewest_are(objects: ClusterObjects) -> None:
    for name in ("n1", "n2", "n3"):
        objects.create("nodes", node(name))
    for number in range(9):
        objects.create("pods", pod(f"p{number}"))
    await until(lambda: placed(objects).total() == 9)
    assert set(placed(objects).values()) == {3}
    assert scheduled(objects, "p0")["status"] == "True"
    reasons = {event["reason"] for event in objects.list("events")}
    assert reasons == {"Scheduled"}


async def test_a_pod_waits_for_a_ready_node_and_says_why(objects: ClusterObjects) -> None:
    made = objects.create("nodes", node("n1", ready="False"))
    objects.create("nodes", node("n2", unschedulable=True))
    objects.create("pods", pod("p"))
    await until(lambda: scheduled(objects, "p"))
    assert scheduled(objects, "p")["reason"] == "Unschedulable"
    message = (
        "0/2 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, "
        "1 node(s) were unschedulable. preemption: 0/2 nodes are available: "
        "2 Preemption is not helpful for scheduling."
    )
    assert scheduled(objects, "p")["message"] == message
    event = objects.list("events")[0]
    assert (event["reason"], event["type"], event["message"]) == ("FailedScheduling", "Warning", message)
    objects.replace("nodes", made | {"status": node("n1")["status"]})
    await until(lambda: placed(objects)["n1"] == 1)
    assert scheduled(objects, "p")["status"] == "True"


async def test_a_full_node_takes_no_pod_until_one_goes(objects: ClusterObjects) -> None:
    objects.create("nodes", node("n1", places=2))
    for name in ("a", "b", "c"):
        objects.create("pods", pod(name))
    await until(lambda: scheduled(objects, "c").get("status") == "False")
    assert scheduled(objects, "c")["message"].startswith("0/1 nodes are available: 1 Too many pods. preemption:")
    objects.delete("pods", "a", namespace="default")
    await until(lambda: objects.get("pods", "c", namespace="default")["spec"].get("nodeName"))


async def test_a_pod_that_has_ended_takes_no_place(objects: ClusterObjects) -> None:
    objects.create("nodes", node("n1", places=1))
    objects.create("pods", pod("a"))
    await until(lambda: placed(objects)["n1"] == 1)
    ended = objects.get("pods", "a", namespace="default")
    objects.replace("pods", ended | {"status": ended["status"] | {"phase": "Succeeded"}})
    objects.create("pods", pod("b"))
    await until(lambda: placed(objects)["n1"] == 2)


async def test_requests_count_against_what_the_node_has(objects: ClusterObjects) -> None:
    made = node("n1")
    made["status"]["allocatable"] |= {"cpu": "2", "memory": "1Gi"}
    objects.create("nodes", made)
    for name, cpu in (("a", "1500m"), ("b", "1"), ("huge", "64")):
        objects.create("pods", pod(name, containers=[{"name": "c", "resources": {"requests": {"cpu": cpu}}}]))
    await until(lambda: scheduled(objects, "huge").get("status") == "False")
    assert placed(objects) == Counter({"n1": 1})
    assert scheduled(objects, "b")["message"] == (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
        "1 No preemption victims found for incoming pod."
    )
    assert scheduled(objects, "huge")["message"].endswith("1 Preemption is not helpful for scheduling.")
    objects.delete("pods", "a", namespace="default")
    await until(lambda: objects.get("pods", "b", namespace="default")["spec"].get("nodeName"))


async def test_a_refusal_is_told_once(objects: ClusterObjects) -> None:
    objects.create("pods", pod("p"))
    await until(lambda: scheduled(objects, "p"))
    assert scheduled(objects, "p")["message"] == "no nodes available to schedule pods"
    objects.create("pods", pod("q"))
    await until(lambda: scheduled(objects, "q"))
    assert len(objects.list("events")) == 2


async def test_a_pod_for_another_scheduler_is_left_alone(objects: ClusterObjects) -> None:
    objects.create("nodes", node("n1"))
    objects.create("pods", pod("theirs", schedulerName="mine"))
    objects.create("pods", pod("ours"))
    await until(lambda: placed(objects).total() == 1)
    assert not scheduled(objects, "theirs")


async def test_a_thousand_pods_fill_a_hundred_nodes_evenly(objects: ClusterObjects) -> None:
    for number in range(100):
        objects.create("nodes", node(f"n{number:03}", places=250))
    for number in range(1000):
        objects.create("pods", pod(f"p{number:04}"))
    await until(lambda: placed(objects).total() == 1000)
    assert set(placed(objects).values()) == {10}
