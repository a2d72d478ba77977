"""The embedded Kubernetes API server, as an ASGI app to be mounted at `/clusters/{cluster}`.

It serves the kinds of `kinds.py` from the lab's object store to kubectl, the agents, the controller and the kubelets'
stand-ins. What it doesn't have answers with a `Status` that says so.
"""

import json
import logging
from collections.abc import Callable
from typing import Any

import yaml
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from slash24.core.topology import KUBERNETES_VERSION
from slash24.errors import Slash24Error
from slash24.lab.kubeapi import portforward, protobuf, streams, verbs
from slash24.lab.kubeapi.about import about_server, review
from slash24.lab.kubeapi.change import Change, read
from slash24.lab.kubeapi.deleting import delete, resume
from slash24.lab.kubeapi.kinds import POD
from slash24.lab.kubeapi.lists import answer_list, answer_one, int_of
from slash24.lab.kubeapi.sessions import answer_logs, running_pod, session_of
from slash24.lab.kubeapi.status import StatusError, success
from slash24.lab.kubeapi.streams import NodeGateway
from slash24.lab.kubeapi.target import Target, read_path
from slash24.lab.kubeapi.watching import answer_watch
from slash24.store.database import DiskFullError
from slash24.store.objects import ClusterObjects, ObjectStore

log = logging.getLogger(__name__)

Authenticate = Callable[[str, str], str | None]

_STREAMS = ("exec", "attach", "portforward")
_MOST_BYTES = 3 << 20  # kube-apiserver's own limit of a request's body


class KubernetesApi:
    """The app: plain ASGI, since routing by patterns would cost as much as the requests themselves."""

    def __init__(
        self,
        store: ObjectStore,
        authenticate: Authenticate,
        nodes: NodeGateway,
        toleration_s: int,
        version: Callable[[str], str],
    ) -> None:
        self._store = store
        self._authenticate = authenticate
        self._nodes = nodes
        self._toleration_s = toleration_s
        self._version = version
        self._resumed: set[str] = set()

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
            objects = self._store.cluster(cluster)
            if cluster not in self._resumed:
                self._resumed.add(cluster)
                resume(objects)
            prefix, accept = request.scope.get("root_path", ""), request.headers.get("accept", "")
            about = about_server(_path(request.scope), prefix, accept, self._version(cluster))
            return about or await _answer(request, objects, cluster, user, self._nodes, self._toleration_s)
        except StatusError as error:
            refusal = error
        except DiskFullError as error:
            refusal = StatusError("InsufficientStorage", error.message)
        except Slash24Error as error:
            refusal = StatusError("BadRequest", error.message)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            refusal = StatusError("InternalError", "Internal error occurred: see the log of the lab's server")
        return JSONResponse(refusal.document(), refusal.code_number)

    async def _stream(self, websocket: WebSocket) -> None:
        try:
            cluster = websocket.path_params["cluster"]
            self._user(cluster, websocket.headers.get("authorization", ""))
            target = read_path(_path(websocket.scope))
            if target is None or target.kind is not POD or target.subresource not in _STREAMS:
                raise StatusError("NotFound", f"only {', '.join(_STREAMS)} are streams here")
            pod = running_pod(self._store.cluster(cluster), target)
            query = websocket.query_params
            session = session_of(pod, target, query.get("container") or "") | {
                "verb": target.subresource,
                "command": query.getlist("command"),
                **{name: query.get(name) in ("true", "1") for name in ("stdin", "stdout", "stderr", "tty")},
            }
        except StatusError as error:
            await websocket.send_denial_response(JSONResponse(error.document(), error.code_number))
            return
        if target.subresource == "portforward":
            await portforward.forward(websocket, self._nodes, cluster, pod["spec"]["nodeName"], session)
            return
        await streams.relay(websocket, self._nodes, cluster, pod["spec"]["nodeName"], session)

    def _user(self, cluster: str, header: str) -> str:
        user = self._authenticate(cluster, header.removeprefix("Bearer ").strip())
        if user is None:
            raise StatusError("Unauthorized", "Unauthorized")
        return user


