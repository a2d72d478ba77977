"""A rolling upgrade of a pool: surge nodes come, old nodes are emptied and reimaged, surge nodes go.

AKS' order (docs/sources.md#surge): a reimaged node keeps its name, its address and its block, and takes the pods of the
next ones. So a pool never has more nodes than its own and the surge.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

from slash24.core.topology import NodePool
from slash24.errors import NotFoundError, Slash24Error
from slash24.lab.drain import DrainError, cordon, drain_all
from slash24.lab.events import Recorder
from slash24.lab.names import IMAGE_LABEL, image_version
from slash24.plan.surge import share_of, surge_nodes
from slash24.store.objects import ClusterObjects

log = logging.getLogger(__name__)

Report = Callable[[str], None]


class UpgradeError(Slash24Error):
    """An upgrade stopped; the nodes that are done stay so, and the next change of the pool goes on."""


class Machines(Protocol):
    """The lab, as the upgrade of one cluster sees it. Each returns when the nodes are Ready, or gone."""

    async def add(self, pool: str, count: int) -> list[str]: ...
    async def reimage(self, nodes: Sequence[str]) -> None: ...
    async def drop(self, nodes: Sequence[str]) -> None: ...


def outdated(objects: ClusterObjects, pool: NodePool, names: Sequence[str]) -> list[str]:
    """Return the nodes of a pool that don't run its version of Kubernetes, or not its image."""
    return [name for name in names if _is_outdated(objects.find("nodes", name) or {}, pool)]


def _is_outdated(node: dict[str, Any], pool: NodePool) -> bool:
    version = node.get("status", {}).get("nodeInfo", {}).get("kubeletVersion")
    image = node.get("metadata", {}).get("labels", {}).get(IMAGE_LABEL)
    return (version, image) != (f"v{pool.version}", image_version(pool.image))


async def upgrade_pool(
    objects: ClusterObjects, pool: NodePool, old: Sequence[str], machines: Machines, report: Report
) -> None:
    """Bring the nodes `old` of a pool to its version and image. Raises UpgradeError if one can't be drained in time."""
    events = Recorder(objects, "upgrader")
    settings = pool.upgrade
    surge = min(surge_nodes(settings.max_surge, pool.count), len(old))
    at_once = surge or share_of(settings.max_unavailable, len(old))
    added = []
    if surge:
        report(f"node pool {pool.name}: adding {surge} surge node(s)")
        added = await machines.add(pool.name, surge)
        for name in added:
            _tell(
                objects, events, name, "Surge", f"Created a surge node [{name} {pool.name}] for agentpool {pool.name}"
            )
    timeout_s = 60.0 * settings.drain_timeout_min
    try:
        for batch in _batches(old, at_once):
            report(f"node pool {pool.name}: upgrading {', '.join(batch)}")
            for name in batch:
                _tell(objects, events, name, "Drain", f"Draining node: [{name}]")
            await drain_all(objects, batch, timeout_s=timeout_s)
            if settings.soak_min:
                for name in batch:
                    told = f"Soak duration {settings.soak_min}m0s after draining node: {name}"
                    _tell(objects, events, name, "Upgrade", told)
                await asyncio.sleep(60.0 * settings.soak_min)
            await machines.reimage(batch)
            for name in batch:
                cordon(objects, name, unschedulable=False)
                _tell(objects, events, name, "Upgrade", f"Successfully upgraded node: {name} to v{pool.version}")
            log.info("upgrade of %s: %s done", pool.name, ", ".join(batch))
    except DrainError as error:
        await _take_away(objects, added, machines, timeout_s, report)
        raise UpgradeError(
            f"upgrade of node pool {pool.name} stopped: {error.message}",
            why=error.why,
            fix=f"{error.fix}; then upgrade again: it goes on with the nodes that are left",
            azure="PodDrainFailure",
        ) from error
    await _take_away(objects, added, machines, timeout_s, report)


async def _take_away(
    objects: ClusterObjects, added: Sequence[str], machines: Machines, timeout_s: float, report: Report
) -> None:
    """Drain the surge nodes and remove them; one that is not empty in time goes all the same."""
    if not added:
        return
    report(f"removing {len(added)} surge node(s)")
    with suppress(DrainError):
        await drain_all(objects, added, timeout_s=timeout_s)
    await machines.drop(added)


def _batches(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _tell(objects: ClusterObjects, events: Recorder, name: str, reason: str, message: str) -> None:
    with suppress(NotFoundError):
        events.normal(objects.get("nodes", name), reason, message)
