"""A simple scheduler: it binds each pod to a Ready node with room, the one with the fewest pods first."""

import asyncio
import logging
import uuid
from collections import Counter
from typing import Any

from slash24.errors import NotFoundError
from slash24.lab.readiness import is_ready
from slash24.store.objects import ClusterObjects, Object, now

log = logging.getLogger(__name__)
_ENDED = ("Succeeded", "Failed")


def why_unfit(pod: Object, node: Object, pods: int) -> str:
    """Return in Kubernetes' words why `pod` can't run on `node`, which has `pods` pods now; "" if it can."""
    spec, node_spec = pod["spec"], node.get("spec", {})
    tolerations = spec.get("tolerations") or []
    taints = list(node_spec.get("taints") or [])
    if not is_ready(node):
        taints.append({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"})
    if node_spec.get("unschedulable"):
        return "node(s) were unschedulable"
    for taint in taints:
        if taint["effect"] in ("NoSchedule", "NoExecute") and not any(_tolerates(t, taint) for t in tolerations):
            value = f": {taint['value']}" if taint.get("value") else ""
            return f"node(s) had untolerated taint {{{taint['key']}{value or ': '}}}"
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return "node(s) didn't match Pod's node affinity/selector"
    if pods >= int(node.get("status", {}).get("allocatable", {}).get("pods", 0)):
        return "Too many pods"
    return ""


def _tolerates(toleration: dict[str, Any], taint: dict[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") in (None, ""):
        return toleration.get("operator") == "Exists"
    if toleration["key"] != taint["key"]:
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


class Scheduler:
    """The scheduler of one cluster, on the objects themselves."""

    def __init__(self, objects: ClusterObjects) -> None:
        self._objects = objects
        self._nodes: dict[str, Object] = {}
        self._places: dict[tuple[str, str], str] = {}  # pod -> its node, of pods that take a place
        self._count: Counter[str] = Counter()
        self._waiting: dict[tuple[str, str], Object] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Bind pods, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_nodes())
            group.create_task(self._follow_pods())
            group.create_task(self._bind_waiting())

    async def _follow_nodes(self) -> None:
        async for event, node in self._objects.watch("nodes", send_initial=True):
            if event == "DELETED":
                self._nodes.pop(node["metadata"]["name"], None)
            else:
                self._nodes[node["metadata"]["name"]] = node
            self._wake.set()

    async def _follow_pods(self) -> None:
        async for event, pod in self._objects.watch("pods", send_initial=True):
            key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
            node = pod["spec"].get("nodeName")
            counts = bool(node) and event != "DELETED" and pod.get("status", {}).get("phase") not in _ENDED
            was = self._places.pop(key, None)
            if was:
                self._count[was] -= 1
            if counts:
                self._places[key] = node
                self._count[node] += 1
            if event == "DELETED" or node or pod["metadata"].get("deletionTimestamp"):
                self._waiting.pop(key, None)
            else:
                self._waiting[key] = pod
            if self._waiting:
                self._wake.set()

    async def _bind_waiting(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for key, pod in list(self._waiting.items()):
                if key in self._waiting:
                    self._place(key, pod)
            await asyncio.sleep(0)

    def _place(self, key: tuple[str, str], pod: Object) -> None:
        reasons: Counter[str] = Counter()
        fitting = []
        for name, node in self._nodes.items():
            reason = why_unfit(pod, node, self._count[name])
            if reason:
                reasons[reason] += 1
            else:
                fitting.append(name)
        try:
            if fitting:
                self._bind(key, pod, min(fitting, key=lambda name: (self._count[name], name)))
            else:
                self._tell_unschedulable(key, pod, reasons)
        except NotFoundError:  # deleted meanwhile
            self._waiting.pop(key, None)

    def _bind(self, key: tuple[str, str], pod: Object, node: str) -> None:
        def change(item: Object) -> Object:
            item["spec"]["nodeName"] = node
            _set_scheduled(item, "True", "", "")
            return item

        self._objects.update("pods", key[1], change, namespace=key[0])
        self._waiting.pop(key, None)
        # Counted now, not when the watch tells: the next pod of this round must see it.
        self._places[key] = node
        self._count[node] += 1
        message = f"Successfully assigned {key[0]}/{key[1]} to {node}"
        self._event(pod, "Normal", "Scheduled", message)

    def _tell_unschedulable(self, key: tuple[str, str], pod: Object, reasons: Counter[str]) -> None:
        parts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        message = (
            f"0/{len(self._nodes)} nodes are available: {parts}."
            if self._nodes
            else "no nodes available to schedule pods"
        )
        known = self._objects.get("pods", key[1], namespace=key[0])
        if any(c.get("message") == message for c in known.get("status", {}).get("conditions", ())):
            return

        def change(item: Object) -> Object:
            _set_scheduled(item, "False", "Unschedulable", message)
            return item

        self._waiting[key] = self._objects.update("pods", key[1], change, namespace=key[0])
        self._event(pod, "Warning", "FailedScheduling", message)

    def _event(self, pod: Object, kind: str, reason: str, message: str) -> None:
        metadata = pod["metadata"]
        self._objects.create(
            "events",
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"{metadata['name']}.{uuid.uuid4().hex[:16]}", "namespace": metadata["namespace"]},
                "involvedObject": {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"],
                                   "namespace": metadata["namespace"], "uid": metadata["uid"]},
                "type": kind,
                "reason": reason,
                "message": message,
                "source": {"component": "default-scheduler"},
                "firstTimestamp": now(),
                "lastTimestamp": now(),
                "count": 1,
            },
        )  # fmt: skip


def _set_scheduled(pod: Object, value: str, reason: str, message: str) -> None:
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    conditions[:] = [c for c in conditions if c.get("type") != "PodScheduled"]
    condition = {"type": "PodScheduled", "status": value, "lastTransitionTime": now(), "lastProbeTime": None}
    conditions.append(condition | ({"reason": reason, "message": message} if reason else {}))
