"""A pod's streams, up to its kubelet: what `kubectl logs`, `exec` and `attach` may ask for."""

import asyncio
import contextlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from slash24.errors import Slash24Error
from slash24.lab.kubeapi import streams
from slash24.lab.kubeapi.change import read
from slash24.lab.kubeapi.kinds import POD
from slash24.lab.kubeapi.lists import int_of
from slash24.lab.kubeapi.status import StatusError
from slash24.lab.kubeapi.streams import NodeGateway
from slash24.lab.kubeapi.target import Target
from slash24.store.objects import ClusterObjects


def running_pod(objects: ClusterObjects, target: Target) -> dict[str, Any]:
    pod = read(objects, POD, target.namespace, target.name)
    if not pod["spec"].get("nodeName"):
        raise StatusError("BadRequest", f"pod {target.name} does not have a host assigned")
    if target.subresource != "log" and pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        phase = pod["status"]["phase"]
        raise StatusError("BadRequest", f"cannot exec into a container in a completed pod; current phase is {phase}")
    return pod


def session_of(pod: dict[str, Any], target: Target, container: str) -> dict[str, Any]:
    sorts = ("initContainers", "containers", "ephemeralContainers")
    names = [container["name"] for sort in sorts for container in pod["spec"].get(sort) or ()]
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


async def answer_logs(
    request: Request, objects: ClusterObjects, cluster: str, target: Target, nodes: NodeGateway
) -> Response:
    pod = running_pod(objects, target)
    query = request.query_params
    session = session_of(pod, target, query.get("container") or "") | {
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
