"""A pod's sandbox: its network namespace, what CNI made of it, and the files that its containers share."""

import json
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slash24.errors import Slash24Error
from slash24.kernel import netns
from slash24.lab.kubelet import cni, files, spec
from slash24.lab.kubelet.groups import PodGroups
from slash24.lab.kubelet.volumes import NodeTree, Volumes


class SandboxError(Slash24Error):
    """A pod's network could not be set up."""


@dataclass(slots=True)
class Sandbox:
    """What the disk knows of a pod on this node; written before anything is made that must be undone.

    boot: the node's boot in which it was made; in another one its processes and namespaces are gone.
    netns: path of its namespace, "" for a pod in the node's own network.
    cgroup: folder of its control group, "" if the node has none to divide.
    """

    uid: str
    namespace: str
    name: str
    id: str
    boot: str
    netns: str
    torn_down: bool = False
    addresses: list[str] = field(default_factory=list)
    cgroup: str = ""


_STORED = ("uid", "namespace", "name", "id", "boot", "netns", "torn_down")  # CNI's record has the addresses


class Sandboxes:
    """Makes, keeps and removes sandboxes.

    What must outlive the node's boot is in `<state_dir>/pods/<uid>`; the files that a pod's containers share are in
    `<run_dir>/pods/<uid>`, in memory.
    """

    def __init__(
        self, state_dir: str, run_dir: str, netns_dir: str, boot: str, runtime: cni.Runtime, pod_files: "PodFiles",
        groups: PodGroups, tree: NodeTree,
    ) -> None:  # fmt: skip
        self._pods = Path(state_dir, "pods")
        self._shared = Path(run_dir, "pods")
        self._netns_dir = Path(netns_dir)
        self._boot = boot
        self._runtime = runtime
        self._pod_files = pod_files
        self._groups = groups
        self._tree = tree
        for folder in (self._pods, self._shared):
            folder.mkdir(parents=True, exist_ok=True)

    def folder(self, uid: str) -> Path:
        return self._pods / uid

    def shared(self, uid: str) -> Path:
        """Return the folder of the pod's /etc/hosts, hostname and resolv.conf."""
        return self._shared / uid

    def volumes(self, uid: str) -> Volumes:
        return Volumes(self.folder(uid) / "volumes.d", self.shared(uid) / "volumes.d", self._tree)

    def stored(self) -> list[Sandbox]:
        """Return what earlier kubelets left; a record that can't be read is dropped with its folder's name as uid."""
        found = []
        for folder in sorted(self._pods.iterdir()):
            try:
                found.append(Sandbox(**json.loads((folder / "sandbox.json").read_text())))
            except (OSError, ValueError, TypeError):
                found.append(Sandbox(folder.name, "", "", "", "", "", torn_down=True))
        return found

    def revive(self, sandbox: Sandbox, pod: dict[str, Any]) -> bool:
        """Take a stored sandbox into use again; False if it was never complete, or is of an earlier boot."""
        if sandbox.torn_down or not self._alive(sandbox):
            return False
        result = self._runtime.result(sandbox.id) if sandbox.netns else None
        if sandbox.netns and result is None:
            return False
        self._complete(sandbox, pod, result)
        return True

    async def create(self, pod: dict[str, Any]) -> Sandbox:
        """Make a pod's sandbox. Raises SandboxError, or NotConfiguredError; then nothing of it remains."""
        metadata, result = pod["metadata"], None
        uid, new_id, path = metadata["uid"], secrets.token_hex(32), ""
        if not pod["spec"].get("hostNetwork"):
            self._runtime.network()  # raises, before anything is made
            path = str(self._netns_dir / f"cni-{new_id[:8]}-{new_id[8:12]}-{new_id[12:20]}")
        sandbox = Sandbox(uid, metadata["namespace"], metadata["name"], new_id, self._boot, path)
        self._save(sandbox)
        if path:
            netns.create(Path(path))
            args = cni.plugin_args(sandbox.namespace, sandbox.name, uid, new_id)
            try:
                result = await self._runtime.add(new_id, path, args, ports=_host_ports(pod))
            except cni.CniError as error:
                netns.delete(Path(path))
                sandbox.torn_down = True
                self._save(sandbox)
                raise SandboxError(f'failed to setup network for sandbox "{new_id}": {error}') from error
        self._complete(sandbox, pod, result)
        return sandbox

    async def tear_down(self, sandbox: Sandbox, *, keep: bool = True) -> None:
        """Undo the network, then the namespace. Raises CniError: try again. Twice is fine.

        keep: the pod's folder stays, and is to say so; else `remove` follows.
        """
        if sandbox.torn_down:
            return
        await self._groups.remove(sandbox.uid)
        if sandbox.netns:
            args = cni.plugin_args(sandbox.namespace, sandbox.name, sandbox.uid, sandbox.id)
            # A rebooted node has other namespaces: CNI says to leave the path empty then.
            await self._runtime.delete(sandbox.id, sandbox.netns if self._alive(sandbox) else "", args)
            netns.delete(Path(sandbox.netns))
        sandbox.torn_down = True
        if keep:
            self._save(sandbox)

    def _alive(self, sandbox: Sandbox) -> bool:
        return sandbox.boot == self._boot and (not sandbox.netns or Path(sandbox.netns).exists())

    def _complete(self, sandbox: Sandbox, pod: dict[str, Any], result: dict[str, Any] | None) -> None:
        """Take the addresses from CNI's result (None: the node's own network), and write the shared files."""
        sandbox.cgroup = self._groups.make(sandbox.uid)
        sandbox.addresses = [self._pod_files.node_ip] if result is None else cni.addresses(result)
        self._pod_files.write(self.shared(sandbox.uid), pod, sandbox.addresses[0] if sandbox.addresses else "")

    def _save(self, sandbox: Sandbox) -> None:
        folder = self.folder(sandbox.uid)
        folder.mkdir(parents=True, exist_ok=True)
        record = {name: getattr(sandbox, name) for name in _STORED}
        files.write(folder / "sandbox.json", json.dumps(record))

    def containers(self, uid: str) -> list[str]:
        """Return the names of the containers that have run in a pod."""
        try:
            return sorted(entry.name for entry in os.scandir(self.folder(uid)) if "." not in entry.name)
        except OSError:
            return []

    def remove(self, uid: str) -> None:
        """Remove the pod's folders: volumes, logs, records, files."""
        self.volumes(uid).remove()
        for folder in (self.folder(uid), self.shared(uid)):
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class PodFiles:
    """Writes /etc/hosts, /etc/hostname and /etc/resolv.conf of a pod; its containers share them."""

    node_name: str
    node_ip: str
    cluster_dns: str
    cluster_domain: str

    def write(self, folder: Path, pod: dict[str, Any], ip: str) -> None:
        folder.mkdir(exist_ok=True)
        try:
            node_resolv = Path("/etc/resolv.conf").read_text()
        except OSError:
            node_resolv = ""
        hosts = Path("/etc/hosts").read_text() if pod["spec"].get("hostNetwork") else spec.hosts_file(pod, ip)
        resolv = spec.resolv_file(pod, self.cluster_dns, self.cluster_domain, node_resolv)
        # In place, not by renaming: the files of a pod that is taken over are mounted in its containers.
        (folder / "hosts").write_text(hosts)
        (folder / "hostname").write_text(spec.hostname(pod, self.node_name) + "\n")
        (folder / "resolv.conf").write_text(resolv)


def _host_ports(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the ports to map, as the CNI convention `portMappings` writes them."""
    return [
        {
            "hostPort": port["hostPort"],
            "containerPort": port["containerPort"],
            "protocol": str(port.get("protocol") or "TCP").lower(),
            "hostIP": port.get("hostIP") or "",
        }
        for container in pod["spec"].get("containers", ())
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]