def create_app(
    store: ObjectStore,
    *,
    authenticate: Authenticate,
    nodes: NodeGateway,
    toleration_s: int = 300,
    version: Callable[[str], str] = lambda _cluster: KUBERNETES_VERSION,
) -> KubernetesApi:
    """Return the app, for `Mount("/clusters/{cluster}", app)`.

    authenticate: (cluster, token) -> user, None if nobody's. nodes: the way to the kubelets. A new cluster's namespaces
    are made by `verbs.prepare_cluster`. toleration_s: how long new pods stay on a node that is not ready. version:
    cluster -> Kubernetes' version.
    """
    return KubernetesApi(store, authenticate, nodes, toleration_s, version)


def _path(scope: Scope) -> str:
    """Return the path below where the app is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


async def _answer(
    request: Request, objects: ClusterObjects, cluster: str, user: str, nodes: NodeGateway, toleration_s: int
) -> Response:
    path = _path(request.scope)
    if request.method == "POST" and path.rpartition("/")[2].startswith("selfsubject"):
        return JSONResponse(review(await _body(request), user), 201)
    target = read_path(path)
    if target is None:
        return PlainTextResponse("404 page not found\n", 404)
    query = request.query_params
    if target.subresource and (target.subresource not in target.kind.subresources):
        raise StatusError(
            "NotFound",
            f"the server could not find the requested resource ({target.subresource} of {target.kind.resource})",
        )
    if request.method in ("GET", "HEAD"):
        if target.subresource == "log":
            return await answer_logs(request, objects, cluster, target, nodes)
        if target.name:
            item = read(objects, target.kind, target.namespace, target.name)
            return answer_one(request, target.kind, item, objects)
        if query.get("watch") in ("true", "1"):
            return answer_watch(request, target.kind, target.namespace, objects)
        return answer_list(request, target.kind, target.namespace, objects)
    return _change(request, objects, target, await _body(request), toleration_s)


def _change(request: Request, objects: ClusterObjects, target: Target, body: Any, toleration_s: int) -> Response:
    query = request.query_params
    change = Change(
        dry_run="All" in query.getlist("dryRun"),
        validation=query.get("fieldValidation") or "Warn",
        manager=query.get("fieldManager") or request.headers.get("user-agent", "unknown").partition("/")[0],
        force=query.get("force") in ("true", "1"),
        toleration_s=toleration_s,
    )
    response = _carry_out(request, objects, target, body, change)
    for warning in change.warnings:
        text = warning.replace('"', r"\"")
        response.headers.append("Warning", f'299 - "{text}"')
    return response


def _carry_out(request: Request, objects: ClusterObjects, target: Target, body: Any, change: Change) -> Response:
    kind, namespace, name = target.kind, target.namespace, target.name
    method, sub = request.method, target.subresource
    if method == "POST" and sub == "binding":
        return JSONResponse(verbs.bind(objects, namespace, name, body), 201)
    if method == "POST" and sub == "eviction":
        delete(objects, POD, namespace, name, body.get("deleteOptions") or {}, change)
        return JSONResponse(success(), 201)
    if method == "POST" and not name:
        return answer_one(request, kind, verbs.create(objects, kind, namespace, body, change), objects, 201)
    if method == "PUT" and name:
        return answer_one(request, kind, verbs.replace(objects, kind, namespace, name, body, sub, change), objects)
    if method == "PATCH" and name:
        media_type = request.headers.get("content-type", "").split(";")[0].strip()
        item, made = verbs.patch(objects, kind, namespace, name, body, media_type, sub, change)
        return answer_one(request, kind, item, objects, 201 if made else 200)
    if method == "DELETE" and name and not sub:
        options = body if isinstance(body, dict) else {}
        change.dry_run = change.dry_run or "All" in (options.get("dryRun") or ())
        if request.query_params.get("gracePeriodSeconds"):
            options = options | {"gracePeriodSeconds": int_of(request.query_params, "gracePeriodSeconds")}
        return answer_one(request, kind, delete(objects, kind, namespace, name, options, change), objects)
    raise StatusError("MethodNotAllowed", f"{method} is not supported on {kind.resource}{'/' + sub if sub else ''}")


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
