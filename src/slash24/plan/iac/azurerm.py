"""The azurerm provider's resources in ARM's shape, from their attributes, be they of a source file or of a plan."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from slash24.core.topology import resource_key
from slash24.plan.iac import resource, settings
from slash24.plan.iac.node import Node, Unknown, Value
from slash24.plan.iac.resource import Draft, Resource, full_id, id_of
from slash24.plan.iac.settings import Setting, Type

_SUBSCRIPTION = "the subscription is not in the files"


class Identity(NamedTuple):
    """What an id is made of: resource group, ARM's type, and the names of the resource and of those it lies in."""

    group: str
    kind: str
    names: tuple[str, ...]


def has_id(type_: str) -> bool:
    """Return whether rules look at resources of that type."""
    return type_ in _READERS


def identity(type_: str, attributes: Node) -> Identity:
    """Return what the id of a resource is made of; names that aren't known are holes."""
    group, name = _text(attributes, "resource_group_name"), _text(attributes, "name")
    match type_:
        case "azurerm_subnet":
            return Identity(group, resource.SUBNET, (_text(attributes, "virtual_network_name"), name))
        case "azurerm_virtual_network":
            return Identity(group, resource.VNET, (name,))
        case "azurerm_route_table":
            return Identity(group, resource.ROUTE_TABLE, (name,))
        case "azurerm_kubernetes_cluster_node_pool":
            cluster = _text(attributes, "kubernetes_cluster_id").strip("/").split("/")
            group = cluster[-5] if len(cluster) > 5 else group
            return Identity(group, resource.POOL, (cluster[-1], name))
        case "azurerm_kubernetes_cluster":
            return Identity(group, resource.CLUSTER, (name,))
    return Identity(group, type_, (name,))


def made_id(group: str, kind: str, names: tuple[str, ...]) -> Value:
    """Return the id that a resource will have: all of it is known but the subscription."""
    return Unknown(_SUBSCRIPTION, full_id(group, kind, names))


def _text(attributes: Node, name: str) -> str:
    found = attributes.get(name)
    return found.text if found else f"<{name}>"


def _walk(attributes: Node, path: str) -> Node | None:
    """Return what is at a path through blocks, of each of which the first counts."""
    found: Node | None = attributes
    for key in path.split("."):
        while found is not None and isinstance(found.value, tuple):
            found = found.value[0] if found.value else None
        if found is None or not isinstance(found.value, Mapping | Unknown):
            return None
        if isinstance(found.value, Mapping) and key not in found.value:
            return None
        found = found.get(key)
    return found


def _settings(draft: Draft, below: str, attributes: Node, table: tuple[Setting, ...]) -> None:
    for one in table:
        for name in (one.terraform, *one.older):
            found = _walk(attributes, name) if name else None
            if found is not None and found.value != "" and (found.value != () or one.type is not Type.LIST):
                draft.put(f"{below}{one.arm}", found)
                break


def _cluster(attributes: Node) -> Iterator[Resource]:
    key = identity("azurerm_kubernetes_cluster", attributes)
    draft = Draft(attributes.place)
    _put_names(draft, attributes, "name", "location")
    _settings(draft, "properties.", attributes, settings.CLUSTER)
    for one in settings.ADDONS:
        found = _walk(attributes, one.terraform) if one.terraform else None
        if found is not None and found.value != ():
            block = isinstance(found.value, tuple | Mapping)  # a block that is there is an add-on that is on
            draft.put(f"properties.{one.arm}", Node(True, found.place) if block else found)
    kind = _walk(attributes, "identity.type")
    if kind is not None:
        draft.put("identity.type", kind)
    first = _walk(attributes, "default_node_pool")
    if first is not None and not first.unknown:
        pool = first.value[0] if isinstance(first.value, tuple) and first.value else first
        draft.set("properties.agentPoolProfiles", (_pool_body(pool, default_mode="System"),))
    yield _made(key, draft, attributes)


def _pool_body(attributes: Node, *, default_mode: str) -> Node:
    pool = Draft(attributes.place)
    pool.set("mode", default_mode)
    _settings(pool, "", attributes, settings.POOL)
    return pool.node()


def _pool(attributes: Node) -> Iterator[Resource]:
    key = identity("azurerm_kubernetes_cluster_node_pool", attributes)
    draft = Draft(attributes.place)
    _put_names(draft, attributes, "name")
    draft.put("properties", _pool_body(attributes, default_mode="User"))
    yield _made(key, draft, attributes)


