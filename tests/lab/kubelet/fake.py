"""A Kubernetes API in memory: what the kubelet's stand-in calls of KubeClient, and what a test does as a user."""

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

from slash24.kube.client import ApiError, ApiUnavailable

Json = dict[str, Any]


class FakeApi:
    """Objects by path. Watches see every change of their collection; with `away` every call fails as with no server."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.calls: list[tuple[str, str, Any]] = []
        self.away = False
        self._versions = itertools.count(1)
        self._watchers: list[tuple[str, str, asyncio.Queue[tuple[str, Json]]]] = []
        self._waiters: list[asyncio.Event] = []

    # KubeClient

    async def get(self, path: str) -> Json:
        self._call("GET", path)
        return copy.deepcopy(self._find(path))

    async def list(self, path: str, *, field_selector: str = "", label_selector: str = "") -> Json:
        self._call("LIST", path)
        found = [copy.deepcopy(one) for key, one in self.objects.items() if _selected(path, field_selector, key)]
        return {"items": found, "metadata": {"resourceVersion": str(next(self._versions))}}

    async def create(self, path: str, body: Json) -> Json:
        self._call("POST", path, body)
        key = f"{path}/{body['metadata']['name']}"
        if key in self.objects:
            raise ApiError("already exists", status=409, reason="AlreadyExists")
        return copy.deepcopy(self._store(key, copy.deepcopy(body)))

    async def patch(self, path: str, body: Any, *, kind: str = "merge") -> Json:
        self._call("PATCH", path, body)
        key = path.removesuffix("/status")
        found = self._find(key)
        _merge(found, copy.deepcopy(body), by_type=kind == "strategic")
        return copy.deepcopy(self._store(key, found))

    async def delete(self, path: str, *, grace_s: int | None = None, uid: str | None = None) -> Json:
        self._call("DELETE", path, grace_s)
        found = self._find(path)
        if uid is not None and found["metadata"]["uid"] != uid:
            raise ApiError("another one", status=409, reason="Conflict")
        del self.objects[path]
        self._tell("DELETED", path, found)
        return found

    async def watch(self, path: str, *, field_selector: str = "", **_: str) -> AsyncIterator[tuple[str, Json]]:
        watcher = (path, field_selector, asyncio.Queue[tuple[str, Json]]())
        self._watchers.append(watcher)
        try:
            while True:
                yield await watcher[2].get()
        finally:
            self._watchers.remove(watcher)

    async def close(self) -> None:
        return

    # The user, and the scheduler

    def add_pod(self, name: str, spec: Json, *, node: str = "n1", uid: str = "") -> Json:
        """Make a pod that is bound to the node."""
        path = f"/api/v1/namespaces/default/pods/{name}"
        pod = {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": "default", "uid": uid or f"uid-{name}-{next(self._versions)}"},
            "spec": {"nodeName": node, "restartPolicy": "Always", **spec},
            "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]},
        }
        return self._store(path, pod)

    def put_pod(self, pod: Json) -> None:
        self._store(f"/api/v1/namespaces/default/pods/{pod['metadata']['name']}", copy.deepcopy(pod))

    def put(self, plural: str, name: str, **content: Any) -> Json:
        """Make or change a ConfigMap or a Secret."""
        item = {"metadata": {"name": name, "namespace": "default"}, **content}
        return self._store(f"/api/v1/namespaces/default/{plural}/{name}", item)

    def delete_pod(self, name: str, grace_s: int = 30) -> None:
        """Ask for a pod's end, as `kubectl delete` does."""
        pod = self.pod(name)
        pod["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace_s}
        self._store(f"/api/v1/namespaces/default/pods/{name}", pod)

    def pod(self, name: str) -> Json:
        return self.objects[f"/api/v1/namespaces/default/pods/{name}"]

    def events(self, reason: str) -> tuple[str, ...]:
        """Return the messages of the events with that reason."""
        return tuple(
            str(one["message"])
            for one in self.objects.values()
            if one.get("kind") == "Event" and one["reason"] == reason
        )

    async def until(self, holds: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """Return what `holds` returns once that is true; it is asked at every change."""
        changed = asyncio.Event()
        self._waiters.append(changed)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    changed.clear()
                    found = holds()
                    if found:
                        return found
                    await changed.wait()
        except TimeoutError:
            raise AssertionError(f"not within {timeout_s} s; objects: {self.objects}") from None
        finally:
            self._waiters.remove(changed)

    async def until_phase(self, name: str, phase: str, timeout_s: float = 10.0) -> Json:
        found: Json = await self.until(
            lambda: self.pod(name) if self.pod(name).get("status", {}).get("phase") == phase else None, timeout_s
        )
        return found

    async def until_gone(self, name: str, timeout_s: float = 10.0) -> None:
        path = f"/api/v1/namespaces/default/pods/{name}"
        await self.until(lambda: path not in self.objects, timeout_s)

    # Inside

    def _call(self, verb: str, path: str, body: Any = None) -> None:
        if self.away:
            raise ApiUnavailable("away")
        self.calls.append((verb, path, copy.deepcopy(body)))

    def _find(self, path: str) -> Json:
        if path not in self.objects:
            raise ApiError(f"{path} not found", status=404, reason="NotFound")
        return self.objects[path]

    def _store(self, path: str, item: Json) -> Json:
        kind = "MODIFIED" if path in self.objects else "ADDED"
        item["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[path] = item
        self._tell(kind, path, item)
        return item

    def _tell(self, kind: str, key: str, item: Json) -> None:
        for path, selector, queue in self._watchers:
            if _selected(path, selector, key):
                queue.put_nowait((kind, copy.deepcopy(item)))
        for waiter in self._waiters:
            waiter.set()


def _selected(path: str, field_selector: str, key: str) -> bool:
    """Tell whether an object's path is in a collection; of selectors only that of a name counts."""
    folder, _, name = key.rpartition("/")
    if path == "/api/v1/pods":
        return folder.endswith("/pods")
    wanted = field_selector.removeprefix("metadata.name=") if field_selector.startswith("metadata.name=") else name
    return folder == path and name == wanted


def _merge(target: Json, change: Json, *, by_type: bool) -> None:
    for key, value in change.items():
        if by_type and key == "conditions":
            fresh = {one["type"]: one for one in target.get(key, [])} | {one["type"]: one for one in value}
            target[key] = list(fresh.values())
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value, by_type=by_type)
        elif value is None:
            target.pop(key, None)
        else:
            target[key] = value
