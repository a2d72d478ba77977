"""What agents and controllers rely on: the same of the fake API in tests and of the embedded one."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from slash24.kube.client import ApiError, KubeClient, Mirror
from tests.fakeapi import FakeApi
from tests.lab.kubeapi.conftest import TOKEN, Cluster, node

NODES = "/api/v1/nodes"
CONFIGS = "/api/v1/namespaces/kube-system/configmaps"


@pytest.fixture(params=["fake", "embedded"])
async def api(request: pytest.FixtureRequest) -> AsyncIterator[KubeClient]:
    """A client of an API that has no node."""
    if request.param == "fake":
        fake = FakeApi(socket.create_server(("127.0.0.1", 0)))
        client = KubeClient(fake.url, "any", "")
        yield client
        await client.close()
        fake.close()
    else:
        cluster: Cluster = request.getfixturevalue("cluster")
        client = KubeClient(cluster.url, TOKEN, str(cluster.server.ca_file))
        yield client
        await client.close()


def config(data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}


async def refused(work: Any) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        await work
    return caught.value.status, caught.value.reason


async def test_what_is_created_can_be_read_and_is_there_once(api: KubeClient) -> None:
    made = await api.create(NODES, node("n1"))
    assert made["metadata"]["uid"] and made["metadata"]["resourceVersion"]
    assert (await api.get(f"{NODES}/n1"))["metadata"]["uid"] == made["metadata"]["uid"]
    assert [item["metadata"]["name"] for item in (await api.list(NODES))["items"]] == ["n1"]
    assert await refused(api.create(NODES, node("n1"))) == (409, "AlreadyExists")


async def test_what_is_not_there_is_not_found(api: KubeClient) -> None:
    for work in (api.get(f"{NODES}/n9"), api.patch(f"{NODES}/n9", {"spec": {}}), api.delete(f"{NODES}/n9")):
        assert await refused(work) == (404, "NotFound")


async def test_a_change_of_an_older_version_is_a_conflict_and_changes_nothing(api: KubeClient) -> None:
    old = (await api.create(NODES, node("n1")))["metadata"]["resourceVersion"]
    await api.patch(f"{NODES}/n1", {"metadata": {"annotations": {"a": "1"}}})
    stale = {"metadata": {"resourceVersion": old}, "spec": {"podCIDR": "10.9.0.0/24"}}
    assert await refused(api.patch(f"{NODES}/n1", stale)) == (409, "Conflict")
    assert (await api.get(f"{NODES}/n1"))["spec"]["podCIDR"] == "10.244.0.0/24"


async def test_a_merge_patch_adds_and_null_removes(api: KubeClient) -> None:
    await api.create(CONFIGS, config({"a": "1", "b": "2"}))
    await api.patch(f"{CONFIGS}/settings", {"data": {"a": None, "c": "3"}})
    assert (await api.get(f"{CONFIGS}/settings"))["data"] == {"b": "2", "c": "3"}


async def test_a_strategic_patch_of_a_condition_leaves_the_others(api: KubeClient) -> None:
    await api.create(NODES, node("n1"))
    condition = {"type": "NetworkUnavailable", "status": "False", "reason": "Up"}
    await api.patch(f"{NODES}/n1/status", {"status": {"conditions": [condition]}}, kind="strategic")
    await api.patch(
        f"{NODES}/n1/status", {"status": {"conditions": [condition | {"status": "True"}]}}, kind="strategic"
    )
    found = (await api.get(f"{NODES}/n1"))["status"]["conditions"]
    assert {entry["type"]: entry["status"] for entry in found} == {"Ready": "True", "NetworkUnavailable": "True"}


async def test_a_watch_from_a_lists_version_tells_every_change_after_it(api: KubeClient) -> None:
    await api.create(NODES, node("before"))
    version = (await api.list(NODES))["metadata"]["resourceVersion"]
    await api.create(NODES, node("n1"))
    await api.patch(f"{NODES}/n1", {"metadata": {"labels": {"x": "y"}}})
    await api.delete(f"{NODES}/n1")
    seen = []
    async with aclosing(api.watch(NODES, resource_version=version)) as events, asyncio.timeout(5):  # type: ignore[type-var]
        async for kind, item in events:
            if kind != "BOOKMARK":
                seen.append((kind, item["metadata"]["name"]))
            if kind == "DELETED":
                break
    assert seen == [("ADDED", "n1"), ("MODIFIED", "n1"), ("DELETED", "n1")]


async def test_a_mirror_has_what_the_api_has(api: KubeClient) -> None:
    await api.create(NODES, node("n1"))
    changed = asyncio.Event()
    mirror = Mirror(api, NODES, on_change=changed.set)
    task = asyncio.create_task(mirror.run())
    async with asyncio.timeout(5):
        await mirror.synced.wait()
        assert set(mirror.objects) == {("", "n1")}
        await api.create(NODES, node("n2"))
        await api.delete(f"{NODES}/n1")
        while set(mirror.objects) != {("", "n2")}:
            changed.clear()
            await changed.wait()
    task.cancel()
