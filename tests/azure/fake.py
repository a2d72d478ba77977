"""A lab that is only remembered, for tests of what stands above it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from slash24.core.topology import Cluster, VNet, resource_key
from slash24.errors import Slash24Error


class FakeProvisioner:
    """Keeps what it was asked for. `fail_at` is the title of the step that fails; `gate` holds every step back."""

    def __init__(self) -> None:
        self.vnets: dict[str, VNet] = {}
        self.clusters: dict[str, Cluster] = {}
        self.taken: dict[str, int] = {}  # addresses of a subnet that something else has
        self.fail_at = ""
        self.gate = asyncio.Event()
        self.gate.set()

    async def ensure_vnet(self, vnet: VNet) -> None:
        if self.fail_at == "vnet":
            raise Slash24Error("the fabric refuses")
        self.vnets[resource_key(vnet.id)] = vnet

    async def delete_vnet(self, vnet_id: str) -> None:
        self.vnets.pop(resource_key(vnet_id), None)

    async def ensure_cluster(self, cluster: Cluster, report: Callable[[str], None]) -> None:
        for title in ("control plane", f"{sum(pool.count for pool in cluster.pools)} nodes", "nodes Ready"):
            report(title)
            await self.gate.wait()
            if self.fail_at and self.fail_at in title:
                self.fail_at = ""
                raise Slash24Error(f"{title}: it broke", code="S24-999", why="the test wants it", fix="don't")
        self.clusters[resource_key(cluster.id)] = cluster

    async def delete_cluster(self, cluster_id: str, report: Callable[[str], None]) -> None:
        report("nodes away")
        self.clusters.pop(resource_key(cluster_id), None)

    def addresses_used(self, subnet_id: str) -> int:
        key = resource_key(subnet_id)
        pools = (pool for cluster in self.clusters.values() for pool in cluster.pools)
        return self.taken.get(key, 0) + sum(pool.count for pool in pools if resource_key(pool.subnet_id) == key)

    def kubeconfig(self, cluster_id: str) -> str:
        name = self.clusters[resource_key(cluster_id)].name
        return (
            "apiVersion: v1\nkind: Config\n"
            f"clusters:\n- name: {name}\n  cluster:\n    server: https://127.0.0.1:1/clusters/{name}\n"
            f"users:\n- name: clusterUser_{name}\n  user:\n    token: secret\n"
            f"contexts:\n- name: {name}\n  context:\n    cluster: {name}\n    user: clusterUser_{name}\n"
            f"current-context: {name}\n"
        )

    def counts(self, cluster_id: str) -> Mapping[str, int]:
        cluster = self.clusters.get(resource_key(cluster_id))
        return {pool.name: pool.count for pool in cluster.pools} if cluster else {}

    def nodes(self, cluster_id: str) -> Mapping[str, Sequence[str]]:
        cluster = self.clusters[resource_key(cluster_id)]
        return {
            pool.name: [f"aks-{pool.name}-12345678-vmss{number:06}" for number in range(pool.count)]
            for pool in cluster.pools
        }
