"""The kubelet ends and comes back; the node reboots; pods go on, or are begun anew."""

import asyncio
import copy
import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

from tests.lab.kubelet.in_node import Node, eventually, in_node, names

SERVER = {"name": "c", "image": "agnhost", "args": ["netexec"]}


def sleeper(seconds: float, code: int = 0) -> dict[str, Any]:
    return {"name": "c", "image": "busybox", "command": ["sh", "-c", f"sleep {seconds}; exit {code}"]}


async def up(node: Node, *pods: tuple[str, dict[str, Any], str]) -> None:
    node.write_network()
    await node.start_kubelet()
    for name, container, policy in pods:
        node.api.add_pod(name, {"containers": [container], "restartPolicy": policy})
        await node.api.until_phase(name, "Running")


@in_node
async def test_a_restarted_kubelet_takes_over_what_runs(node: Node) -> None:
    await up(node, ("p", SERVER, "Always"))
    before = copy.deepcopy(node.api.pod("p")["status"])
    await node.stop_kubelet()
    await node.start_kubelet()
    await node.api.until(lambda: len([call for call in node.api.calls if call[0] == "LIST"]) == 2)
    out, _, _ = await asyncio.wait_for(_eventually(node, "p", "curl", "-s", "http://127.0.0.1:8080/hostname"), 5)
    assert out == "p"
    after = node.api.pod("p")["status"]
    assert after["containerStatuses"] == before["containerStatuses"]
    assert after["podIP"] == before["podIP"]
    node.api.delete_pod("p")
    await node.api.until_gone("p")
    assert names("/run/netns") == []


@in_node
async def test_an_end_while_the_kubelet_is_away_is_known_afterwards(node: Node) -> None:
    await up(node, ("p", sleeper(0.3, 9), "Never"))
    await node.stop_kubelet()
    await asyncio.sleep(0.6)
    await node.start_kubelet()
    status = (await node.api.until_phase("p", "Failed"))["status"]
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 9
    await eventually(lambda: names("/run/netns") == [])


@in_node
async def test_a_pod_deleted_while_the_kubelet_is_away_is_cleaned_up(node: Node) -> None:
    await up(node, ("p", SERVER, "Always"))
    await node.stop_kubelet()
    await node.api.delete("/api/v1/namespaces/default/pods/p")
    await node.start_kubelet()
    await eventually(lambda: not names("/run/netns") and not names("/run/state/pods"))
    assert "netexec" not in _processes()


@in_node
async def test_after_a_reboot_pods_begin_anew_with_a_new_sandbox(node: Node) -> None:
    await up(node, ("p", SERVER, "Always"))
    before = copy.deepcopy(node.api.pod("p")["status"])
    await node.stop_kubelet()
    for pid in [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]:
        if pid not in (1, os.getpid()):
            os.kill(pid, 9)
    await asyncio.sleep(0.2)
    for name in names("/run/netns"):
        await (await asyncio.create_subprocess_exec("ip", "netns", "delete", name)).wait()
    shutil.rmtree(node.config.run_dir)
    await node.start_kubelet()
    after = await node.api.until(
        lambda: (
            node.api.pod("p")["status"]
            if node.api.pod("p")["status"]["containerStatuses"][0]["restartCount"] == 1
            else None
        )
    )
    assert after["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert after["podIP"] != before["podIP"]
    held = [name for name in names("/var/lib/cni/networks/test") if name.startswith("10.")]
    assert held == [after["podIP"]]


@in_node
async def test_pods_start_and_end_while_the_api_is_away(node: Node) -> None:
    await up(node, ("p", sleeper(0.5, 4), "Never"))
    node.api.away = True
    await asyncio.sleep(1.0)
    node.api.away = False
    status = (await node.api.until_phase("p", "Failed"))["status"]
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 4


@in_node
async def test_a_killed_runner_takes_its_container_along(node: Node) -> None:
    await up(node, ("p", SERVER, "Always"))
    runner = next(Path(node.config.state_dir, "pods").glob("*/c/0.pid")).read_text().split()[0]
    os.kill(int(runner), 9)
    status = await node.api.until(
        lambda: (
            node.api.pod("p")["status"]
            if node.api.pod("p")["status"]["containerStatuses"][0]["restartCount"] == 1
            else None
        )
    )
    assert status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137
    assert _processes().count("netexec") == 2  # the new one and its runner


def _processes() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return "\n".join(found)


async def _eventually(node: Node, *words: str) -> tuple[str, str, dict[str, Any]]:
    while True:
        try:
            out, err, end = await node.run(*words)
        except (OSError, ValueError):
            await asyncio.sleep(0.02)
            continue
        if end.get("status") == "Success":
            return out, err, end
        await asyncio.sleep(0.02)


@in_node
async def test_a_crash_in_the_middle_of_an_add_leaves_nothing(node: Node) -> None:
    slow = Path("/run/bin/slow")
    slow.parent.mkdir()
    slow.write_text(
        "#!/bin/sh\necho $CNI_COMMAND $CNI_CONTAINERID >> /run/calls\n[ $CNI_COMMAND = DEL ] && exit 0\n"
        '[ -e /run/quick ] || sleep 0.5\necho \'{"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/24"}]}\'\n'
    )
    slow.chmod(0o755)
    node.config = dataclasses.replace(node.config, bin_dir="/run/bin")
    node.write_network({"cniVersion": "1.0.0", "name": "test", "plugins": [{"type": "slow"}]})
    await node.start_kubelet()
    node.api.add_pod("p", {"containers": [SERVER]})
    await eventually(lambda: Path("/run/calls").exists())
    await node.stop_kubelet()
    assert len(names("/run/netns")) == 1
    Path("/run/quick").touch()
    await node.start_kubelet()
    await node.api.until_phase("p", "Running")
    calls = [line.split() for line in Path("/run/calls").read_text().splitlines()]
    assert [words[0] for words in calls] == ["ADD", "DEL", "ADD"]
    assert calls[0][1] == calls[1][1] != calls[2][1]
    assert len(names("/run/netns")) == 1
