"""Pods as the API takes them: what a new one gets, and what none may be. Pure."""

import re
from collections.abc import Iterator
from typing import Any

from slash24.lab import quantity

Object = dict[str, Any]

SUBRESOURCES = ("status", "binding", "log", "exec", "attach", "portforward", "eviction", "ephemeralcontainers")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
RFC1123 = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character"
)

_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
_PROBE_DEFAULTS = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def defaults(item: Object) -> None:
    """Fill in what a new pod leaves out, in place."""
    spec = item.setdefault("spec", {})
    for key, value in {
        "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler", "enableServiceLinks": True,
    }.items():  # fmt: skip
        spec.setdefault(key, value)
    spec.setdefault("securityContext", {})  # kubectl debug dies without it
    for container in [*spec.get("initContainers", ()), *spec.get("containers", ())]:
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        image = str(container.get("image", ""))
        newest = image.endswith(":latest") or ":" not in image.rpartition("/")[2]
        container.setdefault("imagePullPolicy", "Always" if newest else "IfNotPresent")
        resources = container.setdefault("resources", {})
        if resources.get("limits"):  # what is limited and not asked for is asked for
            resources["requests"] = resources["limits"] | (resources.get("requests") or {})
        for probe in filter(None, map(container.get, _PROBES)):
            for key, value in _PROBE_DEFAULTS.items():
                probe.setdefault(key, value)
        for port in container.get("ports", ()):
            port.setdefault("protocol", "TCP")
    item["status"] = {"phase": "Pending", "qosClass": _qos_class(spec)}  # whatever a copied manifest says


def tolerate_lost_nodes(pod: Object, seconds: int) -> None:
    """Let a new pod outlive the taints of a node that is not ready for a while (DefaultTolerationSeconds), in place."""
    tolerations = pod["spec"].setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(t.get("key") in (None, key) and t.get("effect") in (None, "", "NoExecute") for t in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds})


def _qos_class(spec: Object) -> str:
    """Return Guaranteed if all limits of both resources are requests, BestEffort if there are neither."""
    every = [one.get("resources") or {} for one in (*spec.get("initContainers", ()), *spec.get("containers", ()))]
    if not any(one.get("limits") or one.get("requests") for one in every):
        return "BestEffort"
    for one in every:
        limits, requests = one.get("limits") or {}, one.get("requests") or {}
        if any(name not in limits or limits[name] != requests.get(name) for name in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"


def problems(item: Object) -> Iterator[tuple[str, str]]:
    """Yield (field, text) of what is wrong with a pod, in Kubernetes' words."""
    spec = item.get("spec", {})
    containers = spec.get("containers")
    if not isinstance(containers, list) or not containers:
        yield "spec.containers", "Required value"
        return
    seen: set[str] = set()
    for sort in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(sort) or ()):
            yield from _container_problems(f"spec.{sort}[{i}]", container, seen)
    policy = spec.get("restartPolicy")
    if policy not in ("Always", "OnFailure", "Never"):
        text = f'Unsupported value: "{policy}": supported values: "Always", "OnFailure", "Never"'
        yield "spec.restartPolicy", text


def _container_problems(field: str, container: Any, seen: set[str]) -> Iterator[tuple[str, str]]:
    """seen: the names so far."""
    if not isinstance(container, dict):
        yield field, "Invalid value: must be an object"
        return
    name = str(container.get("name") or "")
    if not LABEL.fullmatch(name):
        yield f"{field}.name", f'Invalid value: "{name}": {RFC1123}' if name else "Required value"
    if name in seen:
        yield f"{field}.name", f'Duplicate value: "{name}"'
    seen.add(name)
    if not container.get("image"):
        yield f"{field}.image", "Required value"
    for sort in ("requests", "limits"):
        for resource, text in ((container.get("resources") or {}).get(sort) or {}).items():
            yield from _quantity_problems(f"{field}.resources.{sort}[{resource}]", text)


def _quantity_problems(field: str, text: Any) -> Iterator[tuple[str, str]]:
    try:
        if quantity.parse(text) < 0:
            yield field, f'Invalid value: "{text}": must be greater than or equal to 0'
    except ValueError as error:
        yield field, f'Invalid value: "{text}": {error}'
