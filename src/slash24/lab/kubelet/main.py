"""The kubelet's stand-in of one node: watches the pods bound to it, and gives each a worker.

It runs inside the node's namespaces. Containers have runners of their own: when the kubelet ends, pods go on, and the
next one takes them over.
"""

import asyncio
import logging
import os
import uuid
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slash24.kube.client import KubeClient, Mirror
from slash24.lab.kubelet import cni
from slash24.lab.kubelet.configuration import Configuration
from slash24.lab.kubelet.events import Recorder
from slash24.lab.kubelet.groups import PodGroups
from slash24.lab.kubelet.host import Host
from slash24.lab.kubelet.launcher import MASKED, Launcher
from slash24.lab.kubelet.node import NodeFacts, NodeReporter
from slash24.lab.kubelet.sandbox import PodFiles, Sandbox, Sandboxes
from slash24.lab.kubelet.server import Server
from slash24.lab.kubelet.volumes import NodeTree
from slash24.lab.kubelet.worker import Worker

log = logging.getLogger(__name__)

#: Sandboxes that are made at a time: more only wait for each other's turn in the kernel.
PARALLEL = 8


@dataclass(frozen=True, slots=True)
class KubeletConfig:
    """What a kubelet's stand-in is started with.

    masked_paths: folders of the machine that no container may read, the lab's own above all.
    own_folders: what a pod may see of the node by hostPath; everything else there is the machine's.
    cluster_dns: "" leaves pods with the node's /etc/resolv.conf.
    """

    node_name: str
    server: str
    token: str
    ca_file: str
    node_ip: str
    labels: Mapping[str, str] = field(default_factory=dict)
    max_pods: int = 250
    taints: Sequence[Mapping[str, Any]] = ()
    provider_id: str = ""
    pool: str = ""
    masked_paths: Sequence[str] = ()
    own_folders: Sequence[str] = ("/etc", "/opt", "/run", "/var/lib", "/var/log")
    conf_dir: str = "/etc/cni/net.d"
    bin_dir: str = "/opt/cni/bin"
    state_dir: str = "/var/lib/kubelet"
    run_dir: str = "/run/kubelet"
    netns_dir: str = "/run/netns"
    cgroup_dir: str = "/run/cgroup"
    cluster_dns: str = "10.0.0.10"
    cluster_domain: str = "cluster.local"
    version: str = "v1.37.1"
    cni_timeout_s: float = 60.0
    lease_s: int = 40


