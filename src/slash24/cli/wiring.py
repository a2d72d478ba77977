"""The lab server's one application: who answers which path, and for whom."""

import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from slash24.azure.app import create_app as create_arm_app
from slash24.azure.context import Arm
from slash24.azure.errors import from_slash24
from slash24.errors import Slash24Error
from slash24.lab.gateway import KubeletSockets
from slash24.lab.kubeapi.app import create_app as create_kubernetes
from slash24.lab.lab import Lab
from slash24.lab.status import lab_status
from slash24.store.objects import ObjectStore


def build_app(lab: Lab, store: ObjectStore, arm: Arm, token: str) -> Starlette:
    """Return the application: Kubernetes APIs under /clusters, the lab's own calls under /lab, ARM for the rest.

    token: the lab's token, which ARM and the lab's own calls ask for; each cluster has tokens of its own.
    """

    def is_user(given: str) -> str | None:
        return "slash24" if secrets.compare_digest(given, token) else None

    def for_users(answer: Callable[[Request], Awaitable[dict[str, Any]]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not is_user(given):
                return JSONResponse({"error": {"code": "AuthenticationFailed", "message": "a token is needed"}}, 401)
            try:
                return JSONResponse(await answer(request))
            except Slash24Error as error:
                refusal = from_slash24(error)
                return JSONResponse({"error": refusal.envelope}, refusal.status)

        return endpoint

    async def status(_request: Request) -> dict[str, Any]:
        return lab_status(lab)

    async def switch(action: str, request: Request) -> dict[str, Any]:
        return {"changed": await lab.switch_node(request.path_params["name"], action)}

    kubernetes = create_kubernetes(
        store,
        authenticate=lab.authenticate,
        nodes=KubeletSockets(lab.paths),
        toleration_s=lab.patience.toleration_s,
        version=lab.kubernetes_version,
    )
    azure = create_arm_app(arm, authenticate=is_user)
    return Starlette(
        routes=[
            Route("/lab/status", for_users(status)),
            *(
                Route(f"/lab/nodes/{{name}}/{action}", for_users(partial(switch, action)), methods=["POST"])
                for action in ("stop", "start", "reboot")
            ),
            Mount("/clusters/{cluster}", kubernetes),
            *azure.routes,
        ]
    )
