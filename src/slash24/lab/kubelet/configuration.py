"""The ConfigMaps and Secrets that the pods of a node refer to, each watched as long as a pod needs it."""

import asyncio
from collections.abc import Callable, Set
from typing import Any

from slash24.kube.client import KubeClient, Mirror
from slash24.lab.kubelet.contents import VolumeError

Json = dict[str, Any]
_PLURALS = {"ConfigMap": "configmaps", "Secret": "secrets"}
_PATIENCE_S = 5.0  # for the first answer about an object

#: kind, namespace, name
Reference = tuple[str, str, str]


class Configuration:
    """Watches objects one by one, as a kubelet does: a node has no business with those of other nodes' pods."""

    def __init__(self, api: KubeClient, on_change: Callable[[Set[str]], None]) -> None:
        """on_change is called with the uids of the pods that use an object which has changed."""
        self._api = api
        self._on_change = on_change
        self._users: dict[Reference, set[str]] = {}
        self._mirrors: dict[Reference, tuple[Mirror, asyncio.Task[None]]] = {}

    async def need(self, uid: str, namespace: str, wanted: Set[tuple[str, str]]) -> None:
        """Have every (kind, name) at hand for a pod. Raises VolumeError if the API doesn't answer."""
        references = [(kind, namespace, name) for kind, name in wanted]
        for reference in references:
            self._users.setdefault(reference, set()).add(uid)
            if reference not in self._mirrors:
                self._mirrors[reference] = self._watch(reference)
        for kind, _, name in references:
            mirror, _ = self._mirrors[kind, namespace, name]
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await mirror.synced.wait()
            except TimeoutError as error:
                text = f'failed to sync {kind.lower()} cache: timed out waiting for "{name}"'
                raise VolumeError(text) from error

    def find(self, kind: str, namespace: str, name: str) -> Json | None:
        """Return an object that a pod needs; None if there is none."""
        known = self._mirrors.get((kind, namespace, name))
        return known[0].objects.get((namespace, name)) if known else None

    def release(self, uid: str) -> None:
        """Forget what only this pod needed."""
        for reference, users in list(self._users.items()):
            users.discard(uid)
            if not users:
                del self._users[reference]
                self._mirrors.pop(reference)[1].cancel()

    def close(self) -> None:
        """End all watches."""
        for _, task in self._mirrors.values():
            task.cancel()

    def _watch(self, reference: Reference) -> tuple[Mirror, asyncio.Task[None]]:
        kind, namespace, name = reference
        mirror = Mirror(
            self._api,
            f"/api/v1/namespaces/{namespace}/{_PLURALS[kind]}",
            field_selector=f"metadata.name={name}",
            on_change=lambda: self._on_change(self._users.get(reference, set())),
        )
        return mirror, asyncio.get_running_loop().create_task(mirror.run())
