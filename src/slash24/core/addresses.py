"""Addresses and prefixes of either family."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

#: Azure keeps the first four addresses of a subnet and the last one (docs/sources.md#subnet).
AZURE_RESERVED_FIRST = 4
AZURE_RESERVED = 5


def overlap(a: IPNetwork, b: IPNetwork) -> bool:
    """Return whether `a` and `b` share an address; networks of different families never do."""
    return a.version == b.version and a.overlaps(b)


def parse_prefix(text: str) -> IPNetwork:
    """Return the network that `text` names.

    Raises ValueError if it is no CIDR (an address without a length too), or has host bits set.
    """
    length = text.partition("/")[2]
    if not length:
        raise ValueError(f"{text!r} has no prefix length, as in 10.244.0.0/16")
    if not length.isdecimal():  # ipaddress would take a netmask, which Azure and Kubernetes refuse
        raise ValueError(f"{text!r} has {length!r} where a prefix length belongs, as in 10.244.0.0/16")
    return ip_network(text)


def parse_prefix_loosely(text: str) -> IPNetwork:
    """Return the network that holds the address of a CIDR with host bits. Raises ValueError if it is no CIDR."""
    if not text.partition("/")[2].isdecimal():
        raise ValueError(f"{text!r} has no prefix length")
    return ip_network(text, strict=False)


def network_or_none(text: str) -> IPNetwork | None:
    """Return the network that `text` names, None where `parse_prefix` would raise."""
    try:
        return parse_prefix(text)
    except ValueError:
        return None


def ip_or_none(text: str) -> IPAddress | None:
    """Return the address that `text` names, None if it names none."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def usable_addresses(subnet: IPNetwork) -> int:
    """Return how many addresses of an Azure subnet can be given out: all but the five that Azure keeps."""
    return max(0, subnet.num_addresses - AZURE_RESERVED)


def first_free(subnet: IPNetwork, used: Iterable[IPAddress]) -> IPAddress | None:
    """Return the first address of an Azure subnet that is neither kept by Azure nor in `used`; None if it is full."""
    taken = set(used)
    for offset in range(AZURE_RESERVED_FIRST, subnet.num_addresses - 1):
        if subnet[offset] not in taken:
            return subnet[offset]
    return None
