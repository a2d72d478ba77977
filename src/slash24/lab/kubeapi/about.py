"""What the server says of itself, and of who asks: versions, discovery, health, reviews."""

import json
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from slash24.lab.kubeapi import discovery


def about_server(path: str, prefix: str, accept: str, version: str) -> Response | None:
    """Answer what asks about the server itself, of Kubernetes' `version`; None if `path` doesn't."""
    if path in ("/healthz", "/readyz", "/livez"):
        return PlainTextResponse("ok")
    if path == "/version":
        return JSONResponse(discovery.version(version))
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


def review(body: Any, user: str) -> dict[str, Any]:
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
