"""Events, as `kubectl describe` shows them: written behind the work, equal ones counted instead of repeated."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from slash24.kube.client import ApiError, ApiUnavailable
from slash24.lab.kubelet import files

log = logging.getLogger(__name__)

_QUEUE = 1000  # events not yet written; more are dropped, as a kubelet drops them
_REMEMBERED = 2000
_PATIENCE_S = 5.0  # how long a burst of starting pods goes before its events
Json = dict[str, Any]


class _Api(Protocol):
    async def create(self, path: str, body: Json) -> Json: ...
    async def patch(self, path: str, body: Any, *, kind: str = "merge") -> Json: ...


class Recorder:
    """Takes events at once, writes them when there is time."""

    def __init__(self, api: _Api, node_name: str, busy: Callable[[], bool] = lambda: False) -> None:
        self._api = api
        self._node_name = node_name
        self._busy = busy
        self._queue: deque[tuple[float, Json]] = deque()
        self._more = asyncio.Event()
        self._written: dict[tuple[str, ...], tuple[str, int]] = {}

    def pod(self, pod: Json, kind: str, reason: str, message: str, container: str = "") -> None:
        """Record an event of a pod; kind is Normal or Warning, `container` the one that it is about."""
        metadata = pod["metadata"]
        target = {
            "kind": "Pod", "apiVersion": "v1", "namespace": metadata["namespace"], "name": metadata["name"],
            "uid": metadata["uid"], "resourceVersion": metadata.get("resourceVersion", ""),
        }  # fmt: skip
        if container:
            target["fieldPath"] = f"spec.containers{{{container}}}"
        self._record(target, metadata["namespace"], kind, reason, message)

    def node(self, kind: str, reason: str, message: str) -> None:
        target = {"kind": "Node", "apiVersion": "v1", "name": self._node_name, "uid": self._node_name}
        self._record(target, "default", kind, reason, message)

    def _record(self, target: Json, namespace: str, kind: str, reason: str, message: str) -> None:
        now = files.now()
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{target['name']}.{time.time_ns():x}", "namespace": namespace},
            "involvedObject": target,
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": "kubelet", "host": self._node_name},
            "reportingComponent": "kubelet",
            "reportingInstance": self._node_name,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        if len(self._queue) < _QUEUE:
            self._queue.append((time.monotonic(), event))
            self._more.set()

    async def run(self) -> None:
        """Write what is recorded, for ever."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._queue:
                since, event = self._queue.popleft()
                while self._busy() and time.monotonic() - since < _PATIENCE_S:
                    await asyncio.sleep(0.1)
                await self._write(event)

    async def _write(self, event: Json) -> None:
        target, namespace = event["involvedObject"], event["metadata"]["namespace"]
        path = f"/api/v1/namespaces/{namespace}/events"
        key = (target["uid"], target.get("fieldPath", ""), event["type"], event["reason"], event["message"])
        known = self._written.get(key)
        for pause_s in (1.0, 5.0, 0.0):
            try:
                if known:
                    name, count = known
                    change = {"count": count + 1, "lastTimestamp": event["lastTimestamp"]}
                    await self._api.patch(f"{path}/{name}", change)
                    self._written[key] = (name, count + 1)
                else:
                    await self._api.create(path, event)
                    if len(self._written) >= _REMEMBERED:
                        self._written.clear()
                    self._written[key] = (event["metadata"]["name"], 1)
                return
            except ApiUnavailable:
                await asyncio.sleep(pause_s)
            except ApiError as error:
                if not known or error.status != 404:
                    log.info("event %s was refused: %s", event["reason"], error)
                    return
                known = None  # it has expired
