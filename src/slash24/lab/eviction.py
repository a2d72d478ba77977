"""Eviction by taints: pods that don't tolerate a NoExecute taint of their node, or not for longer, are deleted.

As Kubernetes' taint eviction controller (docs/sources.md#node-lifecycle).
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from slash24.lab.events import Recorder
from slash24.lab.kubeapi.change import Change
from slash24.lab.kubeapi.deleting import delete
from slash24.lab.kubeapi.kinds import POD
from slash24.lab.placement import tolerates
from slash24.store.objects import ClusterObjects, Object, now

log = logging.getLogger(__name__)

_COMPONENT = "taint-eviction-controller"
Taint = Mapping[str, Any]


class Eviction:
    """One cluster's evictions; `wall` gives the seconds since 1970."""

    def __init__(self, objects: ClusterObjects, wall: Callable[[], float]) -> None:
        self._objects = objects
        self._events = Recorder(objects, _COMPONENT)
        self._wall = wall
        self._seen: dict[tuple[str, str, str], float] = {}  # (node, key, value) of a taint -> since when

    def look(self) -> None:
        """Delete the pods whose time is over."""
        tainted = {
            node["metadata"]["name"]: taints
            for node in self._objects.list("nodes")
            if (taints := [t for t in node["spec"].get("taints") or () if t.get("effect") == "NoExecute"])
        }
        current = {(name, t["key"], t.get("value") or ""): t for name, taints in tainted.items() for t in taints}
        self._seen = {key: self._seen.get(key, self._since(taint)) for key, taint in current.items()}
        for name, taints in tainted.items():
            since = min(self._seen[name, t["key"], t.get("value") or ""] for t in taints)
            for pod in self._objects.list("pods", field_selector=f"spec.nodeName={name}"):
                if pod["metadata"].get("deletionTimestamp"):
                    continue
                stayed_s = self._wall() - max(since, _seconds(pod["metadata"]["creationTimestamp"]))
                if stayed_s >= toleration_s(taints, pod["spec"].get("tolerations") or ()):
                    self._evict(pod)

    def _since(self, taint: Taint) -> float:
        """Return when a taint was placed: what it says itself, so that a new server doesn't count anew, else now."""
        return _seconds(taint["timeAdded"]) if taint.get("timeAdded") else self._wall()

    def _evict(self, pod: Object) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        log.info("pod %s/%s: evicted from %s by a taint", namespace, name, pod["spec"]["nodeName"])
        message = f"Marking for deletion Pod {namespace}/{name}"
        self._events.normal(pod, "TaintManagerEviction", message)
        self._objects.update("pods", name, _disrupted, namespace=namespace)
        delete(self._objects, POD, namespace, name, {}, Change())


def toleration_s(taints: Iterable[Taint], tolerations: Iterable[Mapping[str, Any]]) -> float:
    """Return how long a pod may stay on a node with these NoExecute taints: 0 not at all, inf for ever.

    >>> toleration_s([{"key": "a", "effect": "NoExecute"}], [{"operator": "Exists", "tolerationSeconds": 30}])
    30.0
    """
    tolerations, used = list(tolerations), []
    for taint in taints:
        triple = (str(taint["key"]), str(taint.get("value") or ""), "NoExecute")
        fitting = [toleration for toleration in tolerations if tolerates(toleration, triple)]
        if not fitting:
            return 0.0
        used += fitting
    limits = [float(one["tolerationSeconds"]) for one in used if one.get("tolerationSeconds") is not None]
    return max(min(limits, default=math.inf), 0.0)


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _disrupted(pod: Object) -> Object:
    status = pod.setdefault("status", {})
    others = [entry for entry in status.get("conditions") or () if entry.get("type") != "DisruptionTarget"]
    told = {
        "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager", "lastProbeTime": None,
        "message": "Taint manager: deleting due to NoExecute taint", "lastTransitionTime": now(),
    }  # fmt: skip
    status["conditions"] = [*others, told]
    return pod
