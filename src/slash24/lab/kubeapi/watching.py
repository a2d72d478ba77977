"""Watches over HTTP: one event a line, as long as the client listens."""

import asyncio
import contextlib
import json
import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from slash24.lab.kubeapi.kinds import Kind
from slash24.lab.kubeapi.lists import Object, int_of, table, wants_table
from slash24.lab.kubeapi.status import StatusError
from slash24.store.objects import ClusterObjects, ExpiredError
from slash24.store.selectors import SelectorError
from slash24.store.watches import Stored, Watch

_BOOKMARK_S = 30.0
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


def answer_watch(request: Request, kind: Kind, namespace: str, objects: ClusterObjects) -> Response:
    """Answer with one event a line, until the client goes or its `timeoutSeconds` are over."""
    query = request.query_params
    asked = query.get("resourceVersion", "")
    marked = query.get("sendInitialEvents") == "true"
    from_start = marked or asked in ("", "0")
    if not from_start and not asked.isdecimal():
        raise StatusError("BadRequest", f"invalid resource version: {asked!r}")
    lines = _Lines(kind, wants_table(request), query.get("includeObject", "Metadata"))
    seconds = int_of(query, "timeoutSeconds")
    try:
        watch = objects.open_watch(
            kind.plural,
            since=None if from_start else int(asked),
            send_initial=from_start,
            namespace=namespace,
            field_selector=query.get("fieldSelector", ""),
            label_selector=query.get("labelSelector", ""),
        )
    except SelectorError as error:
        raise StatusError("BadRequest", error.message) from error
    except ExpiredError as error:
        refusal = json.dumps(StatusError("Expired", error.message).document()).encode()
        return Response(b'{"type":"ERROR","object":' + refusal + b"}\n", media_type="application/json")
    first = [lines.event("ADDED", item) for item in watch.initial]
    if marked:
        first.append(lines.bookmark(watch.version, _INITIAL_END))
    watch.initial = []
    bookmarks = marked or query.get("allowWatchBookmarks") in ("true", "1")
    return _WatchResponse(objects, watch, lines, first, seconds, bookmarks=bookmarks)


class _Lines:
    """How this client wants its events: as objects, or as rows of a table."""

    def __init__(self, kind: Kind, as_table: bool, include: str) -> None:
        self._kind = kind
        self._as_table = as_table
        self._include = include
        self._with_columns = True  # kubectl wants them with the first event only

    def event(self, event: str, item: Stored) -> bytes:
        text = item.text
        if self._as_table:
            shown = table(self._kind, [item], item["metadata"]["resourceVersion"], self._include)
            if not self._with_columns:
                shown["columnDefinitions"] = None
            self._with_columns = False
            text = json.dumps(shown, separators=(",", ":")).encode()
        return b'{"type":"%s","object":%s}\n' % (event.encode(), text)

    def bookmark(self, version: int, annotations: dict[str, str] | None = None) -> bytes:
        metadata: Object = {"resourceVersion": str(version), "creationTimestamp": None}
        metadata |= {"annotations": annotations} if annotations else {}
        item: Object = {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": metadata}
        if self._as_table:
            row = {"cells": [""] * len(self._kind.columns), "object": item}
            item = table(self._kind, [], str(version), "None") | {"rows": [row]}
        return json.dumps({"type": "BOOKMARK", "object": item}, separators=(",", ":")).encode() + b"\n"


class _WatchResponse(Response):
    """Sends what changes. All that is there goes out in one piece: a burst costs one write for each watch."""

    def __init__(
        self, objects: ClusterObjects, watch: Watch, lines: _Lines, first: list[bytes], seconds: int, *, bookmarks: bool
    ) -> None:
        super().__init__(media_type="application/json")
        del self.headers["content-length"]
        self._objects = objects
        self._watch = watch
        self._lines = lines
        self._first = first
        self._seconds = seconds
        self._bookmarks = bookmarks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        gone = asyncio.create_task(self._end_with_client(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b"".join(self._first), "more_body": True})
            await self._follow(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            pass  # the client is gone
        finally:
            self._watch.close()
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone

    async def _follow(self, send: Send) -> None:
        end = time.monotonic() + self._seconds if self._seconds else None
        while not self._watch.ended:
            wait_s = _BOOKMARK_S if end is None else min(_BOOKMARK_S, end - time.monotonic())
            if wait_s <= 0:
                return
            changes = await self._watch.next(wait_s)
            if changes:
                body = b"".join([self._lines.event(event, item) for event, item in changes])
            elif self._bookmarks and not self._watch.ended:
                body = self._lines.bookmark(self._objects.version)
            else:
                continue
            await send({"type": "http.response.body", "body": body, "more_body": True})

    async def _end_with_client(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._watch.close()
