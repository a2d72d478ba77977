"""Answers with objects: one or a list; as they are, or as the table that `kubectl get` prints."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from slash24.lab.kubeapi.kinds import Kind
from slash24.lab.kubeapi.status import StatusError
from slash24.store.objects import ClusterObjects, Stored
from slash24.store.selectors import SelectorError

Object = dict[str, Any]


def int_of(query: Mapping[str, str], name: str) -> int:
    """Return a query parameter that is a number, 0 if it isn't there. Raises StatusError."""
    text = query.get(name, "") or "0"
    if not text.isdecimal():
        raise StatusError("BadRequest", f"invalid {name}: {text!r} is not a number")
    return int(text)


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


def table(kind: Kind, items: Sequence[Object], version: str, include: str, token: str = "") -> Object:
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
        return JSONResponse(table(kind, [item], str(objects.version), include), code)
    if isinstance(item, Stored):
        return Response(item.text, code, media_type="application/json")
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
    limit = int_of(query, "limit")
    start = _start(query.get("continue", ""), items)
    if limit and len(items) > start + limit:
        last = items[start + limit - 1]["metadata"]
        token = base64.urlsafe_b64encode(json.dumps([last.get("namespace", ""), last["name"]]).encode()).decode()
    page = items[start : start + limit] if limit else items[start:]
    version = str(objects.version)
    if wants_table(request):
        return JSONResponse(table(kind, page, version, query.get("includeObject", "Metadata"), token))
    metadata = {"resourceVersion": version} | ({"continue": token} if token else {})
    head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata}
    text = json.dumps(head).encode()[:-1] + b',"items":[' + b",".join([item.text for item in page]) + b"]}"
    return Response(text, media_type="application/json")


def _start(token: str, items: Sequence[Object]) -> int:
    """Return where a continued list goes on: after the object that the token names."""
    if not token:
        return 0
    try:
        after = tuple(json.loads(base64.urlsafe_b64decode(token)))
    except ValueError as error:
        raise StatusError("BadRequest", "the continue token can't be read") from error
    keys = [(item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in items]
    return sum(key <= after for key in keys)
