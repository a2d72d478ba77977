"""The embedded Kubernetes API server, as an ASGI app to be mounted at `/clusters/{cluster}`.

It serves the kinds of `kinds.py` from the lab's object store to kubectl, the agents, the controller and the kubelets'
stand-ins. What it doesn't have answers with a `Status` that says so.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml
from starlette._utils import get_route_path
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from slash24.errors import Slash24Error
from slash24.lab.kubeapi import discovery, protobuf, streams, verbs
from slash24.lab.kubeapi.kinds import POD, Kind
from slash24.lab.kubeapi.lists import answer_list, answer_one, int_of
from slash24.lab.kubeapi.status import StatusError, success
from slash24.lab.kubeapi.streams import NodeGateway
from slash24.lab.kubeapi.watching import answer_watch
from slash24.store.objects import ClusterObjects, ObjectStore

log = logging.getLogger(__name__)

Authenticate = Callable[[str, str], str | None]

_MOST_BYTES = 3 << 20  # kube-apiserver's own limit of a request's body


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: a kind, perhaps one object of it, perhaps a sub-resource of that."""

    kind: Kind
    namespace: str
    name: str
    subresource: str


class KubernetesApi:
    """The app: plain ASGI, since routing by patterns would cost as much as the requests themselves."""

    def __init__(self, store: ObjectStore, authenticate: Authenticate, nodes: NodeGateway) -> None:
        self._store = store
        self._authenticate = authenticate
        self._nodes = nodes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._stream(WebSocket(scope, receive, send))
        elif scope["type"] == "http":
            response = await self._respond(Request(scope, receive))
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            cluster = request.path_params["cluster"]
            user = self._user(cluster, request.headers.get("authorization", ""))
            return await _answer(request, self._store.cluster(cluster), cluster, user, self._nodes)
        except StatusError as error:
            refusal = error
        except Slash24Error as error:
            refusal = StatusError("BadRequest", error.message)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            refusal = StatusError("InternalError", "Internal error occurred: the lab's server has the details in its log")
        return JSONResponse(refusal.document(), refusal.code_number)

    async def _stream(self, websocket: WebSocket) -> None:
        try:
            cluster = websocket.path_params["cluster"]
            self._user(cluster, websocket.headers.get("authorization", ""))
            target = _target(get_route_path(websocket.scope))
            if target is None or target.kind is not POD or target.subresource not in ("exec", "attach"):
                raise StatusError("NotFound", "only exec and attach are streams here")
            pod = _running_pod(self._store.cluster(cluster), target)
            query = websocket.query_params
            session = _session(pod, target, query.get("container") or "") | {
                "verb": target.subresource,
                "command": query.getlist("command"),
                **{name: query.get(name) in ("true", "1") for name in ("stdin", "stdout", "stderr", "tty")},
            }
        except StatusError as error:
            await websocket.send_denial_response(JSONResponse(error.document(), error.code_number))
            return
        await streams.relay(websocket, self._nodes, cluster, pod["spec"]["nodeName"], session)

    async def _answer(request: Request, objects: ClusterObjects, cluster: str, user: str, nodes: NodeGateway) -> Response:
    path = get_route_path(request.scope)
    prefix = request.scope.get("root_path", "")
    about = _about_server(path, prefix, request.headers.get("accept", ""))
    if about is not None:
        return about
    if request.method == "POST" and path.rpartition("/")[2].startswith("selfsubject"):
        return JSONResponse(_review(await _body(request), user), 201)
    target = _target(path)
    if target is None:
        return PlainTextResponse("404 page not found\n", 404)
    query = request.query_params
    dry_run = "All" in query.getlist("dryRun")
    if target.subresource and (target.subresource not in target.kind.subresources):
        raise StatusError(
            "NotFound",
            f"the server could not find the requested resource ({target.subresource} of {target.kind.resource})",
        )
    if request.method in ("GET", "HEAD"):
        if target.subresource == "log":
            return await _logs(request, objects, cluster, target, nodes)
        if target.name:
            item = verbs.read(objects, target.kind, target.namespace, target.name)
            return answer_one(request, target.kind, item, objects)
        if query.get("watch") in ("true", "1"):
            return answer_watch(request, target.kind, target.namespace, objects)
        return answer_list(request, target.kind, target.namespace, objects)
    body = await _body(request)
    return _change(request, objects, target, body, dry_run=dry_run)


