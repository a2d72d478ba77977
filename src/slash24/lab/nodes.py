"""The nodes of a lab's clusters: started by the zygote, known by their first process, ended with it."""

import shutil
from pathlib import Path

from slash24.core.topology import Cluster
from slash24.kernel import cgroup, netns, process
from slash24.lab.fabric import API_SERVER
from slash24.lab.names import cluster_key, instance_of, node_labels, pool_of
from slash24.lab.node import NodeSpec
from slash24.lab.paths import LabPaths
from slash24.lab.zygote import Zygote
from slash24.store.allocations import Nic


class Nodes:
    """Starts and ends nodes. The pid of a node's first process is on its disk, so that any server finds it."""

    def __init__(self, paths: LabPaths, zygote: Zygote, ca_pem: str) -> None:
        self._paths = paths
        self._zygote = zygote
        self._ca_pem = ca_pem

    def start(self, cluster: Cluster, nic: Nic, *, token: str, vnet_name: str, lease_s: int) -> None:
        """Start the node behind `nic`, in its namespace, which is plugged in already."""
        pool = next(pool for pool in cluster.pools if pool.name == pool_of(nic.owner))
        group = cgroup.create(self._paths.slug, nic.owner)
        spec = NodeSpec(
            name=nic.owner,
            netns=str(self._paths.netns(nic.owner)),
            disk=str(self._paths.node(nic.owner)),
            cgroup=str(group) if group else None,
            server=f"https://{API_SERVER}/clusters/{cluster_key(cluster.id)}",
            token=token,
            ca_pem=self._ca_pem,
            address=str(nic.address),
            labels=node_labels(cluster, pool, nic.owner, vnet_name),
            max_pods=pool.max_pods,
            taints=[read_taint(text) for text in pool.taints],
            provider_id=f"azure://{cluster.id}/{pool.name}/{instance_of(nic.owner)}",
            lease_s=lease_s,
            masked_paths=[str(self._paths.home)],
            version=f"v{pool.version}",
        )
        pid = self._zygote.start_node(spec)
        self._record(nic.owner).write_text(f"{pid} {process.started_at(pid)}")

    def _record(self, name: str) -> Path:
        return self._paths.node(name) / "pid"

    def first_process(self, name: str) -> tuple[int, int] | None:
        """Return (pid, start time) of a node's first process, None if the node is down."""
        try:
            pid, started = self._record(name).read_text().split()
        except (OSError, ValueError):
            return None
        return (int(pid), int(started)) if str(process.started_at(int(pid))) == started else None

    def is_up(self, name: str) -> bool:
        return self.first_process(name) is not None

    def end(self, name: str) -> None:
        """End a node as a power cut does: its processes and its namespaces go, its disk stays. Gone is fine.

        What a server that died while it started the node has left goes as well, though nothing on the disk tells of it.
        """
        first = self.first_process(name)
        if first:
            process.end(*first)
        remove_namespace(self._paths.netns(name))
        cgroup.remove(f"{self._paths.slug}/{name}")

    def remove(self, name: str) -> None:
        """End a node and remove its disk. Gone is fine."""
        self.end(name)
        shutil.rmtree(self._paths.node(name), ignore_errors=True)


def remove_namespace(path: Path) -> None:
    """End whatever runs in the namespace mounted at `path`, and remove it. Gone is fine."""
    if netns.is_mounted(path):
        for pid in process.in_namespaces({path.stat().st_ino}):
            started = process.started_at(pid)
            if started is not None:
                process.end(pid, started)
    netns.delete(path)


def read_taint(text: str) -> dict[str, str]:
    """Return az's `key=value:Effect` as a Node has it."""
    head, _, effect = text.rpartition(":")
    key, _, value = head.partition("=")
    return {"key": key, "effect": effect} | ({"value": value} if value else {})
