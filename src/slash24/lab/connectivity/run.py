"""Running the checks: pods are started, packets sent, further clusters built and removed again."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Protocol

from slash24.core.topology import Transport
from slash24.errors import NotFoundError, Slash24Error, UsageError
from slash24.kube.client import KubeClient
from slash24.lab.connectivity.bed import Bed, Cluster, start_pods, stop_pods
from slash24.lab.connectivity.checks import CHECKS, Outcome, Scene, same_address
from slash24.lab.connectivity.packets import Machine, tcp_source
from slash24.lab.connectivity.speed import Speed, measure
from slash24.lab.fabric import WHOAMI
from slash24.lab.paths import LabPaths

_BLOCK_REUSED = "block-reused"
_MOST_TWIN_NODES = 32
_SAME_ADDRESS = {f"same-address-{transport.value}": transport for transport in Transport}
Pairs = tuple[tuple[Machine, Machine], tuple[Machine, Machine], IPv4Address]
NAMES = (*CHECKS, *_SAME_ADDRESS, _BLOCK_REUSED)


class Access(Protocol):
    """How the checks change the lab: through its public APIs. All calls block."""

    def status(self) -> dict[str, Any]: ...
    def client(self, key: str) -> KubeClient: ...
    def create_cluster(
        self, name: str, *, transport: str, pod_cidr: str, block_prefix: int, subnet_id: str, nodes: int
    ) -> str: ...
    def scale_cluster(self, name: str, nodes: int) -> None: ...
    def delete_clusters(self) -> None: ...


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check's result; `ms` is how long it took."""

    name: str
    cluster: str
    transport: str
    expected: str
    seen: str
    ok: bool
    ms: int


def select(wanted: Iterable[str]) -> list[str]:
    """Return the checks that `--test` names: `!name` leaves one out; nothing means all. Raises UsageError."""
    wanted = list(wanted)
    for name in wanted:
        if name.removeprefix("!") not in NAMES:
            raise UsageError(f"there is no check {name.removeprefix('!')!r}", fix=f"choose from {', '.join(NAMES)}")
    chosen = [name for name in wanted if not name.startswith("!")] or list(NAMES)
    return [name for name in NAMES if name in chosen and f"!{name}" not in wanted]


async def run(
    paths: LabPaths,
    access: Access,
    key: str,
    names: list[str],
    done: Callable[[CheckResult], None],
    measured: Callable[[Speed], None] | None = None,
) -> list[CheckResult]:
    """Run checks on the cluster `key`, calling `done` after each; return all results.

    measured: told how fast packets go; None: nothing is measured.
    """
    bed = Bed(paths)
    runner = Runner(bed, access, done, measured)
    try:
        return await runner.run(key, names)
    finally:
        bed.close()
        await runner.clean_up()


