"""ARM paths: what a request is about, and how ids are spelled."""

import re
from dataclasses import dataclass

# How Azure spells what clients spell in several ways.
NETWORK = "Microsoft.Network"
CONTAINERS = "Microsoft.ContainerService"
VNETS = "microsoft.network/virtualnetworks"
SUBNETS = "microsoft.network/virtualnetworks/subnets"
CLUSTERS = "microsoft.containerservice/managedclusters"
POOLS = "microsoft.containerservice/managedclusters/agentpools"
GROUPS = "resourcegroups"

# azure-mgmt-core's own test for an id; the subscription may be empty, as it is with an unset shell variable.
_RESOURCE_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]*)/resourcegroups/(?P<group>[^/]+)"
    r"/providers/(?P<namespace>[^/]+)/(?P<type>[^/]+)/(?P<name>[^/]+)(?P<children>(/[^/]+)*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ArmPath:
    """A parsed path. `kind` is the type in lower case; one name less than types means a collection (or an action)."""

    subscription: str
    group: str
    kind: str
    names: tuple[str, ...]
    scope: str = ""  # the id that an extension resource (a role assignment) belongs to

    @property
    def is_collection(self) -> bool:
        return len(self.names) < self.kind.count("/") + (0 if self.kind.startswith("microsoft.") else 1)


def parse(path: str) -> ArmPath:
    """Return what an ARM path names. Doubled slashes count as one, except for an empty subscription.

    >>> parse("/subscriptions/1/resourcegroups/rg/providers/Microsoft.ContainerService//managedClusters/c").kind
    'microsoft.containerservice/managedclusters'
    """
    scope, provider, tail = _rpartition_providers(path)
    head = scope if provider else path
    segments = [segment for segment in head.split("/") if segment]
    subscription = segments[1] if len(segments) > 1 and segments[1].lower() != "resourcegroups" else ""
    rest = segments[2:] if subscription else segments[1:]
    group = rest[1] if len(rest) > 1 and rest[0].lower() == "resourcegroups" else ""
    if provider:
        namespace, *items = [segment for segment in tail.split("/") if segment] or [""]
        kind = "/".join([namespace, *items[::2]]).lower()
        inner = scope if "/providers/" in scope.lower() else ""
        return ArmPath(subscription, group, kind, tuple(items[1::2]), inner)
    if not rest:
        return ArmPath(subscription, "", "subscriptions", (subscription,) if subscription else ())
    return ArmPath(
        subscription, group, rest[0].lower() + "".join(f"/{part.lower()}" for part in rest[2::2]), tuple(rest[1::2])
    )


def _rpartition_providers(path: str) -> tuple[str, str, str]:
    at = path.lower().rfind("/providers/")
    return ("", "", path) if at < 0 else (path[:at], "/providers/", path[at + len("/providers/") :])


def is_resource_id(text: str) -> bool:
    """Return whether az would take the text for a resource's id."""
    return _RESOURCE_ID.fullmatch(text) is not None


def is_subnet_id(text: str) -> bool:
    """Return whether the text is the id of a subnet."""
    return is_resource_id(text) and parse(text).kind == SUBNETS and len(parse(text).names) == 2


def group_id(subscription: str, group: str) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def vnet_id(subscription: str, group: str, vnet: str) -> str:
    return f"{group_id(subscription, group)}/providers/{NETWORK}/virtualNetworks/{vnet}"


def subnet_id(vnet: str, subnet: str) -> str:
    """Return the id of a subnet of the VNet with the id `vnet`."""
    return f"{vnet}/subnets/{subnet}"


def vnet_of(subnet: str) -> str:
    """Return the id of the VNet that a subnet's id lies in."""
    return subnet.rsplit("/", 2)[0]


def cluster_id(subscription: str, group: str, cluster: str) -> str:
    return f"{group_id(subscription, group)}/providers/{CONTAINERS}/managedClusters/{cluster}"


def name_of(resource_id: str) -> str:
    return resource_id.rstrip("/").rsplit("/", 1)[-1]
