"""What the API is told of one pod: its status, and that it is gone."""

import logging
from collections.abc import Awaitable
from typing import Any

from slash24.kube.client import ApiError, ApiUnavailable
from slash24.lab.kubelet.host import Api

log = logging.getLogger(__name__)

Json = dict[str, Any]


class Reporter:
    """Writes a pod's status when it has changed."""

    def __init__(self, api: Api, pod: Json) -> None:
        metadata = pod["metadata"]
        self._api = api
        self._uid = metadata["uid"]
        self._title = f"{metadata['namespace']}/{metadata['name']}"
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self._told: Json | None = None
        self.answer: Json | None = None  # the status as the API has stored it, once told

    async def tell(self, status: Json) -> bool:
        """Return whether the API has this status; False: tell it again later."""
        if status == self._told:
            return True
        done = await self._persist(self._patch(status))
        if done:
            self._told = status
        return done

    async def confirm_deletion(self) -> bool:
        """Return whether the API knows that nothing of the pod is left."""
        return await self._persist(self._delete())

    async def _patch(self, status: Json) -> None:
        answer = await self._api.patch(f"{self._path}/status", {"status": status})
        if answer.get("metadata", {}).get("uid") == self._uid:
            self.answer = answer.get("status", status)

    async def _delete(self) -> None:
        await self._api.delete(self._path, grace_s=0, uid=self._uid)

    async def _persist(self, call: Awaitable[None]) -> bool:
        try:
            await call
        except ApiUnavailable:
            return False
        except ApiError as error:
            if error.status not in (404, 409):  # gone, or another pod of that name
                log.warning("pod %s: the API refused: %s", self._title, error)
        return True
