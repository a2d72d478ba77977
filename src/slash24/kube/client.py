"""The Kubernetes API: requests, and watches. The agent's own client, for few moving parts on a node and quick start."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlencode

from slash24.errors import Slash24Error
from slash24.kube.http import ConnectionFailedError, HttpClient

_PATCH = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
_REQUEST_S = 30.0

Object = dict[str, Any]
Key = tuple[str, str]  # (namespace, name)


class ApiError(Slash24Error):
    """The API server refused a request: `status` is HTTP's code, `reason` Kubernetes' (NotFound, Conflict, ...)."""

    def __init__(self, message: str, *, status: int, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class ApiUnavailable(ApiError):  # noqa: N818 - the API's state, as Kubernetes calls it
    """The API server can't be reached."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=503, reason="ServiceUnavailable")


class KubeClient:
    """A client of one API server. `server` may have a path prefix; `ca_file` is the authority's PEM file."""

    def __init__(self, server: str, token: str, ca_file: str) -> None:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "slash24"}
        self._http = HttpClient(server, headers, ca_file)

    async def close(self) -> None:
        await self._http.close()

    async def get(self, path: str) -> dict[str, Any]:
        return await self._request("GET", path)

    async def list(self, path: str, *, field_selector: str = "", label_selector: str = "") -> dict[str, Any]:
        """Return a list object: its items, and the resourceVersion to watch from."""
        return await self._request("GET", path + _query(fieldSelector=field_selector, labelSelector=label_selector))

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._request("POST", path, body)

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replace an object. With its resourceVersion in `body`, a change meanwhile raises ApiError (Conflict)."""
        return await self._request("PUT", path, body)

    async def patch(self, path: str, body: Any, *, kind: str = "merge") -> dict[str, Any]:
        """Patch an object; `kind` is merge, strategic or json."""
        return await self._request("PATCH", path, body, kind=_PATCH[kind])

    async def delete(self, path: str, *, grace_s: int | None = None, uid: str | None = None) -> dict[str, Any]:
        """Delete an object, only if it is still the one with `uid`."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        return await self._request("DELETE", path, options)

    async def watch(
        self, path: str, *, resource_version: str, field_selector: str = "", label_selector: str = ""
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield (type, object) of each change after `resource_version`, until the server ends the watch.

        Raises ApiError with status 410 if that version is too old, ApiUnavailable if the server goes away.
        """
        query = _query(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=resource_version,
            fieldSelector=field_selector,
            labelSelector=label_selector,
        )
        try:
            async for status, line in self._http.lines(path + query):
                if status != 200:
                    raise _refusal(status, line)
                if not line:
                    continue
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _refusal(int(event["object"].get("code", 500)), json.dumps(event["object"]).encode())
                yield event["type"], event["object"]
        except ConnectionFailedError as error:
            raise ApiUnavailable(error.message) from error

    async def _request(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json"
    ) -> dict[str, Any]:
        data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        try:
            async with asyncio.timeout(_REQUEST_S):
                status, content = await self._http.request(method, path, kind=kind, body=data)
        except ConnectionFailedError as error:
            raise ApiUnavailable(error.message) from error
        except TimeoutError as error:
            raise ApiUnavailable(f"no answer to {method} {path} in {_REQUEST_S:.0f} s") from error
        if status >= 300:
            raise _refusal(status, content)
        answer: dict[str, Any] = json.loads(content)
        return answer


def _query(**parameters: str) -> str:
    given = {name: value for name, value in parameters.items() if value}
    return f"?{urlencode(given)}" if given else ""


def _refusal(status: int, content: bytes) -> ApiError:
    try:
        answer = json.loads(content)
        return ApiError(str(answer["message"]), status=status, reason=str(answer.get("reason", "")))
    except (ValueError, KeyError, TypeError):
        text = content.decode(errors="replace").strip()[:200]
        return ApiError(f"the API server answered {status}: {text}", status=status, reason="")


class Mirror:
    """A local copy of one collection: `objects` by (namespace, name).

    on_item: told of each object that came, changed or went (None). on_change: called after any such news.

    It survives a server that restarts or is away for hours: it keeps what it has, and lists anew when it has to. A list
    that fails changes nothing; `synced` is set once the first list is in.
    """

    def __init__(
        self,
        client: KubeClient,
        path: str,
        *,
        field_selector: str = "",
        on_change: Callable[[], None] = lambda: None,
        on_item: Callable[[Key, Object | None], None] = lambda _key, _item: None,
    ) -> None:
        self._client = client
        self._path = path
        self._field_selector = field_selector
        self._on_change = on_change
        self._on_item = on_item
        self.objects: dict[Key, Object] = {}
        self.synced = asyncio.Event()
        self._version = ""

    async def run(self) -> None:
        """Keep the copy up to date, for ever."""
        import random

        pause_s = 0.1
        while True:
            try:
                if not self._version:
                    await self._list()
                async for kind, item in self._client.watch(
                    self._path, resource_version=self._version, field_selector=self._field_selector
                ):
                    self._take(kind, item)
                    pause_s = 0.1
            except ApiError as error:
                if error.status == 410:
                    self._version = ""
                    continue
                # Jitter, so that the nodes of a cluster don't come back all at once when its API does.
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311
                pause_s = min(pause_s * 2, 10.0)

    async def _list(self) -> None:
        answer = await self._client.list(self._path, field_selector=self._field_selector)
        before, self.objects = self.objects, {_key(item): item for item in answer["items"]}
        self._version = answer["metadata"]["resourceVersion"]
        self.synced.set()
        for key in before.keys() - self.objects.keys():
            self._on_item(key, None)
        for key, item in self.objects.items():
            self._on_item(key, item)
        self._on_change()

    def _take(self, kind: str, item: dict[str, Any]) -> None:
        self._version = item["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            return
        key = _key(item)
        if kind == "DELETED":
            self.objects.pop(key, None)
        else:
            self.objects[key] = item
        self._on_item(key, self.objects.get(key))
        self._on_change()


def _key(item: Object) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
