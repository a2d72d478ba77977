"""Answers with objects: one, a list, a watch; as they are, or as the table that `kubectl get` prints."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from slash24.lab.kubeapi.kinds import Kind
from slash24.lab.kubeapi.status import StatusError
from slash24.store.objects import ClusterObjects, ExpiredError
from slash24.store.selectors import SelectorError

Object = dict[str, Any]
_BOOKMARK_S = 30.0
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


def wants_table(request: Request) -> bool:
    return "as=Table" in request.headers.get("accept", "")


def _row(kind: Kind, item: Object, include: str) -> Object:
    row: Object = {"cells": kind.cells(item)}
    if include == "Object":
        row["object"] = item
    elif include != "None":
        meta = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
        row["object"] = meta
    return row


def _table(kind: Kind, items: list[Object], version: str, include: str, token: str = "") -> Object:
    definitions = [
        {
            "name": name,
            "type": "string",
            "format": "name" if name == "Name" else "",
            "description": "",
            "priority": rank,
        }
        for name, rank in kind.columns
    ]
    metadata = {"resourceVersion": version} | ({"continue": token} if token else {})
    rows = [_row(kind, item, include) for item in items]
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": definitions,
            "rows": rows}  # fmt: skip


def answer_one(request: Request, kind: Kind, item: Object, objects: ClusterObjects, code: int = 200) -> Response:
    if wants_table(request):
        include = request.query_params.get("includeObject", "Metadata")
        return JSONResponse(_table(kind, [item], str(objects.version), include), code)
    return JSONResponse(item, code)


def answer_list(request: Request, kind: Kind, namespace: str, objects: ClusterObjects) -> Response:
    query = request.query_params
    try:
        items = objects.list(
            kind.plural,
            namespace=namespace,
            field_selector=query.get("fieldSelector", ""),
            label_selector=query.get("labelSelector", ""),
        )
    except SelectorError as error:
        raise StatusError("BadRequest", error.message) from error
    token = ""
    limit = int(query.get("limit") or 0)
    start = _start(query.get("continue", ""), items)
    if limit and len(items) > start + limit:
        last = items[start + limit - 1]["metadata"]
        token = base64.urlsafe_b64encode(json.dumps([last.get("namespace", ""), last["name"]]).encode()).decode()
    page = items[start : start + limit] if limit else items[start:]
    version = str(objects.version)
    if wants_table(request):
        return JSONResponse(_table(kind, page, version, query.get("includeObject", "Metadata"), token))
    metadata = {"resourceVersion": version} | ({"continue": token} if token else {})
    return JSONResponse(
        {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": page}
    )


def _start(token: str, items: list[Object]) -> int:
    """Return where a continued list goes on: after the object that the token names."""
    if not token:
        return 0
    try:
        after = tuple(json.loads(base64.urlsafe_b64decode(token)))
    except ValueError as error:
        raise StatusError("BadRequest", "the continue token can't be read") from error
    keys = [(item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in items]
    return sum(key <= after for key in keys)


def answer_watch(request: Request, kind: Kind, namespace: str, objects: ClusterObjects) -> Response:
    """Answer with one event a line, until the client goes or its `timeoutSeconds` are over."""
    query = request.query_params
    asked = query.get("resourceVersion", "")
    initial = query.get("sendInitialEvents") == "true"
    from_start = initial or asked in ("", "0")
    try:
        since = None if from_start else int(asked)
    except ValueError as error:
        raise StatusError("BadRequest", f"invalid resource version: {asked!r}") from error
    changes = objects.watch(
        kind.plural,
        since=since,
        send_initial=from_start,
        mark_initial=initial,
        namespace=namespace,
        field_selector=query.get("fieldSelector", ""),
        label_selector=query.get("labelSelector", ""),
    )
    bookmarks = query.get("allowWatchBookmarks") in ("true", "1") or initial
    seconds = float(query.get("timeoutSeconds") or 0)
    table, include = wants_table(request), query.get("includeObject", "Metadata")

    def line(event: str, item: Object) -> bytes:
        shown = (
            _table(kind, [item], item["metadata"]["resourceVersion"], include) if table and event != "ERROR" else item
        )
        return json.dumps({"type": event, "object": shown}, separators=(",", ":")).encode() + b"\n"

    def bookmark(annotations: dict[str, str] | None = None) -> bytes:
        metadata: Object = {"resourceVersion": str(objects.version), "creationTimestamp": None}
        metadata |= {"annotations": annotations} if annotations else {}
        item = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        return json.dumps({"type": "BOOKMARK", "object": item}).encode() + b"\n"

    async def lines() -> AsyncIterator[bytes]:
        deadline = asyncio.get_running_loop().time() + seconds if seconds else None
        pending: asyncio.Task[tuple[str, Object]] | None = None
        try:
            while True:
                pending = pending or asyncio.ensure_future(anext(changes))
                left = _BOOKMARK_S if deadline is None else deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    return
                done, _ = await asyncio.wait({pending}, timeout=min(left, _BOOKMARK_S))
                if not done:
                    if bookmarks and not table:
                        yield bookmark()
                    continue
                event, item = pending.result()
                pending = None
                yield bookmark(_INITIAL_END) if event == "SYNCED" else line(event, item)
        except StopAsyncIteration:
            return
        except ExpiredError as error:
            yield line("ERROR", StatusError("Expired", error.message).document())
        finally:
            if pending is not None:
                pending.cancel()
            await _close(changes)

    return StreamingResponse(lines(), media_type="application/json")


async def _close(changes: AsyncIterator[tuple[str, Object]]) -> None:
    close = getattr(changes, "aclose", None)
    if close is not None:
        try:
            await close()
        except RuntimeError:  # its last step was cancelled and has not run yet
            return
