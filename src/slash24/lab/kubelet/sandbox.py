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

#: Folder of the files that a pod's containers share; the dot keeps it apart from those of containers.
FILES = "pod.files"


class SandboxError(Slash24Error):
    """A pod's network could not be set up."""


@dataclass(slots=True)
class Sandbox:
    """What the disk knows of a pod on this node; written before anything is made that must be undone.

    boot: the node's boot in which it was made; in another one its processes and namespaces are gone.
    netns: path of its namespace, "" for a pod in the node's own network.
    """

    uid: str
    namespace: str
    name: str
    id: str
    boot: str
    netns: str
    addresses: list[str] = field(default_factory=list)
    torn_down: bool = False


class Sandboxes:
    """Makes, keeps and removes sandboxes. One folder a pod: `<state_dir>/pods/<uid>`."""

    def __init__(self, state_dir: str, netns_dir: str, boot: str, runtime: cni.Runtime, node_ip: str) -> None:
        self.pods = Path(state_dir, "pods")
        self._netns_dir = Path(netns_dir)
        self._boot = boot
        self._runtime = runtime
        self._node_ip = node_ip
        self.pods.mkdir(parents=True, exist_ok=True)

    def folder(self, uid: str) -> Path:
        return self.pods / uid

    def stored(self) -> list[Sandbox]:
        """Return what earlier kubelets left; a record that can't be read is dropped with its folder's name as uid."""
        found = []
        for folder in sorted(self.pods.iterdir()):
            try:
                found.append(Sandbox(**json.loads((folder / "sandbox.json").read_text())))
            except (OSError, ValueError, TypeError):
                found.append(Sandbox(folder.name, "", "", "", "", "", torn_down=True))
        return found

    def alive(self, sandbox: Sandbox) -> bool:
        """Tell whether its namespaces are still there."""
        return sandbox.boot == self._boot and (not sandbox.netns or Path(sandbox.netns).exists())

    def save(self, sandbox: Sandbox) -> None:
        folder = self.folder(sandbox.uid)
        folder.mkdir(exist_ok=True)
        record = {name: getattr(sandbox, name) for name in Sandbox.__slots__}
        files.write(folder / "sandbox.json", json.dumps(record))

    async def create(self, pod: dict[str, Any], config: "PodFiles") -> Sandbox:
        """Make a pod's sandbox. Raises SandboxError, or NotConfiguredError; then nothing of it remains."""
        metadata, host_network = pod["metadata"], bool(pod["spec"].get("hostNetwork"))
        uid, new_id = metadata["uid"], secrets.token_hex(32)
        if not host_network:
            self._runtime.network()  # raises, before anything is made
        path = "" if host_network else str(self._netns_dir / f"cni-{new_id[:8]}-{new_id[8:12]}-{new_id[12:20]}")
        sandbox = Sandbox(uid, metadata["namespace"], metadata["name"], new_id, self._boot, path)
        self.save(sandbox)
        if host_network:
            sandbox.addresses = [self._node_ip]
        else:
            netns.create(Path(path))
            args = cni.plugin_args(sandbox.namespace, sandbox.name, uid, new_id)
            try:
                result = await self._runtime.add(new_id, path, args, ports=_host_ports(pod))
                sandbox.addresses = cni.addresses(result)
            except cni.CniError as error:
                netns.delete(Path(path))
                sandbox.torn_down = True
                self.save(sandbox)
                raise SandboxError(f'failed to setup network for sandbox "{new_id}": {error}') from error
        self.save(sandbox)
        config.write(self.folder(uid) / FILES, pod, sandbox.addresses[0] if sandbox.addresses else "")
        return sandbox

    async def tear_down(self, sandbox: Sandbox) -> None:
        """Undo the network, then the namespace. Raises CniError: try again. Twice is fine."""
        if sandbox.torn_down:
            return
        if sandbox.netns:
            args = cni.plugin_args(sandbox.namespace, sandbox.name, sandbox.uid, sandbox.id)
            # A rebooted node has other namespaces: CNI says to leave the path empty then.
            await self._runtime.delete(sandbox.id, sandbox.netns if self.alive(sandbox) else "", args)
            netns.delete(Path(sandbox.netns))
        sandbox.torn_down = True
        if self.folder(sandbox.uid).exists():
            self.save(sandbox)

    def containers(self, uid: str) -> list[str]:
        """Return the names of the containers that have run in a pod."""
        try:
            return sorted(entry.name for entry in os.scandir(self.folder(uid)) if "." not in entry.name)
        except OSError:
            return []

    def remove(self, uid: str) -> None:
        """Remove the pod's folder: logs, records, files."""
        shutil.rmtree(self.folder(uid), ignore_errors=True)


@dataclass(frozen=True, slots=True)
class PodFiles:
    """Writes /etc/hosts, /etc/hostname and /etc/resolv.conf of a pod; its containers share them."""

    node_name: str
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
        files.write(folder / "hosts", hosts, 0o644)
        files.write(folder / "hostname", spec.hostname(pod, self.node_name) + "\n", 0o644)
        files.write(folder / "resolv.conf", resolv, 0o644)


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
