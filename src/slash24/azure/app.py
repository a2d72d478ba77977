"""The ARM face: one route, since ARM's paths are matched without regard to case and doubled slashes."""

import json
import logging
import uuid
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from slash24.azure import clusters, groups, pools, power, upgrades, vnets
from slash24.azure.context import POLL_MS, Arm, Call, Handler, answer, listing
from slash24.azure.errors import ArmError, Json, from_slash24
from slash24.azure.ids import CLUSTERS, CONTAINERS, GROUPS, POOLS, SUBNETS, VNETS, parse
from slash24.azure.operations import Operations
from slash24.azure.provisioner import Provisioner
from slash24.errors import Slash24Error
from slash24.store.resources import Resources

log = logging.getLogger(__name__)

Authenticate = Callable[[str], str | None]

DRY_RUN_HEADER = "x-slash24-dry-run"
MAX_BODY_BYTES = 4 << 20  # ARM's own limit
DEFAULT_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
_METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")


async def _list_subscriptions(_arm: Arm, _call: Call) -> Response:
    return listing([_subscription(DEFAULT_SUBSCRIPTION)])


async def _get_subscription(_arm: Arm, call: Call) -> Response:
    return answer(_subscription(call.path.subscription))


def _subscription(subscription: str) -> Json:
    return {
        "id": f"/subscriptions/{subscription}",
        "subscriptionId": subscription,
        "tenantId": DEFAULT_SUBSCRIPTION,
        "displayName": "slash24 lab",
        "state": "Enabled",
    }


async def _get_operation(arm: Arm, call: Call) -> Response:
    document = _operation(arm, call)
    running = document["status"] == "InProgress"
    return answer(document, headers={"retry-after-ms": POLL_MS} if running else None)


async def _get_operation_result(arm: Arm, call: Call) -> Response:
    """The same operation as `Location` has it: 202 until it ends."""
    document = _operation(arm, call)
    if document["status"] == "InProgress":
        return Response(status_code=202, headers={"retry-after-ms": POLL_MS})
    if document["status"] == "Failed":
        return answer({"error": document["error"]}, 400)
    return answer(None, 204)


def _operation(arm: Arm, call: Call) -> Json:
    namespace = call.path.kind.split("/")[0]
    location, name = call.path.names
    found = arm.operations.get(f"/subscriptions/x/providers/{namespace}/locations/{location}/operations/{name}")
    if found is None:
        raise ArmError(404, "NotFound", f"The operation {name} could not be found.")
    return found


# (method, type, is it a collection or an action) -> handler
_HANDLERS: dict[tuple[str, str, bool], Handler] = {
    ("GET", "subscriptions", True): _list_subscriptions,
    ("GET", "subscriptions", False): _get_subscription,
    ("GET", GROUPS, True): groups.list_groups,
    ("GET", GROUPS, False): groups.get_group,
    ("HEAD", GROUPS, False): groups.head_group,
    ("PUT", GROUPS, False): groups.put_group,
    ("PATCH", GROUPS, False): groups.patch_group,
    ("DELETE", GROUPS, False): groups.delete_group,
    ("GET", VNETS, True): vnets.list_vnets,
    ("GET", VNETS, False): vnets.get_vnet,
    ("PUT", VNETS, False): vnets.put_vnet,
    ("DELETE", VNETS, False): vnets.delete_vnet,
    ("GET", SUBNETS, True): vnets.list_subnets,
    ("GET", SUBNETS, False): vnets.get_subnet,
    ("PUT", SUBNETS, False): vnets.put_subnet,
    ("DELETE", SUBNETS, False): vnets.delete_subnet,
    ("GET", CLUSTERS, True): clusters.list_clusters,
    ("GET", CLUSTERS, False): clusters.get_cluster,
    ("PUT", CLUSTERS, False): clusters.put_cluster,
    ("PATCH", CLUSTERS, False): clusters.patch_cluster_tags,
    ("DELETE", CLUSTERS, False): clusters.delete_cluster,
    ("POST", f"{CLUSTERS}/listclusterusercredential", True): clusters.list_credentials,
    ("POST", f"{CLUSTERS}/listclusteradmincredential", True): clusters.list_credentials,
    ("POST", f"{CLUSTERS}/stop", True): power.stop_cluster,
    ("POST", f"{CLUSTERS}/start", True): power.start_cluster,
    ("GET", f"{CLUSTERS}/upgradeprofiles", False): upgrades.get_cluster_upgrades,
    ("GET", f"{CONTAINERS.lower()}/locations/kubernetesversions", True): upgrades.list_versions,
    ("GET", POOLS, True): pools.list_pools,
    ("GET", POOLS, False): pools.get_pool,
    ("PUT", POOLS, False): pools.put_pool,
    ("DELETE", POOLS, False): pools.delete_pool,
    ("GET", f"{POOLS}/machines", True): pools.list_machines,
    ("POST", f"{POOLS}/upgradenodeimageversion", True): pools.upgrade_image,
    ("GET", f"{POOLS}/upgradeprofiles", False): upgrades.get_pool_upgrades,
}
_OPERATIONS = {"locations/operations": _get_operation, "locations/operationresults": _get_operation_result}


