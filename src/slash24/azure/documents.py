"""The documents of groups and networks as Azure shows them."""

from slash24.azure.context import stable_uuid
from slash24.azure.errors import Json
from slash24.azure.ids import group_id, subnet_id
from slash24.core.addresses import parse_prefix
from slash24.core.topology import Subnet, VNet, resource_key


def group_document(
    subscription: str, name: str, location: str, managed_by: str = "", *, state: str = "Succeeded"
) -> Json:
    """Return the document of a new group. managed_by: the id of the cluster whose node resource group it is."""
    document: Json = {
        "id": group_id(subscription, name),
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": location,
        "tags": {},
        "properties": {"provisioningState": state},
    }
    if managed_by:
        document["managedBy"] = managed_by
    return document


def vnet_value(document: Json) -> VNet:
    """Return a stored document as the lab's value."""
    properties = document["properties"]
    return VNet(
        id=document["id"],
        prefixes=tuple(parse_prefix(prefix) for prefix in properties["addressSpace"]["addressPrefixes"]),
        subnets=tuple(
            Subnet(subnet["name"], parse_prefix(subnet["properties"]["addressPrefix"]))
            for subnet in properties["subnets"]
        ),
    )


def vnet_document(vnet: str, location: str, prefixes: list[str], subnets: dict[str, str]) -> Json:
    """Return the document of a network. vnet: its id; subnets: name -> prefix."""
    return {
        "id": vnet,
        "name": vnet.rsplit("/", 1)[-1],
        "type": "Microsoft.Network/virtualNetworks",
        "location": location,
        "tags": {},
        "properties": {
            "provisioningState": "Succeeded",
            "resourceGuid": stable_uuid(resource_key(vnet)),
            "addressSpace": {"addressPrefixes": prefixes},
            "subnets": [subnet_document(vnet, name, prefix) for name, prefix in subnets.items()],
            "virtualNetworkPeerings": [],
            "enableDdosProtection": False,
        },
    }


def subnet_document(vnet: str, name: str, prefix: str) -> Json:
    return {
        "id": subnet_id(vnet, name),
        "name": name,
        "type": "Microsoft.Network/virtualNetworks/subnets",
        "properties": {
            "provisioningState": "Succeeded",
            "addressPrefix": prefix,
            "delegations": [],
            "privateEndpointNetworkPolicies": "Disabled",
            "privateLinkServiceNetworkPolicies": "Enabled",
        },
    }


def find_subnet(document: Json, name: str) -> Json | None:
    found: list[Json] = document["properties"]["subnets"]
    return next((subnet for subnet in found if subnet["name"].lower() == name.lower()), None)