def _change(request: Request, objects: ClusterObjects, target: Target, body: Any, *, dry_run: bool) -> Response:
    kind, namespace, name = target.kind, target.namespace, target.name
    method, sub = request.method, target.subresource
    if method == "POST" and sub == "binding":
        return JSONResponse(verbs.bind(objects, namespace, name, body), 201)
    if method == "POST" and sub == "eviction":
        options = body.get("deleteOptions") or {}
        verbs.delete(objects, POD, namespace, name, options, dry_run=dry_run)
        return JSONResponse(success(), 201)
    if method == "POST" and not name:
        return answer_one(request, kind, verbs.create(objects, kind, namespace, body, dry_run=dry_run), objects, 201)
    if method == "PUT" and name:
        item = verbs.replace(objects, kind, namespace, name, body, subresource=sub, dry_run=dry_run)
        return answer_one(request, kind, item, objects)
    if method == "PATCH" and name:
        media_type = request.headers.get("content-type", "").split(";")[0].strip()
        item = verbs.patch(objects, kind, namespace, name, body, media_type, subresource=sub, dry_run=dry_run)
        return answer_one(request, kind, item, objects)
    if method == "DELETE" and name and not sub:
        query = request.query_params
        options = body if isinstance(body, dict) else {}
        if query.get("gracePeriodSeconds"):
            options = options | {"gracePeriodSeconds": int_of(query, "gracePeriodSeconds")}
        return answer_one(
            request, kind, verbs.delete(objects, kind, namespace, name, options, dry_run=dry_run), objects
        )
    raise StatusError("MethodNotAllowed", f"{method} is not supported on {kind.resource}{'/' + sub if sub else ''}")


