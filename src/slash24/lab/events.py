"""Events of the lab's own controllers, as `kubectl describe` shows them; equal ones are counted, not repeated."""

import logging
import secrets
from collections.abc import Mapping
from typing import Any

from slash24.errors import NotFoundError, Slash24Error
from slash24.store.objects import ClusterObjects, now

log = logging.getLogger(__name__)

Object = dict[str, Any]
_REMEMBERED = 2000


class Recorder:
    """Writes the events of one component into a cluster's objects."""

    def __init__(self, objects: ClusterObjects, component: str) -> None:
        self._objects = objects
        self._component = component
        self._written: dict[tuple[str, ...], tuple[str, str]] = {}  # what was told -> (namespace, name)

    def normal(self, item: Mapping[str, Any], reason: str, message: str) -> None:
        self._record(item, "Normal", reason, message)

    def warning(self, item: Mapping[str, Any], reason: str, message: str) -> None:
        self._record(item, "Warning", reason, message)

    def _record(self, item: Mapping[str, Any], kind: str, reason: str, message: str) -> None:
        metadata = item["metadata"]
        namespace = metadata.get("namespace") or "default"
        told = (item["kind"], metadata["uid"], kind, reason, message)
        try:
            if told in self._written and self._repeat(*self._written[told]):
                return
            stamp = now()
            event = {
                "apiVersion": "v1", "kind": "Event",
                "metadata": {"name": f"{metadata['name']}.{secrets.token_hex(8)}", "namespace": namespace},
                "involvedObject": _reference(item),
                "type": kind, "reason": reason, "message": message[:1024], "count": 1,
                "source": {"component": self._component}, "reportingComponent": self._component,
                "reportingInstance": "", "firstTimestamp": stamp, "lastTimestamp": stamp, "eventTime": None,
            }  # fmt: skip
            made = self._objects.create("events", event)
        except Slash24Error as error:
            log.warning("%s: event %s was refused: %s", self._component, reason, error)
            return
        if len(self._written) >= _REMEMBERED:
            self._written.clear()
        self._written[told] = (namespace, made["metadata"]["name"])

    def _repeat(self, namespace: str, name: str) -> bool:
        """Count an event once more; return False if it has expired."""

        def counted(event: Object) -> Object:
            return event | {"count": event["count"] + 1, "lastTimestamp": now()}

        try:
            self._objects.update("events", name, counted, namespace=namespace)
        except NotFoundError:
            return False
        return True


def _reference(item: Mapping[str, Any]) -> Object:
    metadata = item["metadata"]
    if item["kind"] == "Node":  # as a kubelet writes it, so that `kubectl describe node` finds both
        return {"kind": "Node", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["name"]}
    return {
        "kind": item["kind"], "apiVersion": "v1", "namespace": metadata.get("namespace", ""),
        "name": metadata["name"], "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"],
    }  # fmt: skip
