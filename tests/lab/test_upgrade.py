"""A rolling upgrade over a real store, with machines that are only remembered."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slash24.core.topology import NodePool, UpgradeSettings
from slash24.lab.names import IMAGE_LABEL, image_version
from slash24.lab.upgrade import UpgradeError, outdated, upgrade_pool
from slash24.plan.surge import surge_nodes
from slash24.store.objects import ClusterObjects, ObjectStore

POOL = NodePool("np", 5, "/v/subnets/s", version="1.37.1", image=2)


def node(name: str, version: str = "1.36.1", image: int = 1) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"agentpool": "np", IMAGE_LABEL: image_version(image)}},
        "spec": {},
        "status": {"nodeInfo": {"kubeletVersion": f"v{version}"}},
    }


class FakeMachines:
    """Makes Node objects instead of nodes; `most` is how many there were at once."""

    def __init__(self, objects: ClusterObjects, count: int) -> None:
        self._objects = objects
        for number in range(count):
            objects.create("nodes", node(f"n{number}"))
        self.most = count
        self.reimaged: list[list[str]] = []

    async def add(self, pool: str, count: int) -> list[str]:
        first = len(self._objects.list("nodes"))
        names = [f"n{number}" for number in range(first, first + count)]
        for name in names:
            self._objects.create("nodes", node(name, "1.37.1", 2))
        self.most = max(self.most, len(self._objects.list("nodes")))
        return names

    async def reimage(self, nodes: Sequence[str]) -> None:
        assert all(self._objects.get("nodes", name)["spec"]["unschedulable"] for name in nodes)
        self.reimaged.append(list(nodes))
        for name in nodes:
            old = self._objects.get("nodes", name)
            fresh = node(name, "1.37.1", 2)
            metadata = old["metadata"] | {"labels": fresh["metadata"]["labels"]}
            self._objects.replace("nodes", old | {"metadata": metadata, "status": fresh["status"]})

    async def drop(self, nodes: Sequence[str]) -> None:
        for name in nodes:
            self._objects.delete("nodes", name)


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[ClusterObjects]:
    store = ObjectStore(tmp_path / "lab.db")
    yield store.cluster("demo")
    store.close()


async def run(objects: ClusterObjects, **settings: Any) -> FakeMachines:
    pool = replace(POOL, upgrade=UpgradeSettings(**settings))
    machines = FakeMachines(objects, pool.count)
    old = outdated(objects, pool, [f"n{number}" for number in range(pool.count)])
    assert len(old) == pool.count
    await upgrade_pool(objects, pool, old, machines, lambda _title: None)
    return machines


@pytest.mark.parametrize("max_surge", ["10%", "1", "2", "50%", "100%", "9"])
async def test_never_more_nodes_than_the_planners_figure(objects: ClusterObjects, max_surge: str) -> None:
    machines = await run(objects, max_surge=max_surge)
    assert machines.most == 5 + surge_nodes(max_surge, 5)
    names = [f"n{number}" for number in range(5)]
    assert [item["metadata"]["name"] for item in objects.list("nodes")] == names  # the surge is gone
    assert outdated(objects, POOL, names) == []
    assert not any(item["spec"].get("unschedulable") for item in objects.list("nodes"))
    assert [name for batch in machines.reimaged for name in batch] == names
    assert max(map(len, machines.reimaged)) == surge_nodes(max_surge, 5)


async def test_without_surge_nodes_are_done_without(objects: ClusterObjects) -> None:
    machines = await run(objects, max_surge="0", max_unavailable="2")
    assert machines.most == 5
    assert [len(batch) for batch in machines.reimaged] == [2, 2, 1]


async def test_the_steps_are_told_as_events_of_the_nodes(objects: ClusterObjects) -> None:
    await run(objects)
    told = {(event["reason"], event["involvedObject"]["name"]): event["message"] for event in objects.list("events")}
    assert told["Surge", "n5"] == "Created a surge node [n5 np] for agentpool np"
    assert told["Drain", "n0"] == "Draining node: [n0]"
    assert told["Upgrade", "n4"] == "Successfully upgraded node: n4 to v1.37.1"
    assert {event["source"]["component"] for event in objects.list("events")} == {"upgrader"}


async def test_a_pod_that_does_not_end_stops_the_upgrade_and_takes_the_surge_away(objects: ClusterObjects) -> None:
    metadata = {"name": "stays", "namespace": "default"}
    spec = {"nodeName": "n1", "terminationGracePeriodSeconds": 30}  # no kubelet is here to end it
    objects.create("pods", {"metadata": metadata, "spec": spec, "status": {"phase": "Running"}})
    with pytest.raises(UpgradeError, match="default/stays did not end") as caught:
        await run(objects, drain_timeout_min=0)
    assert caught.value.azure == "PodDrainFailure"
    names = [item["metadata"]["name"] for item in objects.list("nodes")]
    assert names == ["n0", "n1", "n2", "n3", "n4"]
    assert outdated(objects, POOL, names) == ["n1", "n2", "n3", "n4"]  # n0 stays upgraded: the next try goes on here
