"""Clusters as ARM documents: what the service fills in, and the way from a document to the lab's value."""

import hashlib
from collections.abc import Mapping
from typing import Any

from slash24.azure.body import array, mapping, merged, number, text, texts
from slash24.azure.context import stable_uuid
from slash24.azure.errors import ArmError, Json, invalid_parameter
from slash24.azure.pool_documents import complete_pool, pool_value
from slash24.azure.versions import judge_upgrade, resolve
from slash24.core.addresses import parse_prefix
from slash24.core.autoscaling import read_profile, write_profile
from slash24.core.topology import KUBERNETES_VERSION, Cluster, Transport, resource_key
from slash24.plan import default_dns_ip
from slash24.plan.request import DEFAULT_POD_CIDR, DEFAULT_SERVICE_CIDR

TENANT = "00000000-0000-0000-0000-000000000000"
NODE_GROUP_LENGTH = 80  # Azure cuts the name that it makes itself

# What a cluster keeps for life; a request may repeat it.
FIXED = ("podCidr", "serviceCidr", "dnsServiceIP", "networkPlugin", "networkPluginMode", "networkDataplane", "slash24")


def node_group_name(group: str, cluster: str, location: str) -> str:
    return f"MC_{group}_{cluster}_{location}"[:NODE_GROUP_LENGTH]


def complete(body: Json, resource_id: str, group: str, old: Json | None) -> Json:
    """Return the whole document that a PUT asks for: the request laid over what is stored, the rest as AKS fills it.

    Raises ArmError where a value has the wrong type, or an update changes what can't be changed.
    """
    name = old["name"] if old else resource_id.rsplit("/", 1)[-1]
    location = text(body, "location", old["location"] if old else "")
    if not location:
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
    asked = mapping(body, "properties")
    properties: Json = merged(
        old["properties"] if old else {}, {**asked, "networkProfile": None, "agentPoolProfiles": None}
    )
    properties["networkProfile"] = _network_profile(mapping(asked, "networkProfile"), old)
    before = old["properties"]["currentKubernetesVersion"] if old else ""
    version = text(asked, "kubernetesVersion", before or KUBERNETES_VERSION)
    current = resolve(version, before)
    if before:
        judge_upgrade(before, current)
    properties["agentPoolProfiles"] = _pools(asked, old, current)
    _fill_autoscaler(properties)
    prefix = text(properties, "dnsPrefix", f"{name[:10]}-{group[:16]}-000000")
    digest = hashlib.sha256(resource_key(resource_id).encode()).hexdigest()[:8]
    properties.update(
        {
            "provisioningState": "Succeeded",
            "powerState": mapping(old["properties"], "powerState") if old else {"code": "Running"},
            "kubernetesVersion": version,
            "currentKubernetesVersion": current,
            "dnsPrefix": prefix,
            "fqdn": f"{prefix}-{digest}.hcp.{location}.azmk8s.io",
            "nodeResourceGroup": text(properties, "nodeResourceGroup", node_group_name(group, name, location)),
            "enableRBAC": properties.get("enableRBAC", True),
            "maxAgentPools": 100,
            "supportPlan": text(properties, "supportPlan", "KubernetesOfficial"),
            # az 2.58 ends with a traceback on a cluster that lacks this.
            "servicePrincipalProfile": mapping(properties, "servicePrincipalProfile") or {"clientId": "msi"},
        }
    )
    identity = mapping(body, "identity") or (old or {}).get("identity") or {}
    return {
        "id": old["id"] if old else resource_id,
        "name": name,
        "type": "Microsoft.ContainerService/ManagedClusters",
        "location": location,
        "tags": mapping(body, "tags") or (old or {}).get("tags", {}),
        "sku": mapping(body, "sku") or (old or {}).get("sku") or {"name": "Base", "tier": "Free"},
        "identity": {
            "type": "SystemAssigned",
            **identity,
            "principalId": stable_uuid("principal", resource_key(resource_id)),
            "tenantId": TENANT,
        },
        "properties": properties,
    }


def _fill_autoscaler(properties: Json) -> None:
    """Show the autoscaler's settings, as AKS does: all of them, as soon as a pool is autoscaled or one is set."""
    asked = mapping(properties, "autoScalerProfile")
    if not asked and not any(pool["enableAutoScaling"] for pool in properties["agentPoolProfiles"]):
        return
    try:
        properties["autoScalerProfile"] = write_profile(read_profile(asked)) | asked
    except ValueError as error:
        raise invalid_parameter("autoScalerProfile", str(error)) from error


