"""How the autoscaler takes nodes away: marked, emptied, and told of in the cluster autoscaler's words."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from slash24.core.autoscaling import AutoscalerProfile
from slash24.lab.autoscaler.shrinking import Candidate
from slash24.lab.drain import DrainError, drain, is_daemon, pods_on, set_taint
from slash24.lab.events import Recorder
from slash24.store.objects import ClusterObjects

Object = Mapping[str, Any]

TO_BE_DELETED = "ToBeDeletedByClusterAutoscaler"
CANDIDATE = "DeletionCandidateOfClusterAutoscaler"
#: Between the taint and the look at what is there: the scheduler may be about to use the node.
SETTLE_S = 0.5
#: How long after its own grace period a pod may take to be gone.
HEADROOM_S = 30.0


def release(objects: ClusterObjects) -> None:
    """Take the autoscaler's taints off every node."""
    for node in objects.list("nodes"):
        for key in (TO_BE_DELETED, CANDIDATE):
            set_taint(objects, node["metadata"]["name"], key, None)


class Removal:
    """Takes nodes of one cluster away. `status` is the object that events of the autoscaler itself are told of."""

    def __init__(self, objects: ClusterObjects, events: Recorder, status: Object) -> None:
        self._objects = objects
        self._events = events
        self._status = status

    def mark_candidates(self, names: Collection[str]) -> None:
        """Let the scheduler prefer other nodes to these; nodes that are needed again lose the mark."""
        for node in self._objects.list("nodes"):
            name = node["metadata"]["name"]
            marked = any(taint.get("key") == CANDIDATE for taint in node["spec"].get("taints") or ())
            if marked != (name in names):
                set_taint(self._objects, name, CANDIDATE, _taint(CANDIDATE, "PreferNoSchedule") if not marked else None)

    async def empty(self, batch: Sequence[Candidate], profile: AutoscalerProfile) -> list[str]:
        """Close the nodes and evict their pods; return those that are empty then. The others are as before."""
        for one in batch:
            set_taint(self._objects, one.name, TO_BE_DELETED, _taint(TO_BE_DELETED, "NoSchedule"))
            self._tell_node(one.name, "marked the node as toBeDeleted/unschedulable")
            self._events.normal(self._status, *_announcement(one))
        await asyncio.sleep(SETTLE_S)
        done = await asyncio.gather(*(self._empty(one, profile) for one in batch))
        return [one.name for one, is_empty in zip(batch, done, strict=True) if is_empty]

    async def _empty(self, one: Candidate, profile: AutoscalerProfile) -> bool:
        agreed = {pod["metadata"]["uid"] for pod in one.moving}
        present = [pod for pod in pods_on(self._objects, one.name) if not is_daemon(pod)]
        if any(pod["metadata"]["uid"] not in agreed and "deletionTimestamp" not in pod["metadata"] for pod in present):
            self.give_up([one.name], "a pod was scheduled to the node meanwhile, aborting ScaleDown")
            return False
        for pod in present:
            self._events.normal(pod, "ScaleDown", "deleting pod for node scale down")
        with_daemons = (
            profile.daemonset_eviction_for_occupied_nodes if present else profile.daemonset_eviction_for_empty_nodes
        )
        grace_s = profile.max_graceful_termination_sec
        try:
            await drain(
                self._objects,
                one.name,
                timeout_s=grace_s + HEADROOM_S,
                evict=lambda pod: with_daemons or not is_daemon(pod),
                longest_grace_s=grace_s,
            )
        except DrainError:
            self.give_up([one.name], "failed to drain the node, aborting ScaleDown")
            return False
        return True

    def give_up(self, names: Sequence[str], why: str) -> None:
        """Open the nodes again, and say why they stay."""
        for name in names:
            set_taint(self._objects, name, TO_BE_DELETED, None)
            node = self._objects.find("nodes", name)
            if node is not None:
                self._events.warning(node, "ScaleDownFailed", why)

    def tell_removed(self, names: Sequence[str]) -> None:
        for name in names:
            self._events.normal(self._status, "ScaleDownEmpty", f"Scale-down: empty node {name} removed")

    def _tell_node(self, name: str, message: str) -> None:
        node = self._objects.find("nodes", name)
        if node is not None:
            self._events.normal(node, "ScaleDown", message)


def _announcement(one: Candidate) -> tuple[str, str]:
    """Return reason and message of the removal that begins."""
    if not one.moving:
        return "ScaleDownEmpty", f"Scale-down: removing empty node {one.name}"
    names = ",".join(pod["metadata"]["name"] for pod in one.moving)
    return "ScaleDown", f"Scale-down: removing node {one.name}, pods to reschedule: {names}"


def _taint(key: str, effect: str) -> dict[str, Any]:
    return {"key": key, "value": str(int(time.time())), "effect": effect}
