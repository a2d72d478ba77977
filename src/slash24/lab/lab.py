"""A lab: the fabric, the clusters on it and their nodes, brought in line with what the user asks for."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Any

from slash24.core.addresses import usable_addresses
from slash24.core.ipam import node_blocks
from slash24.core.topology import Cluster, NodePool, VNet, resource_key
from slash24.errors import NotFoundError, Slash24Error
from slash24.kernel import netns
from slash24.lab import machines, patience
from slash24.lab.autoscaler.loop import Autoscaler
from slash24.lab.documents import cluster_document, read_cluster, read_vnet, vnet_document
from slash24.lab.drain import DrainError, drain_all
from slash24.lab.fabric import Internet, Port, VNetNamespace
from slash24.lab.kubeapi import verbs
from slash24.lab.kubeapi.status import StatusError
from slash24.lab.kubeconfig import kubeconfig
from slash24.lab.names import cluster_key, instance_of, node_name, pool_of
from slash24.lab.nodelifecycle import NodeLifecycle
from slash24.lab.nodes import Nodes, remove_namespace
from slash24.lab.paths import LabPaths
from slash24.lab.readiness import expect_report, is_ready, wait_until_ready
from slash24.lab.scaling import ClusterMachines, keep_counts, with_counts
from slash24.lab.scheduler import Scheduler
from slash24.lab.upgrade import outdated, upgrade_pool
from slash24.lab.zygote import ControllerSpec, Zygote, log_folder
from slash24.store.allocations import Allocations, Nic
from slash24.store.objects import ClusterObjects, ObjectStore

log = logging.getLogger(__name__)

Report = Callable[[str], None]


class VNetInUseError(Slash24Error):
    """A virtual network or subnet still has NICs."""


@dataclass(slots=True)
class RunningCluster:
    """One cluster as it stands. `admin` and `member` are the tokens of its users and of its nodes and controller.

    tasks: its control plane's, while it is not stopped. autoscaler: while a pool of it is autoscaled and nobody else
    changes its nodes.
    """

    cluster: Cluster
    number: int
    admin: str
    member: str
    objects: ClusterObjects
    tasks: list[asyncio.Task[None]]
    autoscaler: asyncio.Task[None] | None = None


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
        self._watch_zygote()
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

    def _watch_zygote(self) -> None:
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(socket)
            log.warning("the zygote has ended: another one is started")
            self._zygote.revive()
            self._watch_zygote()

        socket = self._zygote.fileno()
        loop.add_reader(socket, ended)

    async def start_nodes(self) -> None:
        """Start the nodes that are down though nobody has stopped them, and end those that somebody has."""
        async with self._changing:
            for key, running in self.clusters.items():
                nics = self.nics(key)
                for nic in nics:
                    if nic.stopped:
                        self._cut(nic)
                await self._boot(running, [nic for nic in nics if self.power(nic) == "crashed"])
            for key in self.clusters:
                self._start_autoscaler(key)

    async def stop(self) -> None:
        """End the server's own work; nodes and fabric stay."""
        for running in self.clusters.values():
            await self._stop_autoscaler(running)
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
        """Make the lab match `cluster`: nodes are added, removed and upgraded, and waited for; power follows.

        What was added is taken away again if it fails; what goes is drained first. An autoscaled pool keeps the number
        of nodes that its autoscaler gave it.
        """
        key = cluster_key(cluster.id)
        if key in self.clusters:
            await self._stop_autoscaler(self.clusters[key])
            cluster = keep_counts(cluster, self.clusters[key].cluster)
        try:
            async with self._changing:
                running = self._ensure_control_plane(key, cluster, report)
            await self._drain(running, [nic.owner for nic in self._surplus(key, cluster)], report)
            async with self._changing:
                with ExitStack() as undo:
                    await self._ensure_nodes(key, running, report, undo)
                    undo.pop_all()
            for pool in running.cluster.pools:
                own = [nic.owner for nic in self.nics(key) if pool_of(nic.owner) == pool.name]
                if old := outdated(running.objects, pool, own):
                    await upgrade_pool(running.objects, pool, old, ClusterMachines(self, key), report)
            if cluster.stopped:
                report("stopping the control plane")
                self._stop_control_plane(key, running)
        finally:
            self._start_autoscaler(key)

    def _ensure_control_plane(self, key: str, cluster: Cluster, report: Report) -> RunningCluster:
        if key in self.clusters:
            running = self.clusters[key]
            if running.cluster.stopped and not cluster.stopped:
                report("starting the control plane")
                self._start_control_plane(key, running)
            self._store(key, running, cluster)
            return running
        report(f"control plane of {cluster.name}")
        tokens = {"admin": secrets.token_urlsafe(24), "member": secrets.token_urlsafe(24)}
        number = self._allocations.put("cluster", key, {"cluster": cluster_document(cluster), **tokens})
        running = self._run(key, number, cluster, **tokens)
        self._prepare_objects(running)
        return running

    def _store(self, key: str, running: RunningCluster, cluster: Cluster) -> None:
        """Note what a cluster should be from now on."""
        running.cluster = cluster
        document = {"cluster": cluster_document(cluster), "admin": running.admin, "member": running.member}
        self._allocations.put("cluster", key, document)

    async def _drain(self, running: RunningCluster, names: list[str], report: Report) -> None:
        """Drain nodes that are about to go; those that are down, or not empty in time, go all the same."""
        alive = [name for name in names if is_ready(running.objects.find("nodes", name) or {})]
        if not alive:
            return
        report(f"draining {_count(len(alive), 'node')}")
        timeout_s = 60.0 * max(pool.upgrade.drain_timeout_min for pool in running.cluster.pools)
        with suppress(DrainError):
            await drain_all(running.objects, alive, timeout_s=timeout_s)

    def _surplus(self, key: str, cluster: Cluster) -> list[Nic]:
        """Return the NICs of the nodes that a cluster has and should not have: the newest of each pool."""
        sizes = {pool.name: pool.size for pool in cluster.pools}
        found: list[Nic] = []
        for nic in sorted(self.nics(key), key=lambda nic: instance_of(nic.owner)):
            sizes[pool_of(nic.owner)] = sizes.get(pool_of(nic.owner), 0) - 1
            if sizes[pool_of(nic.owner)] < 0:
                found.append(nic)
        return found

    async def _ensure_nodes(self, key: str, running: RunningCluster, report: Report, undo: ExitStack) -> None:
        cluster = running.cluster
        surplus = self._surplus(key, cluster)
        if surplus:
            report(f"removing {_count(len(surplus), 'node')}")
            self._remove_nodes(running, surplus)
        present = self.nics(key)
        crashed = [nic for nic in present if self.power(nic) == "crashed"]
        missing = {
            pool.name: pool.size - sum(pool_of(nic.owner) == pool.name for nic in present) for pool in cluster.pools
        }
        if crashed or any(missing.values()):
            await self._add_nodes(key, running, missing, report, undo, crashed=crashed)

    async def _add_nodes(
        self,
        key: str,
        running: RunningCluster,
        counts: Mapping[str, int],
        report: Report,
        undo: ExitStack,
        crashed: Sequence[Nic] = (),
    ) -> list[str]:
        """Add so many nodes to each pool, start those that crashed; return the new ones' names when all are Ready."""
        cluster, present = running.cluster, [nic.owner for nic in self.nics(key)]
        total = _count(sum(counts.values()) + len(crashed), "node")
        report(f"starting {total}")
        added = []
        for pool in cluster.pools:
            after = max((instance_of(name) + 1 for name in present if pool_of(name) == pool.name), default=0)
            for number in range(after, after + counts.get(pool.name, 0)):
                name = node_name(cluster, pool, number)
                vnet_key, prefix = self._subnet(pool.subnet_id)
                nic = self._allocations.add_nic(
                    name, vnet=vnet_key, subnet=resource_key(pool.subnet_id), prefix=prefix, cluster=key
                )
                undo.callback(self._remove_node, running, nic)
                added.append(nic)
        await self._boot(running, [*crashed, *added])
        report(f"waiting for {total} to be Ready")
        await wait_until_ready(running.objects, [nic.owner for nic in [*crashed, *added]])
        return [nic.owner for nic in added]

    # What the autoscaler asks for

    def _start_autoscaler(self, key: str) -> None:
        running = self.clusters.get(key)
        if running is None or running.autoscaler or running.cluster.stopped:
            return
        if any(pool.autoscale for pool in running.cluster.pools):
            running.autoscaler = asyncio.create_task(Autoscaler(running.objects, ClusterMachines(self, key)).run())

    async def _stop_autoscaler(self, running: RunningCluster) -> None:
        """End the autoscaler, in the middle of what it does."""
        task, running.autoscaler = running.autoscaler, None
        if task:
            task.cancel()
            await asyncio.wait([task])

    def counts(self, cluster_id: str) -> dict[str, int]:
        """Return how many nodes each pool of a cluster should have now; {} if the cluster isn't there."""
        running = self.clusters.get(cluster_key(cluster_id))
        return {pool.name: pool.count for pool in running.cluster.pools} if running else {}

    def spare(self, key: str, pool: NodePool) -> tuple[int, str]:
        """Return for how many more nodes of a pool there are addresses and blocks, and what is short if for none."""
        cluster = self.clusters[key].cluster
        vnet_key, prefix = self._subnet(pool.subnet_id)
        used = sum(nic.address in prefix for nic in self._allocations.nics(vnet_key))
        addresses = usable_addresses(prefix) - used
        blocks = node_blocks(cluster.pod_cidr, cluster.block_prefix) - len(self.nics(key))
        if addresses <= 0:
            return 0, f"subnet {pool.subnet_id.rsplit('/', 1)[-1]} {prefix} has no free address"
        if blocks <= 0:
            return 0, f"pod CIDR {cluster.pod_cidr} has no free /{cluster.block_prefix} node block"
        return min(addresses, blocks), ""

    async def resize(self, key: str, pool: str, count: int) -> None:
        """Let a pool have so many nodes; return when new ones are Ready. A failure leaves it as it was."""
        async with self._changing:
            running = self.clusters[key]
            before = running.cluster
            self._store(key, running, with_counts(before, {pool: count}))
            try:
                with ExitStack() as undo:
                    await self._ensure_nodes(key, running, lambda _title: None, undo)
                    undo.pop_all()
            except BaseException:  # cancelled, too: the autoscaler ends when somebody else changes the cluster
                self._store(key, running, before)
                raise

    async def remove_nodes(self, key: str, names: Sequence[str], *, counted: bool) -> None:
        """Remove nodes; `counted` lets their pools have so many fewer."""
        async with self._changing:
            running = self.clusters[key]
            self._remove_nodes(running, [nic for nic in self.nics(key) if nic.owner in names])
            counts = {pool.name: pool.count for pool in running.cluster.pools}
            for name in names if counted else ():
                counts[pool_of(name)] -= 1
            self._store(key, running, with_counts(running.cluster, counts))

    async def add_nodes(self, key: str, pool: str, count: int) -> list[str]:
        """Add nodes to a pool beyond its count; return their names when they are Ready. All of them, or none."""
        async with self._changing:
            with ExitStack() as undo:
                added = await self._add_nodes(key, self.clusters[key], {pool: count}, lambda _title: None, undo)
                undo.pop_all()
                return added

    async def reimage_nodes(self, key: str, names: Sequence[str]) -> None:
        """Give nodes new disks, and boot them as their pools are now; return when they are Ready.

        Name, address, Node object and block stay.
        """
        async with self._changing:
            running = self.clusters[key]
            nics = [nic for nic in self.nics(key) if nic.owner in names]
            for nic in nics:
                self._nodes.remove(nic.owner)
                self._allocations.set_stopped(nic.owner, False)
                expect_report(running.objects, nic.owner)
            await self._boot(running, nics)
            await wait_until_ready(running.objects, names)

    async def delete_cluster(self, cluster_id: str, report: Report) -> None:
        """Remove a cluster with its nodes and objects. Gone is fine."""
        key = cluster_key(cluster_id)
        if key in self.clusters:
            await self._stop_autoscaler(self.clusters[key])
        async with self._changing:
            nics = self.nics(key)
            if nics:
                report(f"removing {_count(len(nics), 'node')}")
            running = self.clusters.pop(key, None)
            self._remove_nodes(running, nics)
            if running:
                report("removing the control plane")
                self._stop_control_plane(key, running)
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
        """Return the user that a token names in a cluster, None if it names nobody. Raises StatusError when stopped."""
        running = self.clusters.get(cluster)
        if running and running.cluster.stopped and not running.tasks:
            raise StatusError("ServiceUnavailable", f"the cluster {running.cluster.name} is stopped: slash24 aks start")
        if running and secrets.compare_digest(token, running.admin):
            return "clusterAdmin"
        if running and secrets.compare_digest(token, running.member):
            return "system:nodes"
        return None

    def _run(self, key: str, number: int, cluster: Cluster, admin: str, member: str) -> RunningCluster:
        objects = self.store.cluster(key)
        running = RunningCluster(cluster, number, admin, member, objects, [])
        self.clusters[key] = running
        if not cluster.stopped:
            self._start_control_plane(key, running)
        return running

    def _start_control_plane(self, key: str, running: RunningCluster) -> None:
        running.tasks.append(asyncio.create_task(Scheduler(running.objects).run()))
        lifecycle = NodeLifecycle(running.objects, grace_s=self.patience.node_grace_s)
        running.tasks.append(asyncio.create_task(lifecycle.run()))
        if running.cluster.transport == "routed":
            running.tasks.append(asyncio.create_task(self._route_blocks(key, running)))
        self._zygote.start_controller(
            ControllerSpec(
                cluster=key,
                server=f"{self.url}/clusters/{key}",
                token=running.member,
                ca_file=str(self.paths.ca),
                log=str(log_folder(self.paths.root) / f"controller-{key}.log"),
            )
        )

    def _stop_control_plane(self, key: str, running: RunningCluster) -> None:
        for task in running.tasks:
            task.cancel()
        running.tasks.clear()
        self._zygote.stop_controller(key)

    def kubernetes_version(self, key: str) -> str:
        """Return the version that a cluster's control plane has, 1.37.1."""
        return self.clusters[key].cluster.version

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

    def _remove_nodes(self, running: RunningCluster | None, nics: Sequence[Nic]) -> None:
        for nic in nics:
            self._remove_node(running, nic)
        self._apply_filters({nic.vnet for nic in nics})

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