def _network_profile(asked: Json, old: Json | None) -> Json:
    before: Json = old["properties"]["networkProfile"] if old else {}
    if before:
        asked = _without_repeats(asked, before)
        changed = [name for name in FIXED if name in asked and not _same(asked[name], before.get(name))]
        if changed:
            raise ArmError(
                400,
                "PropertyChangeNotAllowed",
                f"Changing property 'properties.networkProfile.{changed[0]}' is not allowed.",
                target=f"properties.networkProfile.{changed[0]}",
                why="a cluster keeps its ranges and its networking model; growing the pod CIDR comes later",
                fix="make a new cluster",
            )
        return dict(merged(before, {key: value for key, value in asked.items() if key not in FIXED}))
    pod_cidr = text(asked, "podCidr") or next(iter(texts(asked, "podCidrs")), DEFAULT_POD_CIDR)
    service_cidr = text(asked, "serviceCidr") or next(iter(texts(asked, "serviceCidrs")), DEFAULT_SERVICE_CIDR)
    own = mapping(asked, "slash24", "networkProfile.slash24")
    defaults: Json = {
        "networkPlugin": "azure",
        "networkPluginMode": "overlay",
        "networkPolicy": "none",
        "networkDataplane": "azure",
        "loadBalancerSku": "standard",
        "loadBalancerProfile": {"managedOutboundIPs": {"count": 1}, "backendPoolType": "nodeIPConfiguration"},
        "outboundType": "loadBalancer",
        "ipFamilies": ["IPv4"],
    }
    profile: Json = merged(defaults, {key: value for key, value in asked.items() if value != ""})
    profile.update(
        {
            "podCidr": pod_cidr,
            "podCidrs": [pod_cidr],
            "serviceCidr": service_cidr,
            "serviceCidrs": [service_cidr],
            "dnsServiceIP": text(asked, "dnsServiceIP", default_dns_ip(service_cidr)),
            "slash24": {"transport": str(_transport(own)), "blockPrefix": _block_prefix(own)},
        }
    )
    return profile


def _same(a: Any, b: Any) -> bool:
    return a.lower() == b.lower() if isinstance(a, str) and isinstance(b, str) else bool(a == b)


def _without_repeats(asked: Json, before: Json) -> Json:
    """Return the request with single ranges filled from lists: az sends the new one beside the old list."""
    result = {key: value for key, value in asked.items() if value not in (None, "")}
    for one, many in (("podCidr", "podCidrs"), ("serviceCidr", "serviceCidrs")):
        several = texts(result, many)
        if several and several != before.get(many) and result.get(one) in (None, before.get(one)):
            result[one] = several[0]
        result.pop(many, None)
    return result


def _transport(own: Json) -> Transport:
    value = text(own, "transport", str(Transport.ENCAPSULATED), "networkProfile.slash24.transport")
    try:
        return Transport(value.lower())
    except ValueError:
        raise invalid_parameter(
            "networkProfile.slash24.transport", f"{value!r} is neither encapsulated nor routed"
        ) from None


def _block_prefix(own: Json) -> int:
    value = number(own, "blockPrefix", "networkProfile.slash24.blockPrefix")
    return 24 if value is None else value


def _pools(asked: Json, old: Json | None, version: str) -> list[Json]:
    """Return all pools: those asked for laid over those that are there; a pool that isn't named stays.

    version: the control plane's, which a new pool has as well.
    """
    before: list[Json] = old["properties"]["agentPoolProfiles"] if old else []
    pools = {pool["name"]: pool for pool in before}
    subnet = next((str(pool.get("vnetSubnetID", "")) for pool in before), "")
    for body in array(asked, "agentPoolProfiles"):
        if not isinstance(body, dict):
            raise invalid_parameter("agentPoolProfiles", "expected a list of objects")
        name = text(body, "name", path="agentPoolProfile.name")
        default_mode = "User" if pools else "System"
        pools[name] = complete_pool(body, name, pools.get(name), version, subnet=subnet, default_mode=default_mode)
    if not pools:
        raise invalid_parameter("agentPoolProfiles", "a cluster needs at least one node pool")
    return list(pools.values())


def cluster_value(document: Json) -> Cluster:
    """Return a stored document as the lab's value."""
    properties = document["properties"]
    profile = properties["networkProfile"]
    return Cluster(
        id=document["id"],
        location=document["location"],
        pod_cidr=parse_prefix(profile["podCidr"]),
        service_cidr=parse_prefix(profile["serviceCidr"]),
        dns_service_ip=profile["dnsServiceIP"],
        pools=tuple(pool_value(pool) for pool in properties["agentPoolProfiles"]),
        transport=Transport(profile["slash24"]["transport"]),
        block_prefix=profile["slash24"]["blockPrefix"],
        node_resource_group=properties["nodeResourceGroup"],
        tags=tuple(sorted((str(key), str(value)) for key, value in document.get("tags", {}).items())),
        version=properties["currentKubernetesVersion"],
        stopped=properties["powerState"]["code"] == "Stopped",
        autoscaler=read_profile(mapping(properties, "autoScalerProfile")),
    )


def with_counts(document: Json, counts: Mapping[str, int]) -> Json:
    """Return the document with the counts that the autoscaler gave its pools. counts: by pool, of all pools."""
    pools = [
        {**pool, "count": counts.get(pool["name"], pool["count"])} if pool["enableAutoScaling"] else pool
        for pool in document["properties"]["agentPoolProfiles"]
    ]
    return {**document, "properties": {**document["properties"], "agentPoolProfiles": pools}}


def with_power(document: Json, code: str) -> Json:
    """Return the document with the power state Running or Stopped, its pools too."""
    power = {"code": code}
    pools = [{**pool, "powerState": power} for pool in document["properties"]["agentPoolProfiles"]]
    return {**document, "properties": {**document["properties"], "powerState": power, "agentPoolProfiles": pools}}


def with_state(document: Json, state: str, pools: tuple[str, ...] | None = None) -> Json:
    """Return the document in a provisioning state; of its pools only those named have it (None: all)."""
    properties = {**document["properties"], "provisioningState": state}
    properties["agentPoolProfiles"] = [
        {**pool, "provisioningState": state} if pools is None or pool["name"] in pools else pool
        for pool in properties["agentPoolProfiles"]
    ]
    return {**document, "properties": properties}
