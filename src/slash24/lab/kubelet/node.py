"""The Node object: registered once, its conditions kept true, and the Lease that says the kubelet lives."""

import asyncio
import logging
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from slash24.kube.client import ApiError, ApiUnavailable
from slash24.lab.kubelet import cni, files
from slash24.lab.kubelet.messages import not_ready_message

log = logging.getLogger(__name__)

Json = dict[str, Any]

POLL_S = (0.05, 1.0)  # between looks at the CNI folder: while not ready, and afterwards
STATUS_S = (0.2, 5.0)  # between the plugins' STATUS calls, likewise
REPORT_S = 300.0  # a kubelet's nodeStatusReportFrequency: a heartbeat in the Node itself
_MAX_PAUSE_S = 5.0
_READY = "kubelet is posting ready status"


class _Api(Protocol):
    async def get(self, path: str) -> Json: ...
    async def create(self, path: str, body: Json) -> Json: ...
    async def patch(self, path: str, body: Any, *, kind: str = "merge") -> Json: ...


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the kubelet says of its node, once."""

    name: str
    address: str
    max_pods: int
    version: str
    boot_id: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, Any]] = ()
    provider_id: str = ""
    lease_s: int = 40  # renewed four times in its length, as a kubelet does

    def resources(self) -> dict[str, str]:
        """Return what pods may have of the node: each sees the whole machine."""
        return {
            "cpu": str(os.cpu_count() or 1), "memory": f"{_memory_kib()}Ki", "pods": str(self.max_pods),
            "ephemeral-storage": f"{_disk_kib()}Ki",
        }  # fmt: skip

    def manifest(self) -> Json:
        """Return the Node as a kubelet registers it, without conditions."""
        machine = platform.machine()
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
        fixed = {
            "kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": architecture,
            "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": architecture,
        }  # fmt: skip
        resources = self.resources()
        spec: Json = {"providerID": self.provider_id} if self.provider_id else {}
        if self.taints:
            spec["taints"] = [dict(taint) for taint in self.taints]
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": fixed | dict(self.labels)},
            "spec": spec,
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": self.address},
                    {"type": "Hostname", "address": self.name},
                ],
                "capacity": resources,
                "allocatable": resources,
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
                "nodeInfo": {
                    "architecture": architecture,
                    "bootID": self.boot_id,
                    "containerRuntimeVersion": "slash24://0.1.0",
                    "kernelVersion": os.uname().release,
                    "kubeProxyVersion": "",
                    "kubeletVersion": self.version,
                    "machineID": self.name,
                    "operatingSystem": "linux",
                    "osImage": _os_image(),
                    "systemUUID": self.name,
                },
            },
        }


def _memory_kib() -> int:
    with open("/proc/meminfo") as text:
        return int(text.readline().split()[1])


def _disk_kib() -> int:
    disk = os.statvfs("/")
    return disk.f_blocks * disk.f_frsize // 1024


def _os_image() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return "Linux"
    return next((line[13:-1] for line in lines if line.startswith("PRETTY_NAME=")), "Linux")


class NodeReporter:
    """Keeps the Node object true."""

    def __init__(self, facts: NodeFacts, api: _Api, runtime: cni.Runtime) -> None:
        self._facts = facts
        self._api = api
        self._runtime = runtime
        self._path = f"/api/v1/nodes/{facts.name}"
        self._since: dict[str, tuple[str, str]] = {}
        self._problem: str | None = "the kubelet has just started"
        self.registered = asyncio.Event()
        self.ready_changed = asyncio.Event()  # set when the network becomes ready: pods that wait may try again

    async def run(self) -> None:
        """Register, then report, for ever."""
        self._problem = await self._network_problem(ask=True)
        await self._persistently(self._register)
        self.registered.set()
        if self._problem is None:
            self.ready_changed.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._heartbeat())
            group.create_task(self._watch_network())

    async def _persistently(self, call: Any) -> None:
        pause_s = 0.1
        while True:
            try:
                await call()
                return
            except ApiUnavailable:
                pass
            except ApiError as error:
                log.warning("node %s: %s", self._facts.name, error)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _MAX_PAUSE_S)

    async def _register(self) -> None:
        node = self._facts.manifest()
        node["status"]["conditions"] = self._conditions()
        try:
            answer = await self._api.create("/api/v1/nodes", node)
        except ApiError as error:
            if error.status != 409:
                raise
            # It exists: after a restart, or made ahead of us. Its block, taints and others' labels stay.
            await self._api.patch(self._path, {"metadata": {"labels": node["metadata"]["labels"]}})
            answer = {}
        if not answer.get("status", {}).get("conditions"):
            await self._report(node["status"])
        log.info("node %s registered", self._facts.name)

    def _conditions(self) -> list[Json]:
        now = files.now()
        ready = self._problem is None
        rows = [
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", str(ready), "KubeletReady" if ready else "KubeletNotReady", self._problem or _READY),
        ]
        conditions = []
        for kind, status, reason, message in rows:
            before, since = self._since.get(kind, ("", ""))
            self._since[kind] = (status, since if before == status else now)
            conditions.append(
                {
                    "type": kind,
                    "status": status,
                    "reason": reason,
                    "message": message,
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": self._since[kind][1],
                }
            )
        return conditions

    async def _report(self, status: Json | None = None) -> None:
        # Strategic: conditions are merged by type, so that the network agent's own stay.
        body = {"status": (status or {}) | {"conditions": self._conditions()}}
        await self._api.patch(f"{self._path}/status", body, kind="strategic")

    async def _network_problem(self, ask: bool) -> str | None:
        """Return why pods can't have a network yet; `ask`: also the plugins, by STATUS."""
        try:
            network = self._runtime.network()
            if ask:
                await self._runtime.status(network)
        except cni.CniError as error:
            return not_ready_message(str(error))
        return None

    async def _watch_network(self) -> None:
        loop = asyncio.get_running_loop()
        asked = loop.time()
        told = self._problem
        known: str | None = self._fingerprint()
        while True:
            ready = self._problem is None
            await asyncio.sleep(POLL_S[ready])
            seen = self._fingerprint()
            # A folder that is still empty costs one stat; the plugins are asked when it changed, and now and then.
            if seen != known or loop.time() - asked >= STATUS_S[ready]:
                known, asked = seen, loop.time()
                self._problem = await self._network_problem(ask=True)
            if self._problem != told:
                told = self._problem
                log.info("node %s: network %s", self._facts.name, told or "ready")
                if told is None:
                    self.ready_changed.set()
                await self._persistently(self._report)

    def _fingerprint(self) -> str:
        return self._runtime.fingerprint()

    async def _heartbeat(self) -> None:
        loop = asyncio.get_running_loop()
        reported = renewed = loop.time()
        while True:
            try:
                await self._renew_lease()
                # After a long silence the node may have been called Unknown: that is to be taken back.
                silent, renewed = loop.time() - renewed > self._facts.lease_s / 2, loop.time()
                if silent or loop.time() - reported >= REPORT_S:
                    reported = loop.time()
                    await self._persistently(self._report)
            except ApiUnavailable:
                pass  # the next beat tells
            except ApiError as error:
                log.warning("node %s: heartbeat: %s", self._facts.name, error)
            await asyncio.sleep(self._facts.lease_s / 4)

    async def _renew_lease(self) -> None:
        folder = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        spec = {
            "holderIdentity": self._facts.name,
            "leaseDurationSeconds": self._facts.lease_s,
            "renewTime": files.micro_now(),
        }
        try:
            await self._api.patch(f"{folder}/{self._facts.name}", {"spec": spec})
        except ApiError as error:
            if error.status != 404:
                raise
            metadata = {"name": self._facts.name, "namespace": "kube-node-lease"}
            kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
            await self._api.create(folder, {**kind, "metadata": metadata, "spec": spec})
