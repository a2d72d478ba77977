"""The test bed: machines of a lab that checks can send from, found by what stands on the machine."""

import asyncio
import os
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from slash24.attach.pods import PROBE_CONTAINER
from slash24.core.cluster import Node, Settings, View
from slash24.core.topology import Transport
from slash24.errors import Slash24Error, TimeoutExpiredError
from slash24.kernel import netlink, netns
from slash24.kube.client import ApiError, KubeClient
from slash24.lab.connectivity.packets import Machine
from slash24.lab.paths import LabPaths

NAMESPACE = "slash24-test"
_POD_PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as the checks see it. `status` is its entry in the lab's status."""

    status: dict[str, Any]
    client: KubeClient

    @property
    def name(self) -> str:
        return str(self.status["name"])

    @property
    def transport(self) -> Transport:
        return Transport(self.status["transport"])

    @property
    def node_names(self) -> list[str]:
        return [node["name"] for node in self.status["nodes"] if node["ready"]]

    def view(self) -> View:
        """Return the cluster as the oracles in `core` read it."""
        nodes = tuple(
            Node(
                name=node["name"],
                address=IPv4Address(node["address"]),
                blocks=(IPv4Network(node["podCidr"]),) if node["podCidr"] else (),
            )
            for node in self.status["nodes"]
        )
        return View(Settings(pod_cidr=IPv4Network(self.status["podCidr"]), transport=self.transport), nodes)


class Bed:
    """Open descriptors of the lab's namespaces; `close` gives them back."""

    def __init__(self, paths: LabPaths) -> None:
        self._paths = paths
        self._stack = ExitStack()

    def close(self) -> None:
        self._stack.close()

    def _open(self, path: Path) -> int:
        fd = netns.open_fd(path)
        self._stack.callback(os.close, fd)
        return fd

    def namespace(self, name: str) -> int:
        """Return a descriptor of one of the lab's own namespaces: a node, `vnet-1`, `vm-1`, `internet`."""
        return self._open(self._paths.netns(name))

    def node(self, cluster: Cluster, name: str) -> Machine:
        address = next(node["address"] for node in cluster.status["nodes"] if node["name"] == name)
        return Machine(name, self.namespace(name), IPv4Address(address))

    def files(self, node: str) -> Path:
        """Return the root of the files that a running node sees."""
        pid = (self._paths.node(node) / "pid").read_text().split()[0]
        return Path(f"/proc/{pid}/root")

    def probe(self, node: str) -> Machine:
        """Return the pod by which a node's agent proves its network: it is there before any other."""
        fd = self._open(self.files(node) / "run/netns" / PROBE_CONTAINER)
        with netlink.Netlink(fd) as link:
            addresses = [entry.interface.ip for entry in link.addresses(link.index_of("eth0"))]
        return Machine(f"probe of {node}", fd, IPv4Address(addresses[0]))

    def pod(self, node: str, name: str, address: IPv4Address) -> Machine:
        """Return the pod with `address` on a node: found by its address among the node's namespaces."""
        for path in (self.files(node) / "run/netns").iterdir():
            fd = netns.open_fd(path)
            with netlink.Netlink(fd) as link:
                if any(entry.interface.ip == address for entry in link.addresses()):
                    self._stack.callback(os.close, fd)
                    return Machine(name, fd, address)
            os.close(fd)
        raise Slash24Error(f"pod {name} says it has {address}, but no namespace on node {node} has that address")


def test_pod(name: str, node: str) -> dict[str, Any]:
    """Return a bare pod that does nothing, bound to `node` by its name."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "slash24-test"}},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {"name": "pause", "image": "registry.k8s.io/e2e-test-images/agnhost:2.53", "args": ["pause"]}
            ],
        },
    }


async def start_pods(cluster: Cluster, wanted: dict[str, str]) -> dict[str, IPv4Address]:
    """Run pods (name -> node); return their addresses. Raises TimeoutExpiredError with the first one's state."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    try:
        await cluster.client.create("/api/v1/namespaces", namespace)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    base = f"/api/v1/namespaces/{NAMESPACE}/pods"
    for name, node in wanted.items():
        await cluster.client.create(base, test_pod(name, node))
    addresses: dict[str, IPv4Address] = {}
    try:
        async with asyncio.timeout(_POD_PATIENCE_S):
            while len(addresses) < len(wanted):
                for pod in (await cluster.client.list(base))["items"]:
                    status = pod.get("status", {})
                    if status.get("phase") == "Running" and pod["metadata"]["name"] in wanted and status.get("podIP"):
                        addresses[pod["metadata"]["name"]] = IPv4Address(status["podIP"])
                await asyncio.sleep(0.02)
    except TimeoutError:
        late = sorted(set(wanted) - set(addresses))
        raise TimeoutExpiredError(
            f"test pod {late[0]} of cluster {cluster.name} does not run after {_POD_PATIENCE_S:.0f} s",
            fix=f"kubectl -n {NAMESPACE} describe pod {late[0]}",
        ) from None
    return addresses


async def stop_pods(cluster: Cluster) -> None:
    """Remove the namespace of the test pods with all in it. Gone is fine."""
    try:
        await cluster.client.delete(f"/api/v1/namespaces/{NAMESPACE}")
        async with asyncio.timeout(_POD_PATIENCE_S):
            while True:
                await cluster.client.get(f"/api/v1/namespaces/{NAMESPACE}")
                await asyncio.sleep(0.02)
    except ApiError as error:
        if error.status != 404:
            raise
