"""What an API server says about itself: groups, kinds, and the least of OpenAPI that kubectl wants."""

from typing import Any

from slash24.lab.kubeapi.kinds import KINDS, VERBS, Kind

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
#: An empty OpenAPI v2 document: no bytes are a valid empty protobuf message. kubectl wants the dot in the type.
OPENAPI_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_SUBRESOURCE_VERBS = {
    "status": ["get", "patch", "update"], "binding": ["create"], "eviction": ["create"], "log": ["get"],
    "exec": ["create", "get"], "attach": ["create", "get"], "portforward": ["create", "get"], "finalize": ["update"],
    "ephemeralcontainers": ["get", "patch", "update"],
}  # fmt: skip
_EVICTION = {"group": "policy", "version": "v1", "kind": "Eviction"}
#: The reviews with which kubectl asks what it may do and who it is.
_REVIEWS = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authorization.k8s.io", "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    ("authentication.k8s.io", "selfsubjectreviews"): "SelfSubjectReview",
}


def _response_kind(kind: Kind, subresource: str) -> dict[str, str]:
    if subresource == "eviction":
        return _EVICTION
    return {"group": kind.group, "version": kind.version, "kind": "Binding" if subresource == "binding" else kind.kind}


def version(kubernetes: str) -> dict[str, str]:
    """Return what `/version` answers for a control plane of that version, 1.37.1."""
    major, minor, *_ = kubernetes.split(".")
    return {
        "major": major, "minor": minor, "gitVersion": f"v{kubernetes}+slash24", "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "", "goVersion": "", "compiler": "", "platform": "linux/amd64",
    }  # fmt: skip


def groups() -> list[tuple[str, str]]:
    """Return (group, version) of every group but the core, in order."""
    found = dict.fromkeys((kind.group, kind.version) for kind in KINDS if kind.group)
    return [*found, ("authorization.k8s.io", "v1"), ("authentication.k8s.io", "v1")]


def aggregated(core: bool) -> dict[str, Any]:
    """Return the discovery document in its aggregated form: of the core group, or of all the others."""
    items = []
    for group, version in [("", "v1")] if core else groups():
        resources = [_discovered(kind) for kind in KINDS if (kind.group, kind.version) == (group, version)]
        resources += [
            {"resource": plural, "responseKind": {"group": group, "version": "v1", "kind": review}, "scope": "Cluster",
             "singularResource": review.lower(), "verbs": ["create"]}
            for (review_group, plural), review in _REVIEWS.items() if review_group == group
        ]  # fmt: skip
        versions = [{"version": version, "freshness": "Current", "resources": resources}]
        items.append({"metadata": {} if core else {"name": group}, "versions": versions})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _discovered(kind: Kind) -> dict[str, Any]:
    response = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    entry: dict[str, Any] = {
        "resource": kind.plural, "responseKind": response, "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular, "verbs": list(VERBS),
    }  # fmt: skip
    if kind.short:
        entry["shortNames"] = list(kind.short)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if kind.subresources:
        entry["subresources"] = [
            {"subresource": name, "responseKind": _response_kind(kind, name), "verbs": _SUBRESOURCE_VERBS[name]}
            for name in kind.subresources
        ]
    return entry


def legacy_list(group: str, version: str) -> dict[str, Any]:
    """Return the older form of one group's discovery, which `auth can-i` and `drain` read."""
    resources: list[dict[str, Any]] = []
    for kind in KINDS:
        if (kind.group, kind.version) != (group, version):
            continue
        entry: dict[str, Any] = {
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
            "verbs": list(VERBS),
        }  # fmt: skip
        if kind.short:
            entry["shortNames"] = list(kind.short)
        if kind.categories:
            entry["categories"] = list(kind.categories)
        resources.append(entry)
        for name in kind.subresources:
            sub: dict[str, Any] = {
                "name": f"{kind.plural}/{name}", "singularName": "", "namespaced": kind.namespaced,
                "kind": _response_kind(kind, name)["kind"], "verbs": _SUBRESOURCE_VERBS[name],
            }  # fmt: skip
            resources.append(sub | (_EVICTION if name == "eviction" else {}))
    for (review_group, plural), review in _REVIEWS.items():
        if review_group == group:
            resources.append(
                {"name": plural, "singularName": "", "namespaced": False, "kind": review, "verbs": ["create"]}
            )
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources}


def legacy_groups() -> dict[str, Any]:
    entries = []
    for group, version in groups():
        entry = {"groupVersion": f"{group}/{version}", "version": version}
        entries.append({"name": group, "versions": [entry], "preferredVersion": entry})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": entries}


def openapi_root(prefix: str) -> dict[str, Any]:
    paths = ["api/v1", *(f"apis/{group}/{version}" for group, version in groups())]
    return {"paths": {path: {"serverRelativeURL": f"{prefix}/openapi/v3/{path}?hash=1"} for path in paths}}


def openapi_group(path: str) -> dict[str, Any]:
    """Return the OpenAPI v3 document of `api/v1` or `apis/<group>/<version>`: kubectl then leaves validation to us."""
    parts = path.split("/")
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
    parameter = {"in": "query", "name": "fieldValidation", "schema": {"type": "string"}}
    paths = {}
    for kind in KINDS:
        if (kind.group, kind.version) == (group, version):
            where = f"/{path}/namespaces/{{namespace}}" if kind.namespaced else f"/{path}"
            names = {"group": group, "version": version, "kind": kind.kind}
            operation = {"parameters": [parameter], "x-kubernetes-group-version-kind": names, "responses": {}}
            paths[f"{where}/{kind.plural}/{{name}}"] = {"patch": operation}
    info = {"title": "slash24", "version": "v1"}
    return {"openapi": "3.0.0", "info": info, "components": {"schemas": {}}, "paths": paths}
