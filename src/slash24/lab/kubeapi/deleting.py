"""Deletions: at once, or after a grace period, finalizers, or what a namespace holds."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from slash24.errors import NotFoundError
from slash24.lab.kubeapi.change import Change, read
from slash24.lab.kubeapi.kinds import KINDS, NAMESPACE, POD, Kind
from slash24.lab.kubeapi.status import StatusError
from slash24.store.objects import ClusterObjects, now

Object = dict[str, Any]
_EVENTS_KEPT_FOR = timedelta(hours=1)  # as in kube-apiserver


def resume(objects: ClusterObjects) -> None:
    """Go on with what an earlier server left undone: namespaces that were being emptied."""
    for item in objects.list("namespaces"):
        if item["metadata"].get("deletionTimestamp"):
            _begin(_empty(objects, item["metadata"]["name"]))


def delete(objects: ClusterObjects, kind: Kind, namespace: str, name: str, options: Object, change: Change) -> Object:
    """Delete an object, or begin to: a pod that runs ends first, a namespace is emptied, finalizers are waited for."""
    item = read(objects, kind, namespace, name)
    uid = (options.get("preconditions") or {}).get("uid")
    if uid and uid != item["metadata"]["uid"]:
        raise StatusError(
            "Conflict",
            f"the UID in the precondition ({uid}) does not match the UID in record ({item['metadata']['uid']})",
        )
    if change.dry_run:
        return item
    if kind is NAMESPACE:
        return _delete_namespace(objects, item)
    grace = options.get("gracePeriodSeconds")
    if (
        kind is POD
        and item["spec"].get("nodeName")
        and item.get("status", {}).get("phase") not in ("Succeeded", "Failed")
    ):
        grace = item["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
        # The kubelet confirms with a second delete, grace 0.
        if grace > 0 and objects.find("nodes", item["spec"]["nodeName"]):
            return _mark(objects, kind, item, grace)
    if item["metadata"].get("finalizers"):
        return _mark(objects, kind, item, 0)
    return objects.delete(kind.plural, name, namespace=namespace)


def _mark(objects: ClusterObjects, kind: Kind, item: Object, grace: int) -> Object:
    def change(marked: Object) -> Object:
        metadata = marked["metadata"]
        seconds = min(grace, metadata.get("deletionGracePeriodSeconds", grace))
        if metadata.get("deletionGracePeriodSeconds") != seconds or "deletionTimestamp" not in metadata:
            end = datetime.now(UTC) + timedelta(seconds=seconds)
            metadata["deletionTimestamp"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata["deletionGracePeriodSeconds"] = seconds
        return marked

    metadata = item["metadata"]
    return objects.update(kind.plural, metadata["name"], change, namespace=metadata.get("namespace", ""))


def _delete_namespace(objects: ClusterObjects, item: Object) -> Object:
    name = item["metadata"]["name"]
    if name in ("default", "kube-system", "kube-public"):
        raise StatusError("Forbidden", f'namespaces "{name}" is forbidden: this namespace may not be deleted')

    def change(marked: Object) -> Object:
        marked["metadata"].setdefault("deletionTimestamp", now())
        # The store removes what is being deleted and has no finalizer left; this one goes with the contents.
        marked["metadata"]["finalizers"] = ["slash24.io/contents"]
        marked["status"] = {"phase": "Terminating"}
        return marked

    marked = objects.update("namespaces", name, change)
    _begin(_empty(objects, name))
    return marked


_tasks: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly


def _begin(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _empty(objects: ClusterObjects, name: str) -> None:
    """Remove what a namespace holds, then the namespace."""
    contents = [kind for kind in KINDS if kind.namespaced]
    while True:
        left = [(kind, item) for kind in contents for item in objects.list(kind.plural, namespace=name)]
        if not left:
            break
        for kind, item in left:
            if not item["metadata"].get("deletionTimestamp"):
                try:
                    delete(objects, kind, name, item["metadata"]["name"], {}, Change())
                except (StatusError, NotFoundError):
                    continue
        await asyncio.sleep(0.02)
    try:
        objects.delete("namespaces", name)
    except NotFoundError:
        return


def sweep_events(objects: ClusterObjects) -> None:
    """Forget old events."""
    oldest = (datetime.now(UTC) - _EVENTS_KEPT_FOR).strftime("%Y-%m-%dT%H:%M:%SZ")
    for event in objects.list("events"):
        metadata = event["metadata"]
        if max(metadata["creationTimestamp"], event.get("lastTimestamp") or "") < oldest:
            objects.delete("events", metadata["name"], namespace=metadata.get("namespace", ""))
