"""A lab: the fabric, the clusters on it and their nodes, brought in line with what the user asks for."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Any

from slash24.core.topology import Cluster, NodePool, VNet, resource_key
from slash24.errors import NotFoundError, Slash24Error
from slash24.kernel import netns
from slash24.lab import machines, patience
from slash24.lab.documents import cluster_document, read_cluster, read_vnet, vnet_document
from slash24.lab.fabric import Internet, Port, VNetNamespace
from slash24.lab.kubeapi import verbs
from slash24.lab.kubeconfig import kubeconfig
from slash24.lab.names import cluster_key, instance_of, node_name, pool_of
from slash24.lab.nodelifecycle import NodeLifecycle
from slash24.lab.nodes import Nodes, remove_namespace
from slash24.lab.paths import LabPaths
from slash24.lab.readiness import wait_until_ready
from slash24.lab.scheduler import Scheduler
from slash24.lab.zygote import ControllerSpec, Zygote, log_folder
from slash24.store.allocations import Allocations, Nic
from slash24.store.objects import ClusterObjects, ObjectStore

log = logging.getLogger(__name__)

Report = Callable[[str], None]


class VNetInUseError(Slash24Error):
    """A virtual network or subnet still has NICs."""


@dataclass(slots=True)
class RunningCluster:
    """One cluster as it stands. `admin` and `member` are the tokens of its users and of its nodes and controller."""

    cluster: Cluster
    number: int
    admin: str
    member: str
    objects: ClusterObjects
    tasks: list[asyncio.Task[None]]


class Lab:
    """The lab's state and the work on it. Everything here runs in the server's event loop."""

    def __init__(self, paths: LabPaths, *, store: ObjectStore, zygote: Zygote, url: str, ca_pem: str) -> None:
        self.patience = patience.read(paths.patience)
        self.paths = paths
        self.store = store
        self.url = url
        self._zygote = zygote
        self._ca_pem = ca_pem
        self._nodes = Nodes(paths, zygote, ca_pem)
        self._allocations = Allocations(paths.database)
        self.internet = Internet(paths.netns("internet"))
        self.vnets: dict[str, VNetNamespace] = {}  # by resource key
        self.clusters: dict[str, RunningCluster] = {}  # by cluster key
        # One change at a time: two requests that allocate from one subnet must not cross.
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Take over what an earlier server of this lab left standing.

        What is half made is for the next change of it to finish or to remove: a row is in the database before what it
        stands for is made, and until that is gone. `start_nodes` starts the nodes that ended meanwhile.
        """
        machines.serve(self.paths.netns("internet"))
        for key, (number, document) in self._allocations.all("vnet").items():
            self.vnets[key] = self._open_vnet(number, read_vnet(document))
        for key, (number, document) in self._allocations.all("cluster").items():
            cluster = read_cluster(document["cluster"])
            running = self._run(key, number, cluster, document["admin"], document["member"])
            for nic in self.nics(key):
                if self._nodes.is_up(nic.owner):
                    self._plug(nic, running)
        for key, vnet in self.vnets.items():
            if self.vm(key):
                self._ensure_vm(key)
            vnet.update(vnet.vnet)

    async def start_nodes(self) -> None:
        """Start the nodes that are down though nobody has stopped them, and end those that somebody has."""
        async with self._changing:
            for key, running in self.clusters.items():
                nics = self.nics(key)
                for nic in nics:
                    if nic.stopped:
                        self._cut(nic)
                await self._boot(running, [nic for nic in nics if self.power(nic) == "crashed"])

    async def stop(self) -> None:
        """End the server's own work; nodes and fabric stay."""
        for running in self.clusters.values():
            for task in running.tasks:
                task.cancel()
        self._allocations.close()

    # Virtual networks

    def _open_vnet(self, number: int, vnet: VNet) -> VNetNamespace:
        return VNetNamespace(self.paths.netns(f"vnet-{number}"), number, vnet, self.internet)

    async def ensure_vnet(self, vnet: VNet) -> None:
        """Make or change a virtual network."""
        async with self._changing:
            key = resource_key(vnet.id)
            number = self._allocations.put("vnet", key, vnet_document(vnet))
            if key in self.vnets:
                self.vnets[key].update(vnet)
            else:
                self.vnets[key] = self._open_vnet(number, vnet)

    async def delete_vnet(self, vnet_id: str) -> None:
        """Remove a virtual network with its virtual machine. Raises VNetInUseError while nodes are in it."""
        async with self._changing:
            key = resource_key(vnet_id)
            nodes = [nic for nic in self._allocations.nics(key) if nic.cluster]
            if nodes:
                raise VNetInUseError(
                    f"virtual network {vnet_id.rsplit('/', 1)[-1]} is in use by {nodes[0].owner}",
                    fix="delete the cluster first",
                    azure="InUseVirtualNetworkCannotBeDeleted",
                )
            for nic in self._allocations.nics(key):
                remove_namespace(self.paths.netns(nic.owner))
                self._release(nic)
            if key in self.vnets:
                self.vnets.pop(key).delete()
            self._allocations.remove("vnet", key)

    def addresses_used(self, subnet_id: str) -> int:
        """Return how many NICs are in a subnet."""
        key = resource_key(subnet_id)
        return sum(nic.subnet == key for nic in self._allocations.nics())

    def _subnet(self, subnet_id: str) -> tuple[str, IPv4Network]:
        """Return a subnet's virtual network (its key) and prefix."""
        key = resource_key(subnet_id)
        vnet_key, _, name = key.rpartition("/subnets/")
        vnet = self.vnets.get(vnet_key)
        for subnet in vnet.vnet.subnets if vnet else ():
            if subnet.name.lower() == name and isinstance(subnet.prefix, IPv4Network):
                return vnet_key, subnet.prefix
        raise NotFoundError(f"subnet {subnet_id} was not found", azure="ResourceNotFound")

    # Clusters

    async def ensure_cluster(self, cluster: Cluster, report: Report) -> None:
        """Make the lab match `cluster`: nodes are added and removed, the new ones waited for.

        What was added is taken away again if it fails.
        """
        async with self._changing:
            key = cluster_key(cluster.id)
            new = key not in self.clusters
            if new:
                report(f"control plane of {cluster.name}")
                tokens = {"admin": secrets.token_urlsafe(24), "member": secrets.token_urlsafe(24)}
                document = {"cluster": cluster_document(cluster), **tokens}
                number = self._allocations.put("cluster", key, document)
                running = self._run(key, number, cluster, **tokens)
                self._prepare_objects(running)
            else:
                running = self.clusters[key]
                running.cluster = cluster
                document = {"cluster": cluster_document(cluster), "admin": running.admin, "member": running.member}
                self._allocations.put("cluster", key, document)
            with ExitStack() as undo:
                await self._ensure_nodes(key, running, report, undo)
                undo.pop_all()

    async def _ensure_nodes(self, key: str, running: RunningCluster, report: Report, undo: ExitStack) -> None:
        cluster = running.cluster
        present = self.nics(key)
        surplus: list[Nic] = []
        wanted: list[tuple[NodePool, str]] = []
        for pool in cluster.pools:
            own = [nic for nic in present if pool_of(nic.owner) == pool.name]
            own.sort(key=lambda nic: instance_of(nic.owner))
            surplus += own[pool.count :]
            after = instance_of(own[-1].owner) + 1 if own else 0
            wanted += [(pool, node_name(cluster, pool, after + i)) for i in range(max(0, pool.count - len(own)))]
        pools = {pool.name for pool in cluster.pools}
        surplus += [nic for nic in present if pool_of(nic.owner) not in pools]
        crashed = [nic for nic in present if nic not in surplus and self.power(nic) == "crashed"]
        if surplus:
            report(f"removing {_count(len(surplus), 'node')}")
            for nic in surplus:
                self._remove_node(running, nic)
            self._apply_filters({nic.vnet for nic in surplus})
        if not wanted and not crashed:
            return
        report(f"starting {_count(len(wanted) + len(crashed), 'node')}")
        added = []
        for pool, name in wanted:
            vnet_key, prefix = self._subnet(pool.subnet_id)
            nic = self._allocations.add_nic(
                name, vnet=vnet_key, subnet=resource_key(pool.subnet_id), prefix=prefix, cluster=key
            )
            undo.callback(self._remove_node, running, nic)
            added.append(nic)
        await self._boot(running, [*crashed, *added])
        report(f"waiting for {_count(len(wanted) + len(crashed), 'node')} to be Ready")
        await wait_until_ready(running.objects, [nic.owner for nic in [*crashed, *added]])

    async def delete_cluster(self, cluster_id: str, report: Report) -> None:
        """Remove a cluster with its nodes and objects. Gone is fine."""
        async with self._changing:
            key = cluster_key(cluster_id)
            nics = self.nics(key)
            if nics:
                report(f"removing {_count(len(nics), 'node')}")
            running = self.clusters.pop(key, None)
            for nic in nics:
                self._remove_node(running, nic)
            self._apply_filters({nic.vnet for nic in nics})
            if running:
                report("removing the control plane")
                for task in running.tasks:
                    task.cancel()
                self._zygote.stop_controller(key)
                self.store.drop_cluster(key)
            self._allocations.remove("cluster", key)

    def nodes(self, cluster_id: str) -> dict[str, list[str]]:
        """Return the names of a cluster's nodes by pool."""
        found: dict[str, list[str]] = {}
        for nic in self.nics(cluster_key(cluster_id)):
            found.setdefault(pool_of(nic.owner), []).append(nic.owner)
        return found

    def kubeconfig(self, cluster_id: str) -> str:
        """Return a kubeconfig for the cluster's administrator, as YAML."""
        key = cluster_key(cluster_id)
        if key not in self.clusters:
            raise NotFoundError(f"cluster {cluster_id.rsplit('/', 1)[-1]} is not running", azure="ResourceNotFound")
        running = self.clusters[key]
        server = f"{self.url}/clusters/{key}"
        return kubeconfig(running.cluster.name, server=server, token=running.admin, ca_pem=self._ca_pem)

    def authenticate(self, cluster: str, token: str) -> str | None:
        """Return the user that a token names in a cluster, None if it names nobody."""
        running = self.clusters.get(cluster)
        if running and secrets.compare_digest(token, running.admin):
            return "clusterAdmin"
        if running and secrets.compare_digest(token, running.member):
            return "system:nodes"
        return None

    def _run(self, key: str, number: int, cluster: Cluster, admin: str, member: str) -> RunningCluster:
        objects = self.store.cluster(key)
        running = RunningCluster(cluster, number, admin, member, objects, [])
        self.clusters[key] = running
        running.tasks.append(asyncio.create_task(Scheduler(objects).run()))
        lifecycle = NodeLifecycle(objects, grace_s=self.patience.node_grace_s)
        running.tasks.append(asyncio.create_task(lifecycle.run()))
        if cluster.transport == "routed":
            running.tasks.append(asyncio.create_task(self._route_blocks(key, running)))
        self._zygote.start_controller(
            ControllerSpec(
                cluster=key,
                server=f"{self.url}/clusters/{key}",
                token=member,
                ca_file=str(self.paths.ca),
                log=str(log_folder(self.paths.root) / f"controller-{key}.log"),
            )
        )
        return running

    def _prepare_objects(self, running: RunningCluster) -> None:
        cluster = running.cluster
        verbs.prepare_cluster(running.objects)
        settings = {
            "pod-cidr": str(cluster.pod_cidr),
            "block-prefix": str(cluster.block_prefix),
            "transport": cluster.transport.value,
            "vni": str(running.number),
            "service-cidr": str(cluster.service_cidr),
        }
        config = {"apiVersion": "v1", "kind": "ConfigMap", "data": settings,
                  "metadata": {"name": "slash24-config", "namespace": "kube-system"}}  # fmt: skip
        running.objects.create("configmaps", config)

    async def _route_blocks(self, key: str, running: RunningCluster) -> None:
        """Route each node's blocks to its port, as they come and go."""
        async for kind, node in running.objects.watch("nodes", send_initial=True):
            if kind not in ("ADDED", "MODIFIED"):
                continue
            for nic in self.nics(key):
                if nic.owner == node["metadata"]["name"] and self._set_blocks(running, nic, node):
                    self.vnets[nic.vnet].apply_filter()

    def _set_blocks(self, running: RunningCluster, nic: Nic, node: dict[str, Any]) -> bool:
        """Route a node's blocks to its port; return whether the network's filter has to follow."""
        blocks = (ip_network(text) for text in node.get("spec", {}).get("podCIDRs", ()))
        routed = tuple(block for block in blocks if isinstance(block, IPv4Network))
        vnet, pod_cidr = self.vnets.get(nic.vnet), running.cluster.pod_cidr
        if vnet is None or not isinstance(pod_cidr, IPv4Network):
            return False
        return vnet.set_blocks(nic.owner, routed, pod_cidr)

    # Machines

    def nics(self, key: str) -> list[Nic]:
        """Return the NICs of the nodes of the cluster `key`."""
        return [nic for nic in self._allocations.nics() if nic.cluster == key]

    def power(self, nic: Nic) -> str:
        """Return "running", "stopped" by the user, or "crashed", of the node behind a NIC."""
        if nic.stopped:
            return "stopped"
        return "running" if self._nodes.is_up(nic.owner) else "crashed"

    async def switch_node(self, name: str, action: str) -> bool:
        """Stop, start or reboot a node, as `action` says; return False if it was in that state already.

        A stop is a power cut: processes and namespaces end at once. Disk, address and Node object stay, and the node
        stays off until it is started. Raises NotFoundError.
        """
        async with self._changing:
            running, nic = self._node(name)
            was_up = self._nodes.is_up(name)
            # First: a server that dies after this line leaves to the next one what the user wants.
            self._allocations.set_stopped(name, action == "stop")
            if action == "start" and was_up:
                return False
            self._cut(nic)
            if action == "stop":
                return was_up
            await self._boot(running, [nic])
            return True

    def _node(self, name: str) -> tuple[RunningCluster, Nic]:
        for nic in self._allocations.nics():
            if nic.cluster and nic.owner == name:
                return self.clusters[nic.cluster], nic
        raise NotFoundError(f"the lab has no node {name!r}", fix="slash24 lab node list")

    def _cut(self, nic: Nic) -> None:
        """End a node that is up, and whatever is left of one that is not."""
        self._nodes.end(nic.owner)
        self.vnets[nic.vnet].pull(nic.port)

    async def _boot(self, running: RunningCluster, nics: list[Nic]) -> None:
        """Start nodes that are down, each in a new namespace."""
        for nic in nics:
            self._cut(nic)
            netns.create(self.paths.netns(nic.owner))
            self._plug(nic, running)
        for vnet_key in {nic.vnet for nic in nics}:
            self._ensure_vm(vnet_key)
        self._apply_filters({nic.vnet for nic in nics})
        for nic in nics:
            self._start_node(running, nic)
            await asyncio.sleep(0)  # let the server answer the nodes that came before

    def _plug(self, nic: Nic, running: RunningCluster) -> None:
        routed = running.cluster.transport == "routed"
        self._join(nic, running.number, routed=routed)
        node = running.objects.find("nodes", nic.owner)
        if routed and node:
            self._set_blocks(running, nic, node)

    def _join(self, nic: Nic, number: int, *, routed: bool) -> None:
        vnet = self.vnets[nic.vnet]
        prefix = next(
            (s.prefix for s in vnet.vnet.subnets if nic.address in s.prefix and isinstance(s.prefix, IPv4Network)),
            IPv4Network((int(nic.address) & ~15, 28)),
        )
        port = Port(nic.port, nic.address, prefix[1], number, routed=routed)
        vnet.plug(nic.owner, port, self.paths.netns(nic.owner), prefix)

    def _apply_filters(self, vnet_keys: set[str]) -> None:
        for key in vnet_keys:
            if key in self.vnets:
                self.vnets[key].apply_filter()

    def _ensure_vm(self, vnet_key: str) -> None:
        """Give a virtual network its virtual machine, if it has none and there is room."""
        vnet = self.vnets[vnet_key]
        owner = vnet.path.name.replace("vnet-", "vm-")
        nics = self._allocations.nics(vnet_key)
        nic = next((nic for nic in nics if nic.owner == owner), None)
        if nic is None:
            place = machines.vm_address(vnet.vnet, {nic.address for nic in nics})
            if place is None:
                return
            nic = self._allocations.add_nic_at(owner, vnet=vnet_key, subnet="", address=place[0])
        path = self.paths.netns(owner)
        if machines.serves(path):
            self._join(nic, 0, routed=False)
            return
        remove_namespace(path)
        vnet.pull(nic.port)
        netns.create(path)
        self._join(nic, 0, routed=False)
        machines.serve(path)

    def vnet_namespace(self, running: RunningCluster) -> str:
        """Return the name of the namespace of a cluster's virtual network."""
        return self.vnets[self._subnet(running.cluster.pools[0].subnet_id)[0]].path.name

    def vm_address(self, running: RunningCluster) -> str | None:
        """Return the address of the virtual machine in a cluster's virtual network."""
        vm = self.vm(self._subnet(running.cluster.pools[0].subnet_id)[0])
        return str(vm.address) if vm else None

    def vm(self, vnet_key: str) -> Nic | None:
        """Return the NIC of a virtual network's virtual machine."""
        return next((nic for nic in self._allocations.nics(vnet_key) if not nic.cluster), None)

    def _start_node(self, running: RunningCluster, nic: Nic) -> None:
        vnet_name = self.vnets[nic.vnet].vnet.id.rsplit("/", 1)[-1]
        lease_s = self.patience.lease_s(sum(pool.count for pool in running.cluster.pools))
        self._nodes.start(running.cluster, nic, token=running.member, vnet_name=vnet_name, lease_s=lease_s)

    def _remove_node(self, running: RunningCluster | None, nic: Nic) -> None:
        self._nodes.remove(nic.owner)
        if running:
            with suppress(NotFoundError):
                running.objects.delete("leases", nic.owner, namespace="kube-node-lease")
            with suppress(NotFoundError):
                running.objects.delete("nodes", nic.owner)
            for pod in running.objects.list("pods", field_selector=f"spec.nodeName={nic.owner}"):
                running.objects.delete("pods", pod["metadata"]["name"], namespace=pod["metadata"]["namespace"])
        self._release(nic)

    def _release(self, nic: Nic) -> None:
        if nic.vnet in self.vnets:
            self.vnets[nic.vnet].unplug(nic.owner)
        self._allocations.remove_nic(nic.owner)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
