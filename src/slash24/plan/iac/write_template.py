"""A plan as an ARM template and as Bicep: the same resources, once as JSON and once in Bicep's words."""

import json
from collections.abc import Mapping
from typing import Any

from slash24.plan.iac.blueprint import Blueprint, PoolPlan, Worth, pool_settings

_CLUSTER_API = "2025-05-01"
_NETWORK_API = "2024-05-01"
_IDENTITY_API = "2023-01-31"
_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"


class _Code(str):
    """An expression, written as it is."""

    __slots__ = ()


def write_arm(plan: Blueprint) -> str:
    """Return the template for `az deployment group create`."""
    resources: list[dict[str, Any]] = []
    needs: list[str] = []
    if plan.subnets:
        network = {"type": "Microsoft.Network/virtualNetworks", "apiVersion": _NETWORK_API, "name": plan.vnet}
        resources.append(network | {"location": plan.location, "properties": _network(plan)})
        needs.append(f"[resourceId('Microsoft.Network/virtualNetworks', '{plan.vnet}')]")
    identity: dict[str, Any] = {"type": "SystemAssigned"}
    if plan.own_identity:
        name = f"{plan.name}-identity"
        own = {"type": _IDENTITY, "apiVersion": _IDENTITY_API, "name": name, "location": plan.location}
        resources.append(own)
        needs.append(f"[resourceId('{_IDENTITY}', '{name}')]")
        identity = {"type": "UserAssigned", "userAssignedIdentities": {needs[-1]: {}}}
    subnet = "[resourceId('Microsoft.Network/virtualNetworks/subnets', '{vnet}', '{subnet}')]"
    resources.append(
        {
            "type": "Microsoft.ContainerService/managedClusters",
            "apiVersion": _CLUSTER_API,
            "name": plan.name,
            "location": plan.location,
            "dependsOn": needs,
            "identity": identity,
            "properties": _cluster(plan, lambda name: subnet.format(vnet=plan.vnet, subnet=name)),
        }
    )
    document = {"$schema": _SCHEMA, "contentVersion": "1.0.0.0", "metadata": {"notes": list(plan.notes)},
                "resources": resources}  # fmt: skip
    return json.dumps(document, indent=2) + "\n"


def write_bicep(plan: Blueprint) -> str:
    """Return the template for `az deployment group create`, in Bicep."""
    parts = ["\n".join([*(f"// {note}" for note in plan.notes), f"param location string = {_text(plan.location)}"])]
    if plan.subnets:
        parts.append(
            f"resource vnet 'Microsoft.Network/virtualNetworks@{_NETWORK_API}' = "
            + _object({"name": plan.vnet, "location": _Code("location"), "properties": _network(plan)})
        )
    identity: dict[str, Any] = {"type": "SystemAssigned"}
    if plan.own_identity:
        body = {"name": f"{plan.name}-identity", "location": _Code("location")}
        parts.append(f"resource identity '{_IDENTITY}@{_IDENTITY_API}' = {_object(body)}")
        identity = {"type": "UserAssigned", "userAssignedIdentities": {"${identity.id}": {}}}
    numbers = {subnet.name: number for number, subnet in enumerate(plan.subnets)}
    parts.append(
        f"resource aks 'Microsoft.ContainerService/managedClusters@{_CLUSTER_API}' = "
        + _object(
            {
                "name": plan.name,
                "location": _Code("location"),
                "identity": identity,
                "properties": _cluster(plan, lambda name: _Code(f"vnet.properties.subnets[{numbers[name]}].id")),
            }
        )
    )
    return "\n\n".join(parts) + "\n"


def _network(plan: Blueprint) -> dict[str, Any]:
    subnets = [{"name": one.name, "properties": {"addressPrefix": one.prefix}} for one in plan.subnets]
    return {"addressSpace": {"addressPrefixes": list(plan.vnet_prefixes)}, "subnets": subnets}


def _cluster(plan: Blueprint, subnet_id: Any) -> dict[str, Any]:
    properties: dict[str, Any] = {"dnsPrefix": plan.name}
    for one, value in plan.cluster_settings():
        _put(properties, one.arm, value)
    properties["agentPoolProfiles"] = [_pool(pool, subnet_id) for pool in plan.pools]
    return properties


def _pool(pool: PoolPlan, subnet_id: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": pool.name}
    for one, value in pool_settings(pool):
        _put(found, one.arm, value)
    if pool.subnet:
        found["vnetSubnetID"] = subnet_id(pool.subnet)
    if pool.pod_subnet:
        found["podSubnetID"] = subnet_id(pool.pod_subnet)
    return found


def _put(document: dict[str, Any], path: str, value: Worth) -> None:
    *above, last = path.split(".")
    for key in above:
        document = document.setdefault(key, {})
    document[last] = list(value) if isinstance(value, tuple) else value


def _object(value: Mapping[str, Any], indent: str = "") -> str:
    inner = indent + "  "
    lines = [f"{inner}{_key(key)}: {_value(item, inner)}" for key, item in value.items()]
    return "\n".join(["{", *lines, f"{indent}}}"]) if lines else "{}"


def _key(key: str) -> str:
    return key if key.isidentifier() else f"'{key}'"


def _value(value: Any, indent: str) -> str:
    if isinstance(value, _Code):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return _object(value, indent)
    if isinstance(value, list):
        inner = indent + "  "
        return "\n".join(["[", *(f"{inner}{_value(item, inner)}" for item in value), f"{indent}]"])
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${")
    return f"'{escaped}'"
