"""Resources written as ARM documents, by ARM templates, Bicep and az: nested children become resources of their own."""

from collections.abc import Iterator, Mapping

from slash24.plan.iac import resource
from slash24.plan.iac.node import Node
from slash24.plan.iac.resource import Draft, Reading, Resource, Unchecked, id_of


def resources(
    kind: str, names: tuple[str, ...], body: Node, *, group: str = "<group>", existing: bool = False
) -> Iterator[Resource]:
    """Yield a resource and the subnets, pools and routes within it.

    kind: ARM's type in any case. names: of the resource and of those it lies in, outermost first.
    """
    kind = kind.lower()
    if kind not in resource.KINDS:
        return
    yield Resource(kind, id_of(group, kind, names), body, body.place, existing)
    if kind == resource.VNET:
        subnets = body.get("properties", "subnets")
        for subnet in subnets.items() if subnets is not None else ():
            name = subnet.get("name")
            inner = (*names, name.text if name else "<subnet>")
            yield Resource(resource.SUBNET, id_of(group, resource.SUBNET, inner), subnet, subnet.place, existing)


def shown(document: Node) -> Reading:
    """Return what `az aks show`, `az aks list` and `az network vnet show|list` printed: flat, with whole ids."""
    found: list[Resource] = []
    unchecked: list[Unchecked] = []
    for item in document.items():
        key, kind = item.get("id"), item.get("type")
        name = kind.text.lower() if kind else ""
        if item.get("agentPoolProfiles") is not None or name == resource.CLUSTER:
            kind_name = resource.CLUSTER
        elif item.get("addressSpace") is not None or name == resource.VNET:
            kind_name = resource.VNET
        elif name == resource.SUBNET or item.get("addressPrefix") is not None:
            kind_name = resource.SUBNET
        else:
            unchecked.append(Unchecked(item.place, "neither a cluster, a virtual network nor a subnet"))
            continue
        body = _nested(item)
        group, names = _of_id(key.text if key else "", item, kind_name)
        found += resources(kind_name, names, body, group=group)
    return Reading(tuple(found), tuple(unchecked))


def _nested(item: Node) -> Node:
    """Return a document with its settings below `properties`, as ARM has them and az prints them without."""
    if item.get("properties") is not None or not isinstance(item.value, Mapping):
        return item
    draft = Draft(item.place)
    for key, node in item.value.items():
        if key in ("id", "name", "type", "location", "identity", "sku", "tags", "resourceGroup"):
            draft.put(key, node)
        elif key == "subnets":
            draft.put("properties.subnets", Node(tuple(_nested(one) for one in node.items()), node.place))
        elif key == "routes":
            draft.put("properties.routes", Node(tuple(_nested(one) for one in node.items()), node.place))
        else:
            draft.put(f"properties.{key}", node)
    return draft.node()


def _of_id(text: str, item: Node, kind: str) -> tuple[str, tuple[str, ...]]:
    parts = text.strip("/").split("/")
    lower = [part.lower() for part in parts]
    if "resourcegroups" in lower[:-1] and "providers" in lower:
        return parts[lower.index("resourcegroups") + 1], tuple(parts[lower.index("providers") + 3 :: 2])
    group, name = item.get("resourceGroup"), item.get("name")
    names = (name.text if name else "<name>",)
    return group.text if group else "<group>", names if kind != resource.SUBNET else ("<vnet>", *names)
