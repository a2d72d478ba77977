"""Counts of pools that an autoscaler sets; one cluster of a lab, as its autoscaler and its upgrades see it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from slash24.core.topology import Cluster, NodePool


def with_counts(cluster: Cluster, counts: Mapping[str, int]) -> Cluster:
    """Return the cluster with other counts of nodes, by pool; pools that are not named keep theirs."""
    pools = tuple(replace(pool, count=counts.get(pool.name, pool.count)) for pool in cluster.pools)
    return replace(cluster, pools=pools)


def keep_counts(asked: Cluster, present: Cluster) -> Cluster:
    """Return the cluster asked for, where each pool that is autoscaled and stays so keeps its count.

    Whoever sends a whole pool back sends a count that may be old by now; the autoscaler's own is newer.
    """
    autoscaled = {pool.name: pool.count for pool in present.pools if pool.autoscale}
    return with_counts(
        asked, {pool.name: autoscaled.get(pool.name, pool.count) for pool in asked.pools if pool.autoscale}
    )


class _Running(Protocol):
    @property
    def cluster(self) -> Cluster: ...


class _Lab(Protocol):
    @property
    def clusters(self) -> Mapping[str, _Running]: ...
    def spare(self, key: str, pool: NodePool) -> tuple[int, str]: ...
    async def resize(self, key: str, pool: str, count: int) -> None: ...
    async def add_nodes(self, key: str, pool: str, count: int) -> list[str]: ...
    async def reimage_nodes(self, key: str, names: Sequence[str]) -> None: ...
    async def remove_nodes(self, key: str, names: Sequence[str], *, counted: bool) -> None: ...


class ClusterMachines:
    """The nodes of the cluster `key` of a lab. `remove` takes them out of their pools' counts, `drop` doesn't."""

    def __init__(self, lab: _Lab, key: str) -> None:
        self._lab = lab
        self._key = key

    @property
    def cluster(self) -> Cluster:
        return self._lab.clusters[self._key].cluster

    def spare(self, pool: NodePool) -> tuple[int, str]:
        return self._lab.spare(self._key, pool)

    async def resize(self, pool: str, count: int) -> None:
        await self._lab.resize(self._key, pool, count)

    async def remove(self, nodes: Sequence[str]) -> None:
        await self._lab.remove_nodes(self._key, nodes, counted=True)

    async def add(self, pool: str, count: int) -> list[str]:
        return await self._lab.add_nodes(self._key, pool, count)

    async def reimage(self, nodes: Sequence[str]) -> None:
        await self._lab.reimage_nodes(self._key, nodes)

    async def drop(self, nodes: Sequence[str]) -> None:
        await self._lab.remove_nodes(self._key, nodes, counted=False)