def _vnet(attributes: Node) -> Iterator[Resource]:
    key = identity("azurerm_virtual_network", attributes)
    draft = Draft(attributes.place)
    _put_names(draft, attributes, "name", "location")
    space = attributes.get("address_space")
    if space is not None:
        draft.put("properties.addressSpace.addressPrefixes", space)
    yield _made(key, draft, attributes)
    inner = (
        attributes.value.get("subnet")
        if isinstance(attributes.value, Mapping) and "subnet" in attributes.value
        else None
    )
    for subnet in inner.items() if inner is not None else ():
        inner_key = Identity(key.group, resource.SUBNET, (*key.names, _text(subnet, "name")))
        yield _made(inner_key, _subnet_body(subnet), subnet)


def _subnet(attributes: Node) -> Iterator[Resource]:
    yield _made(identity("azurerm_subnet", attributes), _subnet_body(attributes), attributes)


def _subnet_body(attributes: Node) -> Draft:
    draft = Draft(attributes.place)
    _put_names(draft, attributes, "name")
    for name in ("address_prefixes", "address_prefix"):
        prefixes = _walk(attributes, name)
        if prefixes is not None:
            draft.put("properties.addressPrefixes", Node(tuple(prefixes.items()), prefixes.place))
    delegation = _walk(attributes, "delegation")
    if delegation is not None:
        draft.put("properties.delegations", delegation)
    return draft


def _route_table(attributes: Node) -> Iterator[Resource]:
    key = identity("azurerm_route_table", attributes)
    draft = Draft(attributes.place)
    _put_names(draft, attributes, "name")
    routes = []
    given = _walk(attributes, "route")
    for route in given.items() if given is not None else ():
        one = Draft(route.place)
        for name, arm in (("address_prefix", "addressPrefix"), ("next_hop_type", "nextHopType")):
            found = route.get(name)
            if found is not None:
                one.put(f"properties.{arm}", found)
        routes.append(one.node())
    draft.set("properties.routes", tuple(routes))
    yield _made(key, draft, attributes)


def _route(attributes: Node) -> Iterator[Resource]:
    """A route of its own belongs to a table: a change of that table."""
    table = Identity(
        _text(attributes, "resource_group_name"), resource.ROUTE_TABLE, (_text(attributes, "route_table_name"),)
    )
    one, draft = Draft(attributes.place), Draft(attributes.place)
    for name, arm in (("address_prefix", "addressPrefix"), ("next_hop_type", "nextHopType")):
        found = attributes.get(name)
        if found is not None:
            one.put(f"properties.{arm}", found)
    draft.set("properties.routes", (one.node(),))
    yield _made(table, draft, attributes, change=True)


def _association(attributes: Node, name: str, arm: str) -> Iterator[Resource]:
    """What is tied to a subnet by a resource of its own is a change of that subnet."""
    subnet, other = attributes.get("subnet_id"), attributes.get(name)
    if subnet is None or other is None:
        return
    draft = Draft(attributes.place)
    draft.put(f"properties.{arm}.id", other)
    body = draft.node()
    yield Resource(resource.SUBNET, resource_key(subnet.text), body, attributes.place, change=True)


def _put_names(draft: Draft, attributes: Node, *names: str) -> None:
    for name in names:
        found = attributes.get(name)
        if found is not None:
            draft.put(name, found)


def _made(key: Identity, draft: Draft, attributes: Node, *, change: bool = False) -> Resource:
    return Resource(key.kind, id_of(key.group, key.kind, key.names), draft.node(), attributes.place, change=change)


_READERS = {
    "azurerm_kubernetes_cluster": _cluster,
    "azurerm_kubernetes_cluster_node_pool": _pool,
    "azurerm_route": _route,
    "azurerm_route_table": _route_table,
    "azurerm_subnet": _subnet,
    "azurerm_subnet_nat_gateway_association": lambda node: _association(node, "nat_gateway_id", "natGateway"),
    "azurerm_subnet_network_security_group_association": lambda node: _association(
        node, "network_security_group_id", "networkSecurityGroup"
    ),
    "azurerm_subnet_route_table_association": lambda node: _association(node, "route_table_id", "routeTable"),
    "azurerm_virtual_network": _vnet,
}


def resources(type_: str, attributes: Node, *, existing: bool) -> Iterator[Resource]:
    """Yield what a resource of that type is in Azure; existing: it is only looked up, not made here."""
    for one in _READERS[type_](attributes):
        yield Resource(one.kind, one.id, one.body, one.place, existing, one.change)
