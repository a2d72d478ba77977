"""What a pod may be told of itself and of its node: Kubernetes' downward API. Pure."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from slash24.errors import Slash24Error
from slash24.lab import quantity

Json = dict[str, Any]

#: (`ConfigMap` or `Secret`, name) -> the object of the pod's namespace; None if there is none.
Find = Callable[[str, str], Json | None]


class ContainerConfigError(Slash24Error):
    """A container's settings can't be turned into a process (Kubernetes' CreateContainerConfigError)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a pod's manifest alone doesn't say.

    fields: values of `spec.nodeName`, `status.hostIP`, `status.podIP` and their plurals.
    allocatable: the node's resources, which are the limits of a container that has none.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    allocatable: Mapping[str, str] = field(default_factory=dict)
    find: Find = lambda _kind, _name: None


def field_value(pod: Json, path: str, facts: Facts) -> str:
    """Return the text of a field that `fieldRef` names. Raises ContainerConfigError for one that can't be had."""
    metadata = pod.get("metadata", {})
    keyed = re.fullmatch(r"metadata\.(labels|annotations)\['(.*)'\]", path)
    if keyed:
        return str((metadata.get(keyed.group(1)) or {}).get(keyed.group(2), ""))
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = metadata.get(path.partition(".")[2]) or {}
        return "\n".join(f"{key}={_quoted(str(pairs[key]))}" for key in sorted(pairs))
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return str(metadata.get(path.partition(".")[2], ""))
    if path == "spec.serviceAccountName":
        return str(pod.get("spec", {}).get("serviceAccountName", "default"))
    if path in facts.fields:
        return facts.fields[path]
    raise ContainerConfigError(f"unsupported fieldPath: {path}")


def resource_value(pod: Json, container: Json, selector: Json, facts: Facts) -> str:
    """Return the number that `resourceFieldRef` asks for, rounded up to whole divisors. Raises ContainerConfigError.

    container: the one that asks; `containerName` may name another.
    """
    name, wanted = selector.get("containerName"), str(selector.get("resource", ""))
    everyone = [*pod["spec"].get("initContainers", ()), *pod["spec"].get("containers", ())]
    chosen = next((one for one in everyone if one["name"] == name), None) if name else container
    if chosen is None:
        raise ContainerConfigError(f'container "{name}" not found')
    kind, _, resource = wanted.partition(".")
    if kind not in ("limits", "requests") or not resource:
        raise ContainerConfigError(f"unsupported container resource: {wanted}")
    stated = (chosen.get("resources") or {}).get(kind) or {}
    given = stated.get(resource, facts.allocatable.get(resource, "0") if kind == "limits" else "0")
    divisor = str(selector.get("divisor") or "1")
    try:
        number = quantity.parse(given) / quantity.parse("1" if divisor == "0" else divisor)
    except (ValueError, ZeroDivisionError) as error:
        raise ContainerConfigError(f"{wanted}: {error}") from error
    return str(math.ceil(number))


def _quoted(text: str) -> str:
    """Return a value as Go's %q writes it, so that each is one line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
