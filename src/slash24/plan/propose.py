"""Ranges that could be used instead: the fix that a rule names, and what the planner proposes."""

from collections.abc import Iterable
from ipaddress import IPv4Network

from slash24.core.addresses import IPNetwork
from slash24.core.networks import Networks
from slash24.plan.finding import UnknownFact
from slash24.plan.request import ClusterRequest, default_dns_ip

# Reserved by AKS on every cluster (docs/sources.md#reserved-ranges).
RESERVED = tuple(IPv4Network(text) for text in ("169.254.0.0/16", "192.0.2.0/24", "172.30.0.0/16", "172.31.0.0/16"))
# RFC 1918 and RFC 6598: what AKS supports for pods (docs/sources.md#private-space).
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
PRIVATE = tuple(IPv4Network(text) for text in _PRIVATE)
# In this order: AKS' own default first, then where on-premises networks are rarest.
_POD_SPACE = tuple(IPv4Network(text) for text in ("10.244.0.0/16", "100.64.0.0/10", "192.168.0.0/16", *_PRIVATE))
_SERVICE_SPACE = tuple(IPv4Network(text) for text in ("10.0.0.0/16", "10.96.0.0/12", "172.16.0.0/13", *_PRIVATE))


def free_pod_cidr(prefix: int, taken: Iterable[IPNetwork], known: Networks | None = None) -> str:
    """Return a pod CIDR of that length that touches nothing taken and nothing reserved, "" if there is none."""
    return _free(prefix, taken, known, _POD_SPACE)


def free_service_cidr(prefix: int, taken: Iterable[IPNetwork], known: Networks | None = None) -> str:
    """Return a service CIDR of that length that touches nothing taken and nothing reserved, "" if there is none."""
    return _free(prefix, taken, known, _SERVICE_SPACE)


def _free(prefix: int, taken: Iterable[IPNetwork], known: Networks | None, spaces: tuple[IPv4Network, ...]) -> str:
    blocked = (*taken, *RESERVED)
    for space in spaces:
        found = (known or Networks()).first_free(prefix, space, blocked)
        if found is not None:
            return str(found)
    return ""


def free_ranges(
    prefix: int,
    taken: Iterable[IPNetwork],
    known: Networks | None = None,
    *,
    within: Iterable[IPNetwork] | None = None,
    count: int = 1,
) -> list[IPNetwork]:
    """Return the first `count` free networks of that length in `within`, by default in private space; fewer if full."""
    blocked = [*taken, *RESERVED]
    found: list[IPNetwork] = []
    for space in within or PRIVATE:
        while len(found) < count:
            free = (known or Networks()).first_free(prefix, space, blocked)
            if free is None:
                break
            found.append(free)
            blocked.append(free)
    return found


def service_networks(request: ClusterRequest) -> list[IPNetwork]:
    """Return the service ranges as far as they are known."""
    try:
        return list(request.service_networks)
    except UnknownFact:
        return []


def pod_cidr_fix(request: ClusterRequest) -> str:
    """Return the option that gives the cluster a pod CIDR of the same length, free of everything it must avoid."""
    own = request.pod_network
    # The service range is taken even where it equals the pods'.
    others = [network for network in request.taken() if network != own] + service_networks(request)
    free = free_pod_cidr(own.prefixlen if own else 16, others, request.known)
    return f"--pod-cidr {free}" if free else "choose a pod CIDR that is free"


def service_cidr_fix(request: ClusterRequest) -> str:
    """Return the options that give the cluster a free service CIDR, with the DNS address in it."""
    own = request.service_network
    others = [network for network in request.taken() if network != own]
    free = free_service_cidr(max(16, own.prefixlen) if own else 16, others, request.known)
    return f"--service-cidr {free} --dns-service-ip {default_dns_ip(free)}" if free else "choose a free service CIDR"
