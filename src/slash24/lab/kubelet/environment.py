"""A container's environment, from its manifest and what that refers to. Pure."""

import base64
import re
from collections.abc import Mapping
from typing import Any

from slash24.lab.kubelet.downward import ContainerConfigError, Facts, field_value, resource_value

Json = dict[str, Any]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")


def expand(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with every $(NAME) that is known replaced; $$ is a dollar sign.

    >>> expand("$(A) $(B) $$(A)", {"A": "x"})
    'x $(B) $(A)'
    """

    def value(match: re.Match[str]) -> str:
        if match.group(0) == "$$":
            return "$"
        return values.get(match.group(1), match.group(0))

    return _REFERENCE.sub(value, text)


def environment(pod: Json, container: Json, facts: Facts, hostname: str) -> dict[str, str]:
    """Return a container's environment, in the manifest's order after what a runtime sets; `env` wins over `envFrom`.

    Raises ContainerConfigError for a ConfigMap, a Secret or a key that isn't there and isn't optional.
    """
    env = {"PATH": PATH, "HOSTNAME": hostname, "HOME": "/root"}
    if container.get("tty"):
        env["TERM"] = "xterm"
    for source in container.get("envFrom") or ():
        prefix = str(source.get("prefix") or "")
        for key, reference in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if key in source:
                values = _values(reference, source[key], facts)
                env |= {prefix + name: value for name, value in values.items()}
    for variable in container.get("env") or ():
        value = _value(pod, container, variable, facts, env)
        if value is not None:
            env[str(variable.get("name", ""))] = value
    return env


def _value(pod: Json, container: Json, variable: Json, facts: Facts, known: Mapping[str, str]) -> str | None:
    """Return a variable's value; None if it is optional and not there."""
    source = variable.get("valueFrom") or {}
    if not source:
        return expand(str(variable.get("value") or ""), known)
    if "fieldRef" in source:
        return field_value(pod, str(source["fieldRef"].get("fieldPath", "")), facts)
    if "resourceFieldRef" in source:
        return resource_value(pod, container, source["resourceFieldRef"], facts)
    for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if key in source:
            return _keyed_value(pod, kind, source[key], facts)
    raise ContainerConfigError(f"env {variable.get('name')}: the lab has no valueFrom.{next(iter(source))}")


def _keyed_value(pod: Json, kind: str, reference: Json, facts: Facts) -> str | None:
    key = str(reference.get("key", ""))
    value = _values(kind, reference, facts).get(key)
    if value is None and not reference.get("optional"):
        where = f"{pod['metadata']['namespace']}/{reference.get('name')}"
        raise ContainerConfigError(f"couldn't find key {key} in {kind} {where}")
    return value


def _values(kind: str, reference: Json, facts: Facts) -> dict[str, str]:
    """Return what a ConfigMap or a Secret holds, as text; nothing if it is optional and not there."""
    name = str(reference.get("name", ""))
    found = facts.find(kind, name)
    if found is None:
        if reference.get("optional"):
            return {}
        raise ContainerConfigError(f'{kind.lower()} "{name}" not found')
    data = found.get("data") or {}
    if kind == "ConfigMap":
        return dict(data)
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
