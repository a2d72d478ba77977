"""What Azure takes in a cluster's body and slash24 can't build yet: refused by name, never ignored."""

from collections.abc import Iterator

from slash24.azure.body import array, mapping, switch, text
from slash24.azure.errors import Json, not_built

WHY = "slash24 builds Azure CNI Overlay on Linux nodes with outbound type loadBalancer so far"

# Property of networkProfile -> what may be said (in lower case), "" being its absence.
_ALLOWED = {
    "networkPlugin": ("", "azure"),
    "networkPluginMode": ("", "overlay"),
    "networkPolicy": ("", "none"),
    "networkDataplane": ("", "azure"),
    "networkMode": ("", "transparent"),
    "outboundType": ("", "loadbalancer"),
    "loadBalancerSku": ("", "standard"),
}
_PROFILES = (
    "natGatewayProfile",
    "staticEgressGatewayProfile",
    "advancedNetworking",
    "kubeProxyConfig",
    "podLinkLocalAccess",
)


def refuse_unbuilt(properties: Json) -> None:
    """Raise ArmError for the first thing in a cluster's `properties` that can't be built yet."""
    for what in _unbuilt(properties):
        raise not_built(what, why=WHY, fix="leave it out")


def _unbuilt(properties: Json) -> Iterator[str]:
    profile = mapping(properties, "networkProfile")
    if text(profile, "networkPlugin").lower() == "azure" and not text(profile, "networkPluginMode"):
        # Azure's own backward compatibility: the plugin alone means node subnet.
        yield "networkPlugin azure without networkPluginMode overlay (node subnet)"
    for name, allowed in _ALLOWED.items():
        value = text(profile, name, path=f"networkProfile.{name}")
        if value.lower() not in allowed:
            yield f"{name} {value}"
    for name in _PROFILES:
        if _says_something(profile.get(name)):
            yield f"networkProfile.{name}"
    families = [str(family).lower() for family in array(profile, "ipFamilies")]
    if families not in ([], ["ipv4"]):
        yield f"ipFamilies {','.join(map(str, profile['ipFamilies']))} (dual-stack)"
    for name in ("podCidrs", "serviceCidrs"):
        if len(array(profile, name)) > 1:
            yield f"{name} with two ranges (dual-stack)"
    yield from _unbuilt_balancer(mapping(profile, "loadBalancerProfile"))
    yield from _unbuilt_access(properties)
    for pool in array(properties, "agentPoolProfiles"):
        if isinstance(pool, dict):
            yield from unbuilt_of_pool(pool)


def _unbuilt_balancer(profile: Json) -> Iterator[str]:
    for name in ("outboundIPs", "outboundIPPrefixes", "enableMultipleStandardLoadBalancers"):
        if _says_something(profile.get(name)):
            yield f"loadBalancerProfile.{name}"
    if mapping(profile, "managedOutboundIPs").get("count") not in (None, 1):
        yield "loadBalancerProfile.managedOutboundIPs other than 1"
    if profile.get("allocatedOutboundPorts"):
        yield "loadBalancerProfile.allocatedOutboundPorts"
    if profile.get("idleTimeoutInMinutes") not in (None, 30):
        yield "loadBalancerProfile.idleTimeoutInMinutes"
    if text(profile, "backendPoolType").lower() not in ("", "nodeipconfiguration"):
        yield "loadBalancerProfile.backendPoolType nodeIP"


def _unbuilt_access(properties: Json) -> Iterator[str]:
    access = mapping(properties, "apiServerAccessProfile")
    if switch(access, "enablePrivateCluster"):
        yield "apiServerAccessProfile.enablePrivateCluster"
    if array(access, "authorizedIPRanges"):
        yield "apiServerAccessProfile.authorizedIPRanges"
    if _says_something(access.get("enableVnetIntegration")) or _says_something(access.get("subnetId")):
        yield "apiServerAccessProfile.enableVnetIntegration"
    if _says_something(properties.get("httpProxyConfig")):
        yield "httpProxyConfig"


def unbuilt_of_pool(pool: Json) -> Iterator[str]:
    """Yield what a pool asks for that can't be built yet."""
    name = pool.get("name", "")
    if text(pool, "podSubnetID"):
        yield f"podSubnetID of node pool {name} (pod subnet)"
    if text(pool, "osType").lower() not in ("", "linux"):
        yield f"osType {pool['osType']} of node pool {name}"
    if text(pool, "type").lower() not in ("", "virtualmachinescalesets"):
        yield f"type {pool['type']} of node pool {name}"
    if text(pool, "mode").lower() not in ("", "system", "user"):
        yield f"mode {pool['mode']} of node pool {name}"
    if switch(pool, "enableNodePublicIP"):
        yield f"enableNodePublicIP of node pool {name}"
    for key in ("networkProfile", "gatewayProfile", "localDNSProfile", "nodePublicIPPrefixID"):
        if _says_something(pool.get(key)):
            yield f"{key} of node pool {name}"


def _says_something(value: object) -> bool:
    """Return whether a value is more than an empty or switched-off default, at any depth."""
    if isinstance(value, dict):
        return any(_says_something(item) for item in value.values())
    if isinstance(value, list):
        return bool(value)
    return value not in (None, False, "", "None", "none")
