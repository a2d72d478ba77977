"""ARM documents in the form that `az` prints: `properties` lifted out, names as the SDK spells them.

So `--query networkProfile.podCidr` and `--query agentPoolProfiles[0].vnetSubnetId` work as they do with az.
"""

import re
from typing import Any

# A run of capitals, with a plural s, that ends a name or stands before another word: ID, IPs, SKU, DNS.
_RUN = re.compile(r"([A-Z])([A-Z]+s?)(?=$|[A-Z][a-z])")


def az_name(name: str) -> str:
    """Return the name of a property as az prints it.

    >>> [az_name(name) for name in ("vnetSubnetID", "dnsServiceIP", "managedOutboundIPs", "scan-interval")]
    ['vnetSubnetId', 'dnsServiceIp', 'managedOutboundIps', 'scanInterval']
    """
    joined = re.sub(r"-([a-z])", lambda match: match[1].upper(), name)
    return _RUN.sub(lambda match: match[1] + match[2].lower(), joined)


def container_shape(document: dict[str, Any]) -> dict[str, Any]:
    """Return a cluster or a node pool as `az aks` prints it."""
    return _sorted(_renamed(_lifted(document)))


def network_shape(document: dict[str, Any]) -> dict[str, Any]:
    """Return a network or a subnet as `az network` prints it; it keeps the names of the wire."""
    shaped = _lifted(document)
    if "subnets" in shaped:
        shaped["subnets"] = [_sorted(_lifted(subnet)) for subnet in shaped["subnets"]]
    return _sorted(shaped)


def _lifted(document: dict[str, Any]) -> dict[str, Any]:
    outer = {key: value for key, value in document.items() if key != "properties"}
    group = re.search(r"/resourcegroups/([^/]+)", str(document.get("id", "")), re.IGNORECASE)
    return {**document.get("properties", {}), **outer, "resourceGroup": group[1] if group else None}


# Keys in here are the user's own words, not names of properties.
_WORDS = {"tags", "nodeLabels", "azOptions", "addonProfiles"}


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {az_name(key): item if key in _WORDS else _renamed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    return value


def _sorted(value: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(value.items()))