def _about_server(path: str, prefix: str, accept: str) -> Response | None:
    """Answer what asks about the server itself; None if `path` doesn't."""
    if path in ("/healthz", "/readyz", "/livez"):
        return PlainTextResponse("ok")
    if path == "/version":
        return JSONResponse(discovery.VERSION)
    if path in ("/api", "/apis"):
        if "as=APIGroupDiscoveryList" in accept and "v=v2" in accept:
            text = json.dumps(discovery.aggregated(core=path == "/api"))
            return Response(text, headers={"content-type": discovery.AGGREGATED})
        if path == "/api":
            return JSONResponse({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
        return JSONResponse(discovery.legacy_groups())
    parts = path.strip("/").split("/")
    if parts == ["api", "v1"] or (
        len(parts) == 3 and parts[0] == "apis" and (parts[1], parts[2]) in discovery.groups()
    ):
        return JSONResponse(discovery.legacy_list("" if parts[0] == "api" else parts[1], parts[-1]))
    if path == "/openapi/v2":
        return Response(b"", headers={"content-type": discovery.OPENAPI_V2})
    if path == "/openapi/v3":
        return JSONResponse(discovery.openapi_root(prefix))
    if parts[:2] == ["openapi", "v3"] and len(parts) > 3:
        return JSONResponse(discovery.openapi_group("/".join(parts[2:])))
    return None


def _target(path: str) -> Target | None:
    """Return what a path names, by position: a namespace may be called `status`."""
    parts = path.strip("/").split("/")
    if parts[:2] == ["api", "v1"]:
        group, version, rest = "", "v1", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and not (len(rest) == 3 and rest[2] in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    kind = verbs.kind_of(group, version, rest[0]) if rest else None
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        return None
    if kind.namespaced and not namespace and len(rest) > 1:
        return None
    name, subresource = (*rest[1:], "", "")[:2]
    return Target(kind, namespace, name, subresource)


async def _body(request: Request) -> Any:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MOST_BYTES:
            raise StatusError("RequestEntityTooLarge", f"Request entity too large: limit is {_MOST_BYTES}")
    if not raw:
        return {}
    media_type = request.headers.get("content-type", "").split(";")[0].strip()
    if media_type == protobuf.MEDIA_TYPE:
        return protobuf.read_body(raw)
    try:
        return yaml.safe_load(raw) if "yaml" in media_type else json.loads(raw)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise StatusError("BadRequest", f"the body of the request can't be read: {error}") from error


def _review(body: Any, user: str) -> dict[str, Any]:
    """Answer what kubectl asks about itself: who holds a cluster's token may do everything in that cluster."""
    kind = body.get("kind")
    answer = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "metadata": {}, "spec": body.get("spec", {})}
    if kind == "SelfSubjectAccessReview":
        return answer | {"status": {"allowed": True}}
    if kind == "SelfSubjectRulesReview":
        everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        return answer | {"status": {"resourceRules": everything, "nonResourceRules": [], "incomplete": False}}
    info = {"username": user, "groups": ["system:authenticated"]}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": kind, "metadata": {}, "status": {"userInfo": info}}


# Pods' streams


def _running_pod(objects: ClusterObjects, target: Target) -> dict[str, Any]:
    pod = verbs.read(objects, POD, target.namespace, target.name)
    if not pod["spec"].get("nodeName"):
        raise StatusError("BadRequest", f"pod {target.name} does not have a host assigned")
    if target.subresource != "log" and pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        phase = pod["status"]["phase"]
        raise StatusError("BadRequest", f"cannot exec into a container in a completed pod; current phase is {phase}")
    return pod


def _session(pod: dict[str, Any], target: Target, container: str) -> dict[str, Any]:
    names = [c["name"] for c in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]]
    if container and container not in names:
        raise StatusError("BadRequest", f"container {container} is not valid for pod {target.name}")
    if not container and len(pod["spec"]["containers"]) > 1 and target.subresource == "log":
        raise StatusError(
            "BadRequest",
            f"a container name must be specified for pod {target.name}, choose one of: [{' '.join(names)}]",
        )
    return {
        "namespace": target.namespace,
        "pod": target.name,
        "uid": pod["metadata"]["uid"],
        "container": container or pod["spec"]["containers"][0]["name"],
    }


async def _logs(
    request: Request, objects: ClusterObjects, cluster: str, target: Target, nodes: NodeGateway
) -> Response:
    pod = _running_pod(objects, target)
    query = request.query_params
    session = _session(pod, target, query.get("container") or "") | {
        "verb": "logs",
        "follow": query.get("follow") == "true",
        "previous": query.get("previous") == "true",
        "timestamps": query.get("timestamps") == "true",
        "tailLines": int_of(query, "tailLines") if query.get("tailLines") else None,
        "sinceSeconds": int_of(query, "sinceSeconds") if query.get("sinceSeconds") else None,
    }
    try:
        reader, writer = await nodes.open(cluster, pod["spec"]["nodeName"], session)
    except Slash24Error as error:
        raise StatusError("InternalError", error.message) from error
    first = await _first_frame(reader, follow=bool(session["follow"]))
    if first is not None and first[:1] == b"\3":
        writer.close()
        status = json.loads(first[1:])
        if status.get("status") != "Success":
            raise StatusError(status.get("reason") or "BadRequest", status.get("message", "the log can't be read"))
        first = None
    return StreamingResponse(streams.log_lines(reader, writer, first), media_type="text/plain")


async def _first_frame(reader: asyncio.StreamReader, *, follow: bool) -> bytes | None:
    """Return the first frame, so that an error becomes a Status; a followed log may be silent for long."""
    if not follow:
        return await streams.read_frame(reader)
    with contextlib.suppress(TimeoutError):
        return await asyncio.wait_for(streams.read_frame(reader), 0.2)
    return b"\1"
