"""Virtual networks in requests: reading them, and Azure's refusals of what they may not be."""

import copy
import re
from typing import Any

from slash24.azure.body import array, mapping, merged, text, texts
from slash24.azure.context import Call
from slash24.azure.documents import find_subnet, subnet_document, vnet_document
from slash24.azure.errors import ArmError, Json, not_built
from slash24.core.addresses import IPNetwork, overlap, parse_prefix, parse_prefix_loosely

_NAME = re.compile(r"[A-Za-z0-9_]([\w.-]{0,78}[A-Za-z0-9_])?", re.ASCII)
_UNBUILT_OF_SUBNET = (
    "networkSecurityGroup",
    "routeTable",
    "natGateway",
    "delegations",
    "serviceEndpoints",
    "ipAllocations",
)
_UNBUILT_OF_VNET = ("virtualNetworkPeerings", "ddosProtectionPlan", "bgpCommunities", "encryption", "ipAllocations")
MAX_SUBNET_PREFIX = 29  # Azure's smallest subnet has 8 addresses, 3 of them usable


def read_vnet(call: Call, resource_id: str, old: Json | None, location: str) -> Json:
    """Return the whole new document; subnets that the request does not speak of stay."""
    properties = mapping(call.body, "properties")
    _check_name(resource_id.rsplit("/", 1)[-1])
    _refuse_unbuilt(properties, _UNBUILT_OF_VNET)
    prefixes = texts(mapping(properties, "addressSpace"), "addressPrefixes", "addressSpace.addressPrefixes")
    if not prefixes:
        raise ArmError(
            400,
            "InvalidRequestFormat",
            f"The virtual network {resource_id.rsplit('/', 1)[-1]} has no address prefix.",
            fix="--address-prefixes 10.224.0.0/12",
        )
    document = vnet_document(resource_id, text(call.body, "location", location), prefixes, {})
    document["tags"] = mapping(call.body, "tags")
    if "subnets" in properties:
        document["properties"]["subnets"] = [
            read_subnet(_object(subnet), resource_id, find_subnet(old, str(subnet.get("name"))) if old else None)
            for subnet in array(properties, "subnets")
        ]
    elif old is not None:
        document["properties"]["subnets"] = copy.deepcopy(old["properties"]["subnets"])
    return document


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise ArmError(400, "InvalidRequestContent", "A subnet must be an object.")
    return value


def read_subnet(body: Json, vnet: str, old: Json | None) -> Json:
    name = old["name"] if old else text(body, "name")
    _check_name(name)
    properties = mapping(body, "properties")
    _refuse_unbuilt(properties, _UNBUILT_OF_SUBNET)
    several = texts(properties, "addressPrefixes")
    if len(several) > 1:
        raise not_built("a subnet with several address prefixes", fix="one prefix, or one subnet for each")
    changed = old is None or text(properties, "addressPrefix") not in ("", old["properties"]["addressPrefix"])
    prefix = text(properties, "addressPrefix") if changed else ""
    prefix = prefix or (several[0] if several else "") or (old["properties"]["addressPrefix"] if old else "")
    document = subnet_document(vnet, name, prefix)
    if old is not None:
        document["properties"] = merged(old["properties"], {"addressPrefix": prefix})
    return document


def _refuse_unbuilt(properties: Json, names: tuple[str, ...]) -> None:
    for name in names:
        if properties.get(name):
            raise not_built(f"{name} of a virtual network", fix="leave it out")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ArmError(
            400,
            "InvalidResourceName",
            f"Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word "
            "character, and it must end with a word character or with '_'. The name may contain word characters or "
            "'.', '-', '_'.",
        )


def judge(document: Json) -> None:
    """Raise Azure's error if ranges are malformed, overlap, or a subnet lies outside."""
    properties, vnet = document["properties"], document["name"]
    space = [_network(prefix, document["id"]) for prefix in properties["addressSpace"]["addressPrefixes"]]
    for index, prefix in enumerate(space):
        for other in space[:index]:
            if overlap(prefix, other):
                raise ArmError(
                    400,
                    "InvalidParameter",
                    f"Address prefixes {other} and {prefix} of virtual network '{vnet}' overlap.",
                    target="addressSpace.addressPrefixes",
                )
    seen: list[tuple[str, IPNetwork]] = []
    for subnet in properties["subnets"]:
        name = subnet["name"]
        network = _network(subnet["properties"]["addressPrefix"], subnet["id"])
        inside = any(network.subnet_of(one) for one in space)  # type: ignore[arg-type]  # all are IPv4 here
        if not inside or network.prefixlen > MAX_SUBNET_PREFIX:
            raise ArmError(
                400,
                "NetcfgInvalidSubnet",
                f"Subnet '{name}' is not valid in virtual network '{vnet}'.",
                target="addressPrefix",
                why=f"{network} does not lie in {', '.join(map(str, space))}"
                if not inside
                else f"{network} is smaller than a /{MAX_SUBNET_PREFIX}, Azure's smallest subnet",
                fix="a prefix inside the VNet's address space" if not inside else f"a /{MAX_SUBNET_PREFIX} or wider",
            )
        for before, taken in seen:
            if before.lower() == name.lower():
                raise ArmError(400, "InvalidRequestFormat", f"Subnet '{name}' is there twice.")
            if overlap(network, taken):
                raise ArmError(
                    400,
                    "NetcfgSubnetRangesOverlap",
                    f"Subnet '{name}' is not valid because its IP address range overlaps with that of an existing "
                    f"subnet in virtual network '{vnet}'.",
                    target="addressPrefix",
                    why=f"{network} and subnet {before} {taken} share addresses",
                    fix="a prefix that no subnet uses",
                )
        seen.append((name, network))


def _network(prefix: str, resource_id: str) -> IPNetwork:
    try:
        network = parse_prefix(prefix)
    except ValueError as error:
        try:
            inner = parse_prefix_loosely(prefix)
        except ValueError:
            raise ArmError(
                400,
                "InvalidAddressPrefixFormat",
                f"Address prefix {prefix} of resource {resource_id} is not formatted correctly. It should follow CIDR "
                "notation, for example 10.0.0.0/24.",
                target="addressPrefix",
            ) from error
        raise ArmError(
            400,
            "InvalidCIDRNotation",
            f"The address prefix {prefix} in resource {resource_id} has an invalid CIDR notation. For the given prefix "
            f"length, the address prefix should be {inner}.",
            target="addressPrefix",
            fix=f"use {inner}",
        ) from error
    if network.version != 4:
        raise not_built("an IPv6 range in a virtual network", fix="IPv4 ranges only")
    if (
        network.is_multicast
        or network.is_loopback
        or network.is_link_local
        or network.is_reserved
        or network.prefixlen < 8
    ):
        raise ArmError(
            400,
            "InvalidParameter",
            f"The address prefix {prefix} in resource {resource_id} is not allowed in a virtual network.",
            target="addressPrefix",
            why="Azure takes no multicast, loopback, link-local or reserved range, and nothing wider than a /8",
        )
    return network
