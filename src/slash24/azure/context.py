"""What the handlers of requests share."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse, Response

from slash24.azure.errors import Json, group_not_found
from slash24.azure.ids import ArmPath, group_id
from slash24.azure.operations import Operations
from slash24.azure.provisioner import Provisioner
from slash24.core.topology import resource_key
from slash24.store.resources import Resources

# Milliseconds, not Retry-After's whole seconds: az and the SDKs honour it, and without either they wait 30 s.
POLL_MS = "200"


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `base` is scheme and host, for absolute URLs; `dry_run` asks to judge it and do nothing."""

    path: ArmPath
    body: Json
    base: str
    query: dict[str, str]
    dry_run: bool = False


@dataclass(slots=True)
class Arm:
    """The ARM face of one lab."""

    resources: Resources
    provisioner: Provisioner
    operations: Operations
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    def lock(self, resource_id: str) -> asyncio.Lock:
        """Return the lock of a resource that is changed within a request."""
        return self.locks.setdefault(resource_key(resource_id), asyncio.Lock())

    def group(self, call: Call) -> Json:
        """Return the document of the request's group. Raises ArmError ResourceGroupNotFound."""
        found = self.resources.get(group_id(call.path.subscription, call.path.group))
        if found is None:
            raise group_not_found(call.path.group)
        return found


Handler = Callable[[Arm, Call], Awaitable[Response]]


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer; none with 204."""
    if status == 204:
        return Response(status_code=204, headers=headers)
    return JSONResponse(body, status, headers, media_type="application/json; charset=utf-8")


def accepted(call: Call, operation: Json, body: Any = None, status: int = 202) -> Response:
    """Return the answer to a request whose work has begun: with the URL to poll."""
    url = f"{call.base}{operation['id']}?api-version=2024-01-01"
    headers = {"Azure-AsyncOperation": url, "retry-after-ms": POLL_MS}
    if body is None:
        headers["Location"] = url.replace("/operations/", "/operationresults/", 1)
        return Response(status_code=202, headers=headers)
    return answer(body, status, headers)


def listing(documents: list[Json]) -> Response:
    return answer({"value": documents})


def operations_base(subscription: str, namespace: str, location: str) -> str:
    """Return the id below which the operations of a namespace lie."""
    return f"/subscriptions/{subscription}/providers/{namespace}/locations/{location}"


def stable_uuid(*parts: str) -> str:
    """Return an id that a resource keeps for as long as it has its name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(parts).lower()))
