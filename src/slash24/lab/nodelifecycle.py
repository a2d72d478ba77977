"""The node lifecycle controller: tells nodes whose kubelet is silent, taints them, and takes note in their pods.

As Kubernetes' own, with a grace period of the lab's choice (docs/sources.md#node-lifecycle). A node that was never
Ready is not tainted at once: the scheduler looks at conditions itself, and each write of a Node goes to every agent.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from slash24.errors import NotFoundError
from slash24.lab.events import Recorder
from slash24.lab.eviction import Eviction
from slash24.lab.readiness import condition, is_ready
from slash24.store.objects import ClusterObjects, Object, now

log = logging.getLogger(__name__)

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
_COMPONENT = "node-controller"
_PERIOD_S = 0.5
_HEARTBEATS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_GARBAGE_EVERY = 10  # looks


class NodeLifecycle:
    """One cluster's controller.

    grace_s: how long a kubelet may be silent; its Lease may ask for more. clock measures that; wall gives the seconds
    since 1970, for what is stored.
    """

    def __init__(
        self,
        objects: ClusterObjects,
        *,
        grace_s: float,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._objects = objects
        self._events = Recorder(objects, _COMPONENT)
        self._grace_s = grace_s
        self._clock = clock
        self._wall = wall
        self._heard: dict[str, tuple[str, float]] = {}  # node -> its last sign of life, and when it was seen here
        self._was_ready: set[str] = set()
        self._orphans: set[tuple[str, str]] = set()
        self._looks = 0
        self._eviction = Eviction(objects, wall)

    async def run(self) -> None:
        """Look at the nodes, for ever."""
        while True:
            try:
                self.look()
            except NotFoundError as error:
                log.info("node lifecycle: %s", error)  # removed meanwhile
            await asyncio.sleep(_PERIOD_S)

    def look(self) -> None:
        """Bring conditions, taints and pods in line with what is heard of the nodes."""
        for node in self._objects.list("nodes"):
            self._listen(node)
        nodes = self._objects.list("nodes")
        # When nobody is heard of, the fault is more likely ours: then nobody is evicted (as Kubernetes does).
        somebody = any(is_ready(node) for node in nodes)
        for node in nodes:
            self._taint(node, evict=somebody)
        self._eviction.look()
        self._looks += 1
        if self._looks % _GARBAGE_EVERY == 0:
            self._collect_garbage({node["metadata"]["name"] for node in nodes})
        names = {node["metadata"]["name"] for node in nodes}
        self._was_ready &= names
        for gone in self._heard.keys() - names:
            del self._heard[gone]

    # What is heard

    def _listen(self, node: Object) -> None:
        name = node["metadata"]["name"]
        lease: Mapping[str, Any] = self._objects.find("leases", name, namespace="kube-node-lease") or {}
        spec = lease.get("spec") or {}
        sign = f"{spec.get('renewTime')} {condition(node, 'Ready').get('lastHeartbeatTime')}"
        before, at = self._heard.get(name, ("", 0.0))
        if sign != before:
            self._heard[name] = (sign, self._clock())
            return
        patience_s = max(self._grace_s, float(spec.get("leaseDurationSeconds") or 0))
        if self._clock() - at > patience_s and condition(node, "Ready").get("status") != "Unknown":
            self._objects.update("nodes", name, _silent)

    # Taints

    def _taint(self, node: Object, *, evict: bool) -> None:
        name = node["metadata"]["name"]
        if is_ready(node):
            self._was_ready.add(name)
        elif name in self._was_ready:
            self._was_ready.discard(name)
            self._lose(node)
        elif condition(node, "Ready").get("status") != "Unknown" and not _ours(node):
            return  # it has only begun
        wanted = _wanted(node, evict=evict)
        if {(t["key"], t["effect"]) for t in _ours(node)} == wanted:
            return

        stamp = datetime.fromtimestamp(self._wall(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

        def change(item: Object) -> Object:
            kept = {(t["key"], t["effect"]): t for t in _ours(item)}
            others = [t for t in item["spec"].get("taints") or () if t not in kept.values()]
            fresh = [
                kept.get(pair) or {"key": pair[0], "effect": pair[1], "timeAdded": stamp} for pair in sorted(wanted)
            ]
            item["spec"]["taints"] = [*others, *fresh]
            if not item["spec"]["taints"]:
                del item["spec"]["taints"]
            return item

        self._objects.update("nodes", name, change)

    def _lose(self, node: Object) -> None:
        """Take note, in a node that was Ready and in its pods, that it isn't any more."""
        name = node["metadata"]["name"]
        log.info("node %s: %s", name, condition(node, "Ready").get("message"))
        self._events.normal(node, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        for pod in self._objects.list("pods", field_selector=f"spec.nodeName={name}"):
            if condition(pod, "Ready").get("status") == "True":
                metadata = pod["metadata"]
                self._objects.update("pods", metadata["name"], _unready, namespace=metadata["namespace"])

    # What has outlived its node

    def _collect_garbage(self, nodes: set[str]) -> None:
        """Remove pods and Leases of nodes that are gone; pods at the second look, since their node may be new."""
        orphans = {
            (pod["metadata"]["namespace"], pod["metadata"]["name"])
            for pod in self._objects.list("pods")
            if pod["spec"].get("nodeName") and pod["spec"]["nodeName"] not in nodes
        }
        for namespace, name in orphans & self._orphans:
            log.info("pod %s/%s: its node is gone, it is removed", namespace, name)
            self._objects.delete("pods", name, namespace=namespace)
        self._orphans = orphans
        for lease in self._objects.list("leases", namespace="kube-node-lease"):
            if lease["metadata"]["name"] not in nodes:
                self._objects.delete("leases", lease["metadata"]["name"], namespace="kube-node-lease")


def _ours(node: Object) -> list[Object]:
    """Return the taints of a node that this controller gives and takes."""
    return [t for t in node.get("spec", {}).get("taints") or () if t.get("key") in (NOT_READY, UNREACHABLE)]


def _wanted(node: Object, *, evict: bool) -> set[tuple[str, str]]:
    """Return (key, effect) of the taints that a node's Ready condition asks for."""
    if is_ready(node):
        return set()
    key = UNREACHABLE if condition(node, "Ready").get("status") == "Unknown" else NOT_READY
    return {(key, effect) for effect in ("NoSchedule", *(["NoExecute"] if evict else []))}


def _silent(node: Object) -> Object:
    """Return a node whose kubelet isn't heard of any more."""
    status = node.setdefault("status", {})
    conditions = {entry.get("type"): entry for entry in status.get("conditions") or ()}
    for kind in _HEARTBEATS:
        entry = conditions.setdefault(kind, {"type": kind})
        known = "status" in entry
        entry |= {
            "status": "Unknown",
            "reason": "NodeStatusUnknown" if known else "NodeStatusNeverUpdated",
            "message": "Kubelet stopped posting node status." if known else "Kubelet never posted node status.",
            "lastTransitionTime": now(),
        }
    status["conditions"] = list(conditions.values())
    return node


def _unready(pod: Object) -> Object:
    condition(pod, "Ready").update({"status": "False", "lastTransitionTime": now()})
    return pod
