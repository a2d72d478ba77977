"""How a request means its change."""

from dataclasses import dataclass, field
from typing import Any

from slash24.lab.kubeapi.kinds import Kind
from slash24.store.objects import ClusterObjects

Object = dict[str, Any]


@dataclass(slots=True)
class Change:
    """How a change is meant: the query of its request. `warnings` are for the client."""

    dry_run: bool = False
    validation: str = "Warn"
    manager: str = "unknown"
    force: bool = False
    toleration_s: int = 300  # what a new pod's tolerations of nodes that are not ready get, as by Kubernetes' admission
    warnings: list[str] = field(default_factory=list)


def read(objects: ClusterObjects, kind: Kind, namespace: str, name: str) -> Object:
    found = objects.find(kind.plural, name, namespace=namespace)
    if found is None:
        raise kind.not_found(name)
    return found
