"""The controller against an API in memory."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from slash24.controller.main import ControllerConfig, run
from slash24.kube.decode import NNC_PATH
from slash24.kube.encode import EVENTS_PATH
from tests.fakeapi import FakeApi

NODES = "/api/v1/nodes"
CONFIGS = "/api/v1/namespaces/kube-system/configmaps"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    listener = socket.create_server(("127.0.0.1", 0))
    api = FakeApi(listener)
    yield api
    api.close()
    listener.close()


def configure(api: FakeApi, pod_cidr: str = "192.168.0.0/16", prefix: int = 24) -> None:
    data = {"pod-cidr": pod_cidr, "block-prefix": str(prefix), "transport": "encapsulated", "vni": "1"}
    api.put(CONFIGS, {"metadata": {"name": "slash24-config", "namespace": "kube-system"}, "data": data})


def register(api: FakeApi, name: str, **spec: Any) -> None:
    address = {"type": "InternalIP", "address": "10.224.0.4"}
    api.put(NODES, {"metadata": {"name": name}, "spec": spec, "status": {"addresses": [address]}})


def blocks(api: FakeApi) -> dict[str, str | None]:
    return {item["metadata"]["name"]: item["spec"].get("podCIDR") for item in api.all(NODES)}


async def until(api: FakeApi, check: Callable[[], bool], controllers: int = 1) -> None:
    """Run controllers until `check` holds."""
    config = ControllerConfig(api.url, "t", "")
    tasks = [asyncio.create_task(run(config)) for _ in range(controllers)]
    try:
        async with asyncio.timeout(5):
            while not check():
                await asyncio.sleep(0.01)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_nodes_get_blocks_in_order_and_the_mirror_has_aks_fields(api: FakeApi) -> None:
    configure(api)
    for number in range(20):
        register(api, f"n{number:02}")
    await until(api, lambda: len(api.all(NNC_PATH)) == 20)
    assert blocks(api) == {f"n{number:02}": f"192.168.{number}.0/24" for number in range(20)}
    assert api.get(NODES, "n03")["spec"]["podCIDRs"] == ["192.168.3.0/24"]
    mirror = api.get(NNC_PATH, "n03")
    assert mirror["metadata"]["ownerReferences"][0]["uid"] == api.get(NODES, "n03")["metadata"]["uid"]
    assert mirror["status"]["assignedIPCount"] == 256
    container = mirror["status"]["networkContainers"][0]
    assert (container["type"], container["primaryIP"]) == ("overlay", "192.168.3.0/24")
    assert (container["nodeIP"], container["subnetAddressSpace"]) == ("10.224.0.4", "192.168.0.0/16")


async def test_a_block_is_kept_over_a_restart_and_freed_with_its_node(api: FakeApi) -> None:
    configure(api)
    register(api, "a", podCIDR="192.168.7.0/24", podCIDRs=["192.168.7.0/24"])
    register(api, "b")
    await until(api, lambda: len(api.all(NNC_PATH)) == 2)
    assert blocks(api) == {"a": "192.168.7.0/24", "b": "192.168.0.0/24"}
    api.remove(NODES, "b")
    register(api, "c")
    await until(api, lambda: {item["metadata"]["name"] for item in api.all(NNC_PATH)} == {"a", "c"})
    assert blocks(api) == {"a": "192.168.7.0/24", "c": "192.168.0.0/24"}


async def test_a_full_pod_cidr_is_said_with_its_arithmetic_once(api: FakeApi) -> None:
    configure(api, "192.168.0.0/23")
    for name in "abc":
        register(api, name)
    await until(api, lambda: bool(api.all(EVENTS_PATH)))
    event = api.all(EVENTS_PATH)[0]
    assert event["involvedObject"]["name"] == "c"
    assert event["reason"] == "NoFreeNodeBlock"
    assert event["message"].startswith("pod CIDR 192.168.0.0/23 holds 2 blocks of /24 and the cluster has 3 nodes")
    api.remove(NODES, "a")
    await until(api, lambda: blocks(api)["c"] == "192.168.0.0/24")


async def test_an_overlap_is_refused_by_an_event_and_left_as_it_is(api: FakeApi) -> None:
    configure(api)
    register(api, "a", podCIDR="192.168.0.0/24", podCIDRs=["192.168.0.0/24"])
    register(api, "b", podCIDR="192.168.0.0/24", podCIDRs=["192.168.0.0/24"])
    await until(api, lambda: bool(api.all(EVENTS_PATH)))
    event = api.all(EVENTS_PATH)[0]
    assert (event["reason"], event["involvedObject"]["name"]) == ("NodeBlockRefused", "b")
    assert blocks(api) == {"a": "192.168.0.0/24", "b": "192.168.0.0/24"}
    # Agents route what is published: of the two claims only the older one.
    assert [item["metadata"]["name"] for item in api.all(NNC_PATH)] == ["a"]


async def test_a_new_node_of_an_old_name_gets_a_mirror_of_its_own(api: FakeApi) -> None:
    configure(api)
    register(api, "a")
    await until(api, lambda: len(api.all(NNC_PATH)) == 1)
    api.remove(NODES, "a")
    register(api, "a")
    uid = api.get(NODES, "a")["metadata"]["uid"]

    def renewed() -> bool:
        owners = [item["metadata"]["ownerReferences"][0]["uid"] for item in api.all(NNC_PATH)]
        return owners == [uid] and bool(api.all(NNC_PATH)[0].get("status"))

    await until(api, renewed)


@pytest.mark.parametrize("status", [409, 500, 503])
async def test_a_write_that_fails_is_done_again_with_the_same_block(api: FakeApi, status: int) -> None:
    configure(api)
    register(api, "a")
    api.refuse[("PATCH", f"{NODES}/a")] = status
    await until(api, lambda: len(api.all(NNC_PATH)) == 1)
    assert blocks(api) == {"a": "192.168.0.0/24"}


async def test_small_blocks_are_cut_as_the_setting_says(api: FakeApi) -> None:
    configure(api, prefix=28)
    register(api, "a")
    register(api, "b")
    await until(api, lambda: all(blocks(api).values()))
    assert blocks(api) == {"a": "192.168.0.0/28", "b": "192.168.0.16/28"}