class Runner:
    """Runs checks, and remembers what has to be removed again."""

    def __init__(
        self,
        bed: Bed,
        access: Access,
        done: Callable[[CheckResult], None],
        measured: Callable[[Speed], None] | None = None,
    ) -> None:
        self._bed = bed
        self._access = access
        self._done = done
        self._measured = measured
        self._results: list[CheckResult] = []
        self._clusters: list[Cluster] = []
        self._extra = False

    async def clean_up(self) -> None:
        if self._extra:
            await asyncio.to_thread(self._access.delete_clusters)
        for cluster in self._clusters:
            if cluster.name not in _EXTRA_NAMES:
                await stop_pods(cluster)
            await cluster.client.close()

    async def run(self, key: str, names: list[str]) -> list[CheckResult]:
        cluster = await self.open_cluster(key)
        if len(cluster.node_names) < 2:
            raise Slash24Error(
                f"cluster {cluster.name} has {len(cluster.node_names)} Ready node(s); the checks need two",
                fix=f"slash24 aks scale -n {cluster.name} -g GROUP --node-count 2",
            )
        needs_extra = any(name in names for name in (*_SAME_ADDRESS, _BLOCK_REUSED))
        # The further clusters come up while the checks on this one run.
        extra = asyncio.create_task(self.build_extra(cluster, names)) if needs_extra else None
        try:
            scene = await self.open_scene(cluster)
            for name, check in CHECKS.items():
                if name in names:
                    await asyncio.sleep(0)
                    await self._record(name, cluster, lambda check=check: asyncio.to_thread(check, scene))  # type: ignore[misc]
            if self._measured is not None:
                await asyncio.to_thread(measure, scene, self._measured)
        finally:
            if extra is not None:
                await asyncio.gather(extra, return_exceptions=True)  # whatever comes, it is there to be removed
        for name in (*_SAME_ADDRESS, _BLOCK_REUSED):
            if extra is not None and name in names:
                await self._check_further(name, cluster, extra)
        return self._results

    async def _check_further(self, name: str, cluster: Cluster, extra: asyncio.Task[dict[str, Cluster]]) -> None:
        try:
            built = await extra
        except Slash24Error:
            await self._record(name, cluster, lambda: extra)  # fails with the same error, and says so
            return
        if name == _BLOCK_REUSED:
            await self._record(name, built[_TWIN], lambda: self.block_reused(built[_TWIN]))
        else:
            left, right = self._pair(cluster, built, _SAME_ADDRESS[name])
            await self._record(name, left, lambda: self.same_address(left, right))

    async def _record(self, name: str, cluster: Cluster, check: Callable[[], Any]) -> None:
        started = time.monotonic()
        try:
            outcome: Outcome = await check()
        except (Slash24Error, OSError) as error:
            outcome = Outcome("the check runs", f"it failed: {error}", ok=False)
        ms = round((time.monotonic() - started) * 1000)
        result = CheckResult(
            name, cluster.name, cluster.transport.value, outcome.expected, outcome.seen, outcome.ok, ms
        )
        self._results.append(result)
        self._done(result)

    async def open_cluster(self, key: str) -> Cluster:
        status = await asyncio.to_thread(self._access.status)
        entry = next((cluster for cluster in status["clusters"] if cluster["key"] == key), None)
        if entry is None:
            raise NotFoundError(f"the lab has no cluster {key}", fix="slash24 lab status")
        cluster = Cluster(entry, self._access.client(key))
        self._clusters.append(cluster)
        return cluster

    async def open_scene(self, cluster: Cluster) -> Scene:
        node_a, node_b = cluster.node_names[:2]
        addresses = await start_pods(cluster, {"a1": node_a, "a2": node_a, "b1": node_b})
        pods = {name: self._bed.pod(node_b if name == "b1" else node_a, name, ip) for name, ip in addresses.items()}
        vnet = cluster.status["namespace"]
        vm_address = cluster.status["virtualMachine"]
        vm = None
        if vm_address:
            vm = Machine("vm", self._bed.namespace(vnet.replace("vnet-", "vm-")), IPv4Address(vm_address))
        return Scene(
            cluster=cluster,
            a1=pods["a1"],
            a2=pods["a2"],
            b1=pods["b1"],
            node_a=self._bed.node(cluster, node_a),
            node_b=self._bed.node(cluster, node_b),
            vm=vm,
            internet=Machine("internet", self._bed.namespace("internet"), WHOAMI),
            vnet=self._bed.namespace(vnet),
        )

    # Two clusters, one pod CIDR

    async def build_extra(self, cluster: Cluster, names: list[str]) -> dict[str, Cluster]:
        """Build the clusters that the checks need beside the user's: a twin, and two of the other transport."""
        other = next(t for t in Transport if t is not cluster.transport)
        wanted = {_TWIN: cluster.transport}
        if f"same-address-{other.value}" in names:
            wanted |= {_THIRD: other, _FOURTH: other}
        self._extra = True
        blocks = [block for block, _ in _blocks(cluster)]
        # Blocks are given out from the lowest on; the twin has to come to one that this cluster has.
        nodes = min(max(2, 1 + _position(blocks[0], cluster)), _MOST_TWIN_NODES)
        keys = await asyncio.gather(
            *(
                asyncio.to_thread(
                    self._access.create_cluster,
                    name,
                    transport=transport.value,
                    pod_cidr=cluster.status["podCidr"],
                    block_prefix=blocks[0].prefixlen,
                    subnet_id=cluster.status["subnetId"],
                    nodes=nodes if name == _TWIN else 2,
                )
                for name, transport in wanted.items()
            )
        )
        return {name: await self.open_cluster(key) for name, key in zip(wanted, keys, strict=True)}

    def _pair(self, cluster: Cluster, built: dict[str, Cluster], transport: Transport) -> tuple[Cluster, Cluster]:
        if transport is cluster.transport:
            return cluster, built[_TWIN]
        return built[_THIRD], built[_FOURTH]

    async def same_address(self, left: Cluster, right: Cluster) -> Outcome:
        found = await self.same_address_pairs(left, right)
        if found is None:
            return Outcome("a pod at the same address in each cluster", "no address that both could give", ok=False)
        return await asyncio.to_thread(same_address, *found)

    async def same_address_pairs(self, left: Cluster, right: Cluster) -> Pairs | None:
        """Return (client, server) of each cluster and the address that both servers have; None if none is common.

        left: gets a pod at a time. right: is ours, and gets as many as it takes to come to the address.
        """
        common = next(
            ((block, a, b) for block, a in _blocks(left) for other, b in _blocks(right) if block == other), None
        )
        if common is None:
            return None
        block, node, twin = common
        held: set[IPv4Address] = set()
        for attempt in range(8):
            address = (await start_pods(left, {f"same-{attempt}": node}))[f"same-{attempt}"]
            # The lowest free address goes first, so it is at most this far.
            missing = max(1, int(address) - int(block.network_address) - len(held))
            if address not in held:
                names = {f"same-{attempt}-{number}": twin for number in range(missing)}
                held |= set((await start_pods(right, names)).values())
            if address in held:
                return await self._pair_at(left, node, address), await self._pair_at(right, twin, address), address
        return None

    async def _pair_at(self, cluster: Cluster, node: str, address: IPv4Address) -> tuple[Machine, Machine]:
        elsewhere = next(name for name in cluster.node_names if name != node)
        client = (await start_pods(cluster, {"same-client": elsewhere}))["same-client"]
        return self._bed.pod(elsewhere, "same-client", client), self._bed.pod(node, "same", address)

    # A block that changes its node

    async def block_reused(self, cluster: Cluster) -> Outcome:
        """Remove a node, let another get its block, and reach a pod on it from a node that stayed."""
        stays, goes = cluster.node_names[:2]
        block = next(node["podCidr"] for node in cluster.status["nodes"] if node["name"] == goes)
        await stop_pods(cluster)
        await asyncio.to_thread(self._access.scale_cluster, cluster.name, 1)
        await asyncio.to_thread(self._access.scale_cluster, cluster.name, len(cluster.status["nodes"]))
        cluster = replace(cluster, status=(await self.open_cluster(cluster.status["key"])).status)
        heir = next((node["name"] for node in cluster.status["nodes"] if node["podCidr"] == block), None)
        if heir is None:
            return Outcome(f"{block} on another node", "no node has it", ok=False)
        addresses = await start_pods(cluster, {"stays": stays, "heir": heir})
        client, server = (
            self._bed.pod(node, name, addresses[name]) for name, node in (("stays", stays), ("heir", heir))
        )
        seen = await asyncio.to_thread(tcp_source, client, server)
        return Outcome.of(f"{block} on another node, {client.address}", f"{block} on another node, {seen}")


def _blocks(cluster: Cluster) -> list[tuple[IPv4Network, str]]:
    """Return the node blocks of a cluster's ready nodes, with whose each is, the lowest first."""
    nodes = cluster.status["nodes"]
    return sorted((IPv4Network(node["podCidr"]), node["name"]) for node in nodes if node["ready"] and node["podCidr"])


def _position(block: IPv4Network, cluster: Cluster) -> int:
    """Return how many blocks of the pod CIDR come before `block`."""
    first = IPv4Network(cluster.status["podCidr"]).network_address
    return (int(block.network_address) - int(first)) // block.num_addresses


_TWIN, _THIRD, _FOURTH = _EXTRA_NAMES = ("slash24-test-twin", "slash24-test-third", "slash24-test-fourth")
