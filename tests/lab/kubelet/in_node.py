"""Tests inside a throw-away node: own network, mount, process, host name and IPC namespaces.

`@in_node` turns `async def test(node)` into a test that runs in such a node, in a process of its own; what it
leaves ends with that process. Debian's plugins stand in the node's bin folder.
"""

import asyncio
import contextlib
import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from slash24.kernel import cgroup
from slash24.kube.client import KubeClient
from slash24.lab.kubelet.main import Kubelet, KubeletConfig
from tests.lab.kubelet.fake import FakeApi

PLUGINS = "/usr/lib/cni"
BRIDGE = {
    "cniVersion": "1.0.0",
    "name": "test",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipam": {"type": "host-local", "subnet": "10.244.7.0/24", "routes": [{"dst": "0.0.0.0/0"}]},
        }
    ],
}
_UNSHARE = ("unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc")


class Node:
    """The node that a test runs in: its API, and its kubelet."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.config = KubeletConfig(
            node_name="n1",
            server="",
            token="",
            ca_file="",
            node_ip="10.224.0.4",
            labels={"agentpool": "pool"},
            bin_dir=PLUGINS,
            state_dir="/run/state",
            masked_paths=("/run",),
        )
        self.kubelet: asyncio.Task[None] | None = None

    def write_network(self, network: dict[str, Any] | None = None) -> None:
        folder = Path(self.config.conf_dir)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "10-test.conflist").write_text(json.dumps(network or BRIDGE))

    async def start_kubelet(self) -> None:
        kubelet = Kubelet(self.config, cast(KubeClient, self.api))
        self.kubelet = asyncio.create_task(kubelet.run())

    async def stop_kubelet(self) -> None:
        """End the kubelet as a crash would: its pods stay."""
        if self.kubelet is not None:
            self.kubelet.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.kubelet

    async def request(self, verb: str, pod: str, **more: Any) -> "Stream":
        """Send a request to the kubelet's socket."""
        reader, writer = await asyncio.open_unix_connection(f"{self.config.state_dir}/kubelet.sock")
        body = {"verb": verb, "namespace": "default", "pod": pod, "container": "", "stdout": True, "stderr": True}
        writer.write(json.dumps(body | more).encode() + b"\n")
        return Stream(reader, writer)

    async def run(self, pod: str, *words: str, **more: Any) -> tuple[str, str, dict[str, Any]]:
        """Run a command in a pod; return its output, its errors, and the closing Status."""
        stream = await self.request("exec", pod, command=list(words), **more)
        found = await stream.all()
        return found.get(1, b"").decode(), found.get(2, b"").decode(), json.loads(found.get(3, b"{}"))


class Stream:
    """The client's end of a connection of frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, channel: int, payload: bytes) -> None:
        self.writer.write((len(payload) + 1).to_bytes(4, "big") + bytes([channel]) + payload)

    async def frame(self) -> tuple[int, bytes] | None:
        try:
            size = int.from_bytes(await self.reader.readexactly(4), "big")
            payload = await self.reader.readexactly(size)
        except asyncio.IncompleteReadError:
            return None
        return payload[0], payload[1:]

    async def until(self, text: bytes, timeout_s: float = 5.0) -> bytes:
        """Read output until it holds `text`."""
        seen = b""
        async with asyncio.timeout(timeout_s):
            while text not in seen:
                frame = await self.frame()
                assert frame is not None, seen
                seen += frame[1]
        return seen

    async def all(self, timeout_s: float = 10.0) -> dict[int, bytes]:
        """Read to the end; return what came on each channel."""
        found: dict[int, bytes] = {}
        async with asyncio.timeout(timeout_s):
            while (frame := await self.frame()) is not None:
                found[frame[0]] = found.get(frame[0], b"") + frame[1]
        self.writer.close()
        return found


def names(folder: str | Path) -> list[str]:
    """Return what stands in a folder, sorted."""
    return sorted(entry.name for entry in Path(folder).iterdir())


async def eventually(holds: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Return once `holds` is true; for what no API object tells."""
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.01)


def in_node(scenario: Callable[[Node], Awaitable[None]]) -> Callable[[], None]:
    """Make a kernel test of a coroutine."""
    return _make_test(scenario, ())


def without_root(test: Callable[[], None]) -> Callable[[], None]:
    """Make a test of another one's scenario, in a user namespace: no right there reaches the machine."""
    return _make_test(test.scenario, ("--user", "--map-root-user"))  # type: ignore[attr-defined]


def _make_test(scenario: Callable[[Node], Awaitable[None]], options: tuple[str, ...]) -> Callable[[], None]:
    def test() -> None:
        if os.geteuid() != 0 or not Path(PLUGINS, "bridge").exists():
            if os.environ.get("CI"):
                pytest.fail("needs root and containernetworking-plugins")
            pytest.skip("needs root and containernetworking-plugins")
        module = [sys.executable, "-m", "tests.lab.kubelet.in_node", scenario.__module__, scenario.__name__]
        call = [_UNSHARE[0], *options, *_UNSHARE[1:], *module]
        group = cgroup.create(f"slash24-test-{os.getpid()}", "n1")  # the node's, by its name
        if group:
            call = ["sh", "-c", 'echo 0 >"$0" && exec "$@"', str(group / "cgroup.procs"), *call]
        try:
            done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
        finally:
            cgroup.remove(f"slash24-test-{os.getpid()}")
        assert done.returncode == 0, done.stdout + done.stderr

    test.__name__ = test.__qualname__ = scenario.__name__
    test.__module__ = scenario.__module__
    test.scenario = scenario  # type: ignore[attr-defined]
    return pytest.mark.kernel(test)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


async def _main(module: str, name: str) -> None:
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for folder in ("/etc", "/opt", "/var/lib"):  # as in a lab's node
        layer = Path("/run/layers", folder.replace("/", "-"))
        for part in ("upper", "work"):
            (layer / part).mkdir(parents=True)
        options = f"lowerdir={folder},upperdir={layer}/upper,workdir={layer}/work"
        _mount("-t", "overlay", "-o", options, "overlay", folder)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", "10.224.0.4/32", "dev", "lo"], check=True)
    socket.sethostname("n1")
    node = Node()
    scenario = getattr(importlib.import_module(module), name).scenario
    try:
        async with asyncio.timeout(50):
            await scenario(node)
    finally:
        await node.stop_kubelet()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2]))
