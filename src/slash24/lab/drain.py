"""Emptying nodes: cordons and taints, evictions, and the wait until the pods are gone."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from slash24.errors import NotFoundError, TimeoutExpiredError
from slash24.lab.kubeapi.change import Change
from slash24.lab.kubeapi.deleting import delete
from slash24.lab.kubeapi.kinds import POD
from slash24.lab.kubeapi.status import StatusError
from slash24.store.objects import ClusterObjects

Object = dict[str, Any]
Key = tuple[str, str]  # namespace, name


class DrainError(TimeoutExpiredError):
    """Pods of a node did not end in time."""


def is_daemon(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod belongs to its node: a daemon's, or a static pod's mirror. A drain leaves it."""
    metadata = pod["metadata"]
    if "kubernetes.io/config.mirror" in (metadata.get("annotations") or {}):
        return True
    return any(owner.get("kind") == "DaemonSet" for owner in metadata.get("ownerReferences") or ())


def pods_on(objects: ClusterObjects, node: str) -> list[Object]:
    """Return the pods of a node that have not ended."""
    return [
        pod
        for pod in objects.list("pods", field_selector=f"spec.nodeName={node}")
        if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]


def cordon(objects: ClusterObjects, node: str, unschedulable: bool = True) -> None:
    """Let no new pod onto a node, or let them again. A node that is gone is fine."""

    def change(item: Object) -> Object:
        spec = {key: value for key, value in item["spec"].items() if key != "unschedulable"}
        return item | {"spec": spec | ({"unschedulable": True} if unschedulable else {})}

    with suppress(NotFoundError):
        objects.update("nodes", node, change)


def set_taint(objects: ClusterObjects, node: str, key: str, taint: Object | None) -> None:
    """Give a node the one taint of that key, or take it away (None). A node that is gone is fine."""

    def change(item: Object) -> Object:
        kept = [one for one in item["spec"].get("taints") or () if one.get("key") != key]
        return item | {"spec": item["spec"] | {"taints": [*kept, *([taint] if taint else [])]}}

    with suppress(NotFoundError):
        present = [one for one in objects.get("nodes", node)["spec"].get("taints") or () if one.get("key") == key]
        if present != ([taint] if taint else []):
            objects.update("nodes", node, change)


async def drain(
    objects: ClusterObjects,
    node: str,
    *,
    timeout_s: float,
    evict: Callable[[Object], bool] = lambda pod: not is_daemon(pod),
    longest_grace_s: int | None = None,
) -> None:
    """Evict the pods of a node and return when they are gone. Raises DrainError.

    evict: which pods have to go. longest_grace_s: a pod that asks for more time to end gets this much.
    """
    going = [pod for pod in pods_on(objects, node) if evict(pod)]
    for pod in going:
        _evict(objects, pod, longest_grace_s)
    left = {_key(pod): pod["metadata"]["uid"] for pod in going}
    try:
        async with asyncio.timeout(timeout_s):
            await _until_gone(objects, left)
    except TimeoutError:
        names = ", ".join(f"{namespace}/{name}" for namespace, name in sorted(left))
        raise DrainError(
            f"node {node} was not drained within {timeout_s:.0f} s: {names} did not end",
            why="each pod has its terminationGracePeriodSeconds to end",
            fix=f"kubectl delete pod --force {sorted(left)[0][1]}, or a longer time to drain",
        ) from None


async def drain_all(objects: ClusterObjects, nodes: Sequence[str], *, timeout_s: float) -> None:
    """Cordon the nodes, then drain them at the same time. Raises DrainError when all have been tried."""
    for node in nodes:
        cordon(objects, node)
    done = await asyncio.gather(
        *(drain(objects, node, timeout_s=timeout_s) for node in nodes), return_exceptions=True
    )  # fmt: skip
    for error in done:
        if error is not None:
            raise error


def _evict(objects: ClusterObjects, pod: Object, longest_grace_s: int | None) -> None:
    metadata = pod["metadata"]
    grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
    options = {} if longest_grace_s is None else {"gracePeriodSeconds": min(grace, longest_grace_s)}
    with suppress(NotFoundError, StatusError):  # it went by itself
        delete(objects, POD, metadata["namespace"], metadata["name"], options, Change())


async def _until_gone(objects: ClusterObjects, left: dict[Key, str]) -> None:
    """Return when no pod of `left`, key to uid, is there any more; those that went are taken out of it."""
    while left:
        watch = objects.open_watch("pods")
        try:
            _forget(left, (key for key, uid in left.items() if _uid(objects, key) != uid))
            while left and not watch.ended:  # it ends when it is read too slowly
                changes = [(_key(item), item) for kind, item in await watch.next() if kind == "DELETED"]
                _forget(left, (key for key, item in changes if left.get(key) == item["metadata"]["uid"]))
        finally:
            watch.close()


def _forget(left: dict[Key, str], gone: Iterable[Key]) -> None:
    for key in list(gone):
        left.pop(key, None)


def _uid(objects: ClusterObjects, key: Key) -> str:
    found = objects.find("pods", key[1], namespace=key[0])
    return str(found["metadata"]["uid"]) if found else ""


def _key(pod: Object) -> Key:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]