class Kubelet:
    """The parts of one node's kubelet, wired together."""

    def __init__(self, config: KubeletConfig, api: KubeClient) -> None:
        Path(config.run_dir).mkdir(parents=True, exist_ok=True)
        Path(config.state_dir).mkdir(parents=True, exist_ok=True)
        boot = _boot_id(Path(config.run_dir))
        runtime = cni.Runtime(
            config.conf_dir, config.bin_dir.split(":"), f"{config.state_dir}/cni", config.cni_timeout_s
        )
        pod_files = PodFiles(config.node_name, config.node_ip, config.cluster_dns, config.cluster_domain)
        tree = NodeTree(config.own_folders, (*config.masked_paths, *MASKED))
        groups = PodGroups(config.node_name, Path(config.cgroup_dir))
        self._sandboxes = Sandboxes(
            config.state_dir, config.run_dir, config.netns_dir, boot, runtime, pod_files, groups, tree
        )  # fmt: skip
        self._runtime = runtime
        self._changed = asyncio.Event()
        self._mirror = Mirror(
            api, "/api/v1/pods", field_selector=f"spec.nodeName={config.node_name}", on_change=self._changed.set
        )
        launcher = Launcher(config.run_dir, config.masked_paths)
        facts = NodeFacts(
            config.node_name, config.node_ip, config.max_pods, config.version, boot, config.labels, config.taints,
            config.provider_id, config.lease_s,
        )  # fmt: skip
        self._host = Host(
            api=api,
            configuration=Configuration(api, self._wake_users),
            sandboxes=self._sandboxes,
            launcher=launcher,
            events=Recorder(api, config.node_name, busy=lambda: self._host.starting > 0),
            node_ip=config.node_ip,
            allocatable=facts.resources(),
            slots=asyncio.Semaphore(PARALLEL),
        )
        self._node = NodeReporter(facts, api, runtime)
        self._server = Server(Path(config.state_dir, "kubelet.sock"), launcher, self._find)
        self._workers: dict[str, Worker] = {}
        self._versions: dict[str, str] = {}
        self._done: set[str] = set()  # deleted by us; the mirror may not know yet

    def _find(self, namespace: str, name: str, uid: str) -> Worker | None:
        for worker in self._workers.values():
            metadata = worker.pod["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, name) and uid in ("", worker.uid):
                return worker
        return None

    async def run(self) -> None:
        """Run for ever."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._node.run())
                group.create_task(self._mirror.run())
                group.create_task(self._server.run())
                group.create_task(self._host.events.run())
                group.create_task(self._wake_waiting())
                group.create_task(self._dispatch(group))
        finally:
            self._host.configuration.close()

    async def _wake_waiting(self) -> None:
        """Let pods that wait for a network try again as soon as there is one."""
        while True:
            await self._node.ready_changed.wait()
            self._node.ready_changed.clear()
            self._wake()

    def _wake_users(self, uids: Set[str]) -> None:
        """Let pods see that a ConfigMap or a Secret of theirs has changed."""
        for uid in uids:
            if uid in self._workers:
                self._workers[uid].retry_configuration()

    def _wake(self) -> None:
        for worker in self._workers.values():
            if worker.sandbox is None:
                worker.changed.set()

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        await self._mirror.synced.wait()
        stored = {sandbox.uid: sandbox for sandbox in self._sandboxes.stored()}
        await self._clean_up(stored, group)
        while True:
            self._changed.clear()
            present = set()
            for pod in self._mirror.objects.values():
                uid, version = pod["metadata"]["uid"], pod["metadata"].get("resourceVersion", "")
                present.add(uid)
                if uid in self._done:
                    continue
                if uid not in self._workers:
                    worker = self._workers[uid] = Worker(pod, self._host, stored.pop(uid, None))
                    group.create_task(self._work(worker))
                elif self._versions.get(uid) != version:
                    self._workers[uid].update(pod)
                self._versions[uid] = version
            for uid, worker in self._workers.items():
                if uid not in present and not worker.gone:
                    worker.update(None)
            self._done &= present
            await self._changed.wait()

    async def _work(self, worker: Worker) -> None:
        await worker.run()
        del self._workers[worker.uid]
        self._versions.pop(worker.uid, None)
        self._done.add(worker.uid)
        self._wake()  # an address may be free for them

    async def _clean_up(self, stored: dict[str, Sandbox], group: asyncio.TaskGroup) -> None:
        """Remove what an earlier kubelet left of pods that the API doesn't know any more."""
        wanted = {pod["metadata"]["uid"] for pod in self._mirror.objects.values()}
        for uid in [uid for uid in stored if uid not in wanted]:
            sandbox = stored.pop(uid)
            pod = {
                "metadata": {"uid": uid, "namespace": sandbox.namespace, "name": sandbox.name},
                "spec": {"containers": [{"name": name} for name in self._sandboxes.containers(uid)]},
            }
            worker = Worker(pod, self._host, sandbox)
            worker.update(None)
            group.create_task(worker.run())
        try:
            await self._runtime.collect_garbage(sandbox.id for sandbox in stored.values() if not sandbox.torn_down)
        except cni.CniError as error:
            log.info("cni: garbage was not collected: %s", error)


def _boot_id(run_dir: Path) -> str:
    """Return an id of this boot of the node: /run is empty after the next one."""
    path = run_dir / "boot-id"
    try:
        return path.read_text()
    except FileNotFoundError:
        path.write_text(str(uuid.uuid4()))
        return path.read_text()


async def run(config: KubeletConfig) -> None:
    """Run the kubelet's stand-in of a node, for ever. It has to be in the node's namespaces, as root in them."""
    os.umask(0o022)
    api = KubeClient(config.server, config.token, config.ca_file)
    try:
        await Kubelet(config, api).run()
    finally:
        await api.close()
