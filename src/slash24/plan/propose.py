"""Ranges that could be used instead: the fix that a rule names."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network

from slash24.core.addresses import IPNetwork, overlap

# Reserved by AKS on every cluster (docs/sources.md#reserved-ranges).
RESERVED = tuple(IPv4Network(text) for text in ("169.254.0.0/16", "192.0.2.0/24", "172.30.0.0/16", "172.31.0.0/16"))
# RFC 1918 and RFC 6598: what AKS supports for pods (docs/sources.md#private-space).
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
PRIVATE = tuple(IPv4Network(text) for text in _PRIVATE)
# In this order: AKS' own default first, then where on-premises networks are rarest.
_POD_SPACE = tuple(IPv4Network(text) for text in ("10.244.0.0/16", "100.64.0.0/10", "192.168.0.0/16", *_PRIVATE))
_SERVICE_SPACE = tuple(IPv4Network(text) for text in ("10.0.0.0/16", "10.96.0.0/12", "172.16.0.0/13", *_PRIVATE))


def free_pod_cidr(prefix: int, taken: Iterable[IPNetwork]) -> str:
    """Return a pod CIDR of that length that touches nothing taken and nothing reserved, "" if there is none."""
    return _free(prefix, taken, _POD_SPACE)


def free_service_cidr(prefix: int, taken: Iterable[IPNetwork]) -> str:
    """Return a service CIDR of that length that touches nothing taken and nothing reserved, "" if there is none."""
    return _free(prefix, taken, _SERVICE_SPACE)


def _free(prefix: int, taken: Iterable[IPNetwork], spaces: tuple[IPv4Network, ...]) -> str:
    blocked = [network for network in (*taken, *RESERVED) if network.version == 4]
    for space in spaces:
        if prefix < space.prefixlen:
            continue
        found = _first_free(prefix, space, blocked)
        if found is not None:
            return str(found)
    return ""


def _first_free(prefix: int, space: IPv4Network, blocked: Sequence[IPNetwork]) -> IPv4Network | None:
    """Return the first free network of that length in `space`, stepping over whatever is in its way."""
    size = 1 << (32 - prefix)
    start, last = int(space.network_address), int(space.broadcast_address)
    while start + size - 1 <= last:
        candidate = IPv4Network((start, prefix))
        hit = next((network for network in blocked if overlap(candidate, network)), None)
        if hit is None:
            return candidate
        # The next multiple of `size` after the obstacle.
        start = max(start + size, (int(hit.broadcast_address) // size + 1) * size)
    return None
