"""The cluster autoscaler's loop: looks at pods and nodes, lets pools grow and shrink, and tells why."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

import yaml

from slash24.core.autoscaling import AutoscalerProfile
from slash24.core.topology import Cluster, NodePool
from slash24.errors import Slash24Error
from slash24.lab.autoscaler.growth import Growth, NodeGroup, choose, growths, why_none
from slash24.lab.autoscaler.removal import Removal, release
from slash24.lab.autoscaler.rooms import Room, place
from slash24.lab.autoscaler.shrinking import Candidate, candidates
from slash24.lab.autoscaler.status import NAME, NAMESPACE, status_document, status_text
from slash24.lab.autoscaler.template import template
from slash24.lab.events import Recorder
from slash24.lab.names import scale_set
from slash24.lab.placement import refusal, view_node
from slash24.lab.readiness import is_ready
from slash24.store.objects import ClusterObjects, now

log = logging.getLogger(__name__)

Object = Mapping[str, Any]

#: How long a pool is left alone after it could not grow; the cluster autoscaler's own five minutes are Azure's pace.
BACKOFF_S = 10.0
#: The status is written when it changes, and after so long to show that somebody looks.
STATUS_S = 10.0
PRIORITIES = "cluster-autoscaler-priority-expander"


class Scaler(Protocol):
    """The lab, as the autoscaler of one cluster sees it."""

    @property
    def cluster(self) -> Cluster:
        """The cluster as it should be now."""

    def spare(self, pool: NodePool) -> tuple[int, str]:
        """Return for how many more nodes there are addresses and node blocks, and what is short when there are none."""

    async def resize(self, pool: str, count: int) -> None:
        """Let a pool have so many nodes; return when new ones are Ready. Raises Slash24Error, and then adds none."""

    async def remove(self, nodes: Sequence[str]) -> None:
        """Remove nodes, and let their pools have so many fewer."""


class Autoscaler:
    """The autoscaler of one cluster, as long as it has an autoscaled pool."""

    def __init__(self, objects: ClusterObjects, scaler: Scaler) -> None:
        self._objects = objects
        self._scaler = scaler
        self._events = Recorder(objects, "cluster-autoscaler")
        self._backoff: dict[str, float] = {}  # pool -> until when
        self._unneeded: dict[str, float] = {}  # node -> since when
        self._told: dict[str, str] = {}  # pod's uid -> why nothing grows for it
        self._quiet_until = 0.0  # no node goes before
        self._removing: asyncio.Task[None] | None = None
        self._status = ("", 0.0)

    async def run(self) -> None:
        """Scan, for ever."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._settle()
                while True:
                    profile = self._scaler.cluster.autoscaler
                    try:
                        await self._scan(profile, tasks)
                    except Slash24Error as error:
                        log.warning("autoscaler of %s: %s", self._scaler.cluster.name, error)
                    await asyncio.sleep(profile.scan_interval.total_seconds())
        finally:
            release(self._objects)

    async def _settle(self) -> None:
        """Finish what an earlier autoscaler had begun: its taints go, pools get the nodes that they should have."""
        release(self._objects)
        for pool in self._scaler.cluster.pools:
            if pool.autoscale and not pool.stopped:
                with suppress(Slash24Error):  # the scans try again, and tell
                    await self._scaler.resize(pool.name, pool.count)

    async def _scan(self, profile: AutoscalerProfile, tasks: asyncio.TaskGroup) -> None:
        cluster = self._scaler.cluster
        groups = [self._group(cluster, pool) for pool in cluster.pools if pool.autoscale and not pool.stopped]
        nodes = self._objects.list("nodes")
        pods = self._pods_by_node()
        rooms = {
            node["metadata"]["name"]: Room(view_node(node), pods.get(node["metadata"]["name"], ()))
            for node in nodes
            if is_ready(node)
        }
        healthy = _is_healthy(len(rooms), len(nodes), profile)
        found: list[Candidate] = []
        growth = None
        if healthy:
            pending = self._pending(pods.get("", ()), profile)
            homeless = place(pending, list(rooms.values()))
            growth = self._below_floor(groups) or self._choose(homeless, groups, profile)
            if growth is None and len(homeless) == len(pending):
                spare = {group.pool: group.size - group.floor for group in groups}
                found = candidates(nodes, pods, rooms, spare, profile)
                self._shrink(found, set(rooms), profile, tasks)
        self._tell_status(groups, nodes, found, growth, healthy=healthy)
        if growth is not None:
            await self._grow(growth, profile)

    def _group(self, cluster: Cluster, pool: NodePool) -> NodeGroup:
        spare, shortage = self._scaler.spare(pool)
        return NodeGroup(
            name=scale_set(cluster, pool),
            pool=pool.name,
            size=pool.count,
            floor=pool.min_count or 0,
            ceiling=pool.max_count or 0,
            template=template(cluster, pool),
            spare=spare,
            shortage=shortage,
            in_backoff=self._backoff.get(pool.name, 0.0) > _clock(),
        )

    def _pods_by_node(self) -> dict[str, list[Object]]:
        """Return the pods that have not ended by node; "" has those without one."""
        found: dict[str, list[Object]] = {}
        for pod in self._objects.list("pods"):
            if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
                found.setdefault(pod["spec"].get("nodeName") or "", []).append(pod)
        return found

    # Growing

    def _pending(self, unplaced: Sequence[Object], profile: AutoscalerProfile) -> list[Object]:
        """Return the pods that the scheduler has no place for, oldest first."""
        oldest = datetime.now(UTC) - profile.new_pod_scale_up_delay
        latest = oldest.strftime("%Y-%m-%dT%H:%M:%SZ")
        waiting = [
            pod
            for pod in unplaced
            if _is_unschedulable(pod)
            and "deletionTimestamp" not in pod["metadata"]
            and pod["metadata"]["creationTimestamp"] <= latest
        ]
        self._told = {pod["metadata"]["uid"]: self._told.get(pod["metadata"]["uid"], "") for pod in waiting}
        return sorted(waiting, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def _below_floor(self, groups: Sequence[NodeGroup]) -> Growth | None:
        for group in groups:
            if group.size < group.floor and group.spare > 0 and not group.in_backoff:
                return Growth(group, min(group.floor - group.size, group.spare), (), 1.0)
        return None

    def _choose(
        self, homeless: Sequence[Object], groups: Sequence[NodeGroup], profile: AutoscalerProfile
    ) -> Growth | None:
        options = growths(homeless, groups)
        if options:
            return choose(options, profile.expander, self._priorities(), random.choice)
        for pod in homeless:
            reasons, uid = why_none(pod, groups), pod["metadata"]["uid"]
            if self._told[uid] != reasons:
                self._told[uid] = reasons
                self._events.normal(pod, "NotTriggerScaleUp", f"pod didn't trigger scale-up: {reasons}")
        for group in groups:
            wanted = any(refusal(pod["spec"], group.template) is None for pod in homeless)
            if wanted and group.shortage and group.obstacle == group.shortage:
                self._failed(group, group.shortage)
        return None

    def _priorities(self) -> dict[int, list[str]]:
        """Return what the user's ConfigMap for the priority expander says; {} if there is none that can be read."""
        found: Object = self._objects.find("configmaps", PRIORITIES, namespace=NAMESPACE) or {}
        try:
            text = yaml.safe_load(found.get("data", {}).get("priorities", "")) or {}
            return {int(priority): [str(pattern) for pattern in patterns] for priority, patterns in text.items()}
        except (yaml.YAMLError, AttributeError, TypeError, ValueError):
            return {}

    async def _grow(self, growth: Growth, profile: AutoscalerProfile) -> None:
        group, size = growth.group, growth.group.size + growth.nodes
        for pod in growth.pods:
            self._events.normal(pod, "TriggeredScaleUp", f"pod triggered scale-up: [{growth.shown}]")
        sizes = f"size to {size} instead of {group.size} (max: {group.ceiling})"
        self._events.normal(self._status_object(), "ScaledUpGroup", f"Scale-up: setting group {group.name} {sizes}")
        log.info("autoscaler: %s grows to %d nodes for %d pods", group.name, size, len(growth.pods))
        try:
            await self._scaler.resize(group.pool, size)
        except Slash24Error as error:
            self._failed(group, f"{error.azure}: {error.message}" if error.azure else error.message)
            return
        self._events.normal(
            self._status_object(), "ScaledUpGroup",
            f"Scale-up: group {group.name} size set to {size} instead of {group.size} (max: {group.ceiling})",
        )  # fmt: skip
        self._quiet_until = max(self._quiet_until, _clock() + profile.scale_down_delay_after_add.total_seconds())

    def _failed(self, group: NodeGroup, why: str) -> None:
        if not group.in_backoff:
            message = f"Scale-up failed for group {group.name}: {why}"
            self._events.warning(self._status_object(), "FailedToScaleUpGroup", message)
        self._backoff[group.pool] = _clock() + BACKOFF_S

    # Shrinking

    def _shrink(
        self, found: Sequence[Candidate], ready: set[str], profile: AutoscalerProfile, tasks: asyncio.TaskGroup
    ) -> None:
        """Mark the nodes that nobody needs, and let those go that were so for long enough."""
        if self._removing and not self._removing.done():
            return
        removal = Removal(self._objects, self._events, self._status_object())
        at = _clock()
        self._unneeded = {one.name: self._unneeded.get(one.name, at) for one in found}
        removal.mark_candidates(self._unneeded)
        if at < self._quiet_until:
            return
        unneeded_s, unready_s = profile.scale_down_unneeded_time, profile.scale_down_unready_time
        due = [
            one
            for one in found
            if at - self._unneeded[one.name] >= (unneeded_s if one.name in ready else unready_s).total_seconds()
        ]
        batch = [one for one in due if not one.moving][: profile.max_empty_bulk_delete] or due[:1]
        if batch:
            self._removing = tasks.create_task(self._remove(removal, batch, profile))

    async def _remove(self, removal: Removal, batch: Sequence[Candidate], profile: AutoscalerProfile) -> None:
        try:
            empty = await removal.empty(batch, profile)
            if empty:
                await self._scaler.remove(empty)
                removal.tell_removed(empty)
            delay = profile.scale_down_delay_after_delete if empty else profile.scale_down_delay_after_failure
        except Slash24Error as error:
            log.warning("autoscaler: nodes could not be removed: %s", error)
            removal.give_up([one.name for one in batch], "failed to delete the node")
            delay = profile.scale_down_delay_after_failure
        self._quiet_until = max(self._quiet_until, _clock() + delay.total_seconds())

    # Status

    def _tell_status(
        self,
        groups: Sequence[NodeGroup],
        nodes: Sequence[dict[str, Any]],
        found: Sequence[Candidate],
        growth: Growth | None,
        *,
        healthy: bool,
    ) -> None:
        pools = [str((node["metadata"].get("labels") or {}).get("agentpool", "")) for node in nodes]
        ready = Counter(pool for pool, node in zip(pools, nodes, strict=True) if is_ready(node))
        growing = growth.group.pool if growth else ""

        def text(at: str) -> str:
            going = Counter(one.pool for one in found)
            return status_text(groups, ready, Counter(pools), going, growing, healthy=healthy, at=at)

        timeless, clock = text(""), _clock()
        if self._status[0] == timeless and clock - self._status[1] < STATUS_S:
            return
        self._status = (timeless, clock)
        at = now()
        document = status_document(text(at), at)
        if self._objects.find("configmaps", NAME, namespace=NAMESPACE):
            self._objects.replace("configmaps", document)
        else:
            self._objects.create("configmaps", document)

    def _status_object(self) -> Object:
        """Return the status as it is stored: what is told of the autoscaler itself is told of it."""
        found = self._objects.find("configmaps", NAME, namespace=NAMESPACE)
        return found or self._objects.create("configmaps", status_document("", now()))


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _is_healthy(ready: int, nodes: int, profile: AutoscalerProfile) -> bool:
    """Return whether so few nodes are unready that the autoscaler may act."""
    unready = nodes - ready
    few = unready <= profile.ok_total_unready_count
    return few or unready * 100 <= profile.max_total_unready_percentage * nodes


def _is_unschedulable(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(
        one.get("type") == "PodScheduled" and one.get("status") == "False" and one.get("reason") == "Unschedulable"
        for one in conditions
    )