def create_arm(resources: Resources, provisioner: Provisioner) -> Arm:
    """Return the ARM face without a server around it; the lab's own calls use it beside the app."""
    return Arm(resources, provisioner, Operations(resources))


def create_app(arm: Arm, *, authenticate: Authenticate) -> Starlette:
    """Return the app that serves `/subscriptions...`.

    authenticate: the user of a bearer token, None if nobody's. Mount it, or add its `routes` to another app's.
    """

    async def endpoint(request: Request) -> Response:
        request_id = str(uuid.uuid4())
        try:
            _authenticate(request, authenticate)
            response = await _handle(arm, request)
        except Slash24Error as error:
            refusal = from_slash24(error)
            headers = {"WWW-Authenticate": 'Bearer realm="slash24"'} if refusal.status == 401 else None
            if request.method == "HEAD":
                response = Response(status_code=refusal.status, headers=headers)
            else:
                response = answer({"error": refusal.envelope}, refusal.status, headers)
        except Exception as error:
            log.exception("%s %s failed (request %s)", request.method, request.url.path, request_id)
            message = f"{type(error).__name__}: {error}"
            response = answer({"error": {"code": "InternalServerError", "message": message}}, 500)
        response.headers["x-ms-request-id"] = request_id
        return response

    routes = [Route("/subscriptions{rest:path}", endpoint, methods=_METHODS, include_in_schema=False)]
    app = Starlette(routes=routes)
    app.state.arm = arm
    return app


def _authenticate(request: Request, authenticate: Authenticate) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not token:
        raise ArmError(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
    if scheme.lower() != "bearer" or not token.isascii() or authenticate(token.strip()) is None:
        raise ArmError(401, "InvalidAuthenticationToken", "The access token is invalid.")


async def _handle(arm: Arm, request: Request) -> Response:
    path = parse(request.url.path)
    namespace, _, type_name = path.kind.partition("/")
    if type_name in _OPERATIONS and request.method == "GET" and len(path.names) == 2:
        handler: Handler | None = _OPERATIONS[type_name]
    else:
        handler = _HANDLERS.get((request.method, path.kind, path.is_collection))
    if handler is None:
        raise _unknown(request.method, path.kind, namespace, type_name)
    call = Call(
        path=path,
        body=await _body(request),
        base=f"{request.url.scheme}://{request.url.netloc}",
        query={key.lower(): value for key, value in request.query_params.items()},
        dry_run=request.headers.get(DRY_RUN_HEADER, "").lower() == "true",
    )
    return await handler(arm, call)


def _unknown(method: str, kind: str, namespace: str, type_name: str) -> ArmError:
    if any(known == kind for _, known, _ in _HANDLERS):
        return ArmError(405, "MethodNotAllowed", f"The method {method} is not implemented for {kind}.")
    if not any(known.startswith(namespace + "/") for _, known, _ in _HANDLERS):
        return ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is not implemented.")
    return ArmError(404, "InvalidResourceType", f"The resource type '{type_name}' of '{namespace}' is not implemented.")


async def _body(request: Request) -> Json:
    """Return the JSON object of a body, {} if there is none."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise ArmError(413, "RequestContentTooLarge", f"The body is larger than {MAX_BODY_BYTES} bytes.")
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ArmError(
            400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: '{error}'."
        ) from error
    if not isinstance(body, dict):
        raise ArmError(400, "InvalidRequestContent", "The request content must be a JSON object.")
    return body
