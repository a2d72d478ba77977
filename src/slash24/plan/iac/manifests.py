"""What a migration must know of a cluster's objects, from what `kubectl get -A -o yaml` wrote."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from slash24.plan.iac.file import File
from slash24.plan.iac.node import Place, ReadError

_IP_MASQ = "azure-ip-masq-agent-config"


@dataclass(frozen=True, slots=True)
class Objects:
    """policies: NetworkPolicies. ip_masq: whether the user's settings of ip-masq-agent are there, None if no ConfigMap
    was listed. internal_frontends: private addresses that Services ask of internal load balancers.
    """

    policies: int = 0
    ip_masq: bool | None = None
    internal_frontends: tuple[str, ...] = ()


def read(files: list[File]) -> Objects:
    """Return what the files list. Raises ReadError if one is no YAML, or its brackets are nested too deep."""
    found = [one for file in files for one in _objects(file)]
    maps = [one for one in found if one.get("kind") == "ConfigMap"]
    addresses = (
        _annotation(one, "service.beta.kubernetes.io/azure-load-balancer-ipv4")
        for one in found
        if one.get("kind") == "Service"
    )
    return Objects(
        policies=sum(one.get("kind") == "NetworkPolicy" for one in found),
        ip_masq=any(_meta(one).get("name") == _IP_MASQ for one in maps) if maps else None,
        internal_frontends=tuple(address for address in addresses if address),
    )


def _objects(file: File) -> Iterator[dict[str, Any]]:
    import yaml

    file.refuse_deep_nesting()
    try:
        documents = list(yaml.load_all(file.text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        raise ReadError("it is no YAML", Place(file.name, line)) from error
    for document in documents:
        if isinstance(document, dict):
            items = document.get("items")
            yield from (one for one in (items if isinstance(items, list) else [document]) if isinstance(one, dict))


def _meta(one: dict[str, Any]) -> dict[str, Any]:
    found = one.get("metadata")
    return found if isinstance(found, dict) else {}


def _annotation(one: dict[str, Any], name: str) -> str:
    annotations = _meta(one).get("annotations")
    return str(annotations.get(name, "")) if isinstance(annotations, dict) else ""
