"""Rules about one range by itself: its form, its size, and the space that it lies in."""

from collections.abc import Collection, Iterator
from datetime import date
from ipaddress import ip_network

from slash24.core.addresses import overlap, parse_prefix, parse_prefix_loosely
from slash24.plan.finding import Problem, Severity
from slash24.plan.propose import PRIVATE, RESERVED, service_cidr_fix
from slash24.plan.ranges import Range
from slash24.plan.request import IPV6, ClusterRequest
from slash24.plan.rulebook import rule
from slash24.plan.rules import targets
from slash24.plan.source import ERROR_CODES, changelog, docs

_OVERLAY = docs("concepts-network-azure-cni-overlay")
_RESERVED_WHY = "169.254.0.0/16, 192.0.2.0/24, 172.30.0.0/16 and 172.31.0.0/16 carry AKS' own traffic on every node"
_LINK_LOCAL, _FOR_PODS = date(2025, 1, 30), date(2026, 5, 29)  # days on which AKS began to refuse what it reserves


@rule(
    "S24-106",
    "A range is a CIDR without host bits",
    _OVERLAY,
    ERROR_CODES,
    azure=("CidrStringParseError", "InvalidIPRangeCIDR", "SingleIPAddressCIDR", "UnexpectedIPVersionCIDR"),
).of_ranges
def ranges_are_cidrs(request: ClusterRequest, one: Range) -> Iterator[Problem]:
    """az sends whatever it is given, 999.1.2.3/99 too; only the service finds it, after the deployment has begun."""
    try:
        network = parse_prefix(one.text)
    except ValueError as error:
        yield _malformed(one, error)
        return
    if network.version != 4 and IPV6 not in request.families:
        yield Problem(
            f"{one.what} {one.text} is an IPv6 range, and the cluster has one family, IPv4",
            why="IPv6 is for dual-stack clusters, where it comes second",
            fix=f"{one.option} with an IPv4 range",
            azure="UnexpectedIPVersionCIDR",
            target=one.target,
        )
    elif network.num_addresses == 1:
        yield Problem(
            f"{one.what} {one.text} is a single address",
            why="a node needs a block of it, or a service an address",
            fix=f"{one.option} {ip_network((network.network_address, 16), strict=False)}",
            azure="SingleIPAddressCIDR",
            target=one.target,
        )


def _malformed(one: Range, error: ValueError) -> Problem:
    try:
        network = parse_prefix_loosely(one.text)
    except ValueError:
        return Problem(
            f"{one.what} {one.text!r} is not a CIDR",
            why=str(error),
            fix=f"{one.option} 10.0.0.0/16" if one.is_service else f"{one.option} 10.244.0.0/16",
            azure="CidrStringParseError",
            target=one.target,
        )
    return Problem(
        f"{one.what} {one.text} has host bits set",
        why=f"a range begins at its first address, here {network.network_address}",
        fix=f"{one.option} {network}",
        azure="InvalidIPRangeCIDR",
        target=one.target,
    )


def _reserved(one: Range, unenforced: Collection[str]) -> Iterator[Problem]:
    """Yield what touches reserved space; what AKS took all the same, though its documents forbade it, as a warning."""
    network = one.network
    hit = next((reserved for reserved in RESERVED if network and overlap(network, reserved)), None)
    if hit is None or network is None:
        return
    relation = "touches" if network.prefixlen >= hit.prefixlen else "contains"
    yield Problem(
        f"{one.what} {one.text} {relation} {hit}, which AKS reserves",
        why=_RESERVED_WHY,
        fix=one.fix,
        target=one.target,
        severity=Severity.WARNING if str(hit) in unenforced and not one.is_service else None,
    )


_reserved_rule = (
    "S24-104",
    "A range stays clear of what AKS reserves",
    docs("concepts-network-cni-overview"),
    changelog("2025-01-30"),
    changelog("2026-05-29"),
)
_RANGES_172 = ("172.30.0.0/16", "172.31.0.0/16")


@rule(*_reserved_rule, until=_LINK_LOCAL).of_ranges
def ranges_avoid_reserved_space_at_first(_request: ClusterRequest, one: Range) -> Iterator[Problem]:
    """The documents always forbade four ranges; until January 2025 AKS took link-local and 172.30/31 for pods."""
    return _reserved(one, ("169.254.0.0/16", *_RANGES_172))


@rule(*_reserved_rule, since=_LINK_LOCAL, until=_FOR_PODS).of_ranges
def ranges_avoid_reserved_space_with_link_local(_request: ClusterRequest, one: Range) -> Iterator[Problem]:
    """Link-local ranges are refused since 30 January 2025; 172.30.0.0/16 and 172.31.0.0/16 were still taken."""
    return _reserved(one, _RANGES_172)


@rule(*_reserved_rule, since=_FOR_PODS).of_ranges
def ranges_avoid_reserved_space(_request: ClusterRequest, one: Range) -> Iterator[Problem]:
    """Pods, Services and the VNet stay clear of four ranges, in either direction: 172.16.0.0/12 contains two of them.
    Since 29 May 2026 AKS refuses 172.30/31 for pods on create and update; clusters that have it keep it.
    """
    return _reserved(one, ())


@rule("S24-119", "The VNet stays clear of what AKS reserves", docs("concepts-network-cni-overview"))
def vnets_avoid_reserved_space(request: ClusterRequest) -> Iterator[Problem]:
    """The four ranges that AKS keeps for itself are no ranges for a cluster's VNet either."""
    for prefix in request.vnet_prefixes:
        hit = next((reserved for reserved in RESERVED if overlap(prefix, reserved)), None)
        if hit is not None:
            yield Problem(
                f"the VNet's range {prefix} touches {hit}, which AKS reserves",
                why=_RESERVED_WHY,
                fix="put the cluster into a VNet of another range",
                target=targets.SUBNET,
            )


_PUBLIC_SERVICES = date(2023, 10, 1)
_private_rule = (
    "S24-105",
    "A range is private space",
    _OVERLAY,
    changelog("2023-10-01"),
)


def _public(one: Range, of_services: Severity) -> Iterator[Problem]:
    network = one.network
    if network is None or network.version != 4 or any(overlap(network, reserved) for reserved in RESERVED):
        return
    if network.is_multicast or network.is_loopback or network.is_unspecified or network.is_reserved:
        yield Problem(
            f"{one.what} {one.text} is no range that hosts can have addresses of",
            why="it is loopback, multicast or reserved space",
            fix=one.fix,
            target=one.target,
            severity=of_services if network.is_multicast and one.is_service else Severity.ERROR,
        )
    elif not any(network.subnet_of(private) for private in PRIVATE):
        yield Problem(
            f"{one.what} {one.text} is public space, not RFC 1918 (10/8, 172.16/12, 192.168/16) or RFC 6598 "
            "(100.64/10)",
            why="the hosts of the internet that have these addresses can no longer be reached",
            fix=one.fix,
            target=one.target,
            severity=of_services if one.is_service else None,
        )


@rule(*_private_rule, severity=Severity.WARNING, until=_PUBLIC_SERVICES).of_ranges
def ranges_should_be_private(_request: ClusterRequest, one: Range) -> Iterator[Problem]:
    """Public ranges were outside support, and taken."""
    return _public(one, Severity.WARNING)


@rule(*_private_rule, severity=Severity.WARNING, since=_PUBLIC_SERVICES).of_ranges
def ranges_are_private(_request: ClusterRequest, one: Range) -> Iterator[Problem]:
    """Public pod ranges are outside support, not blocked; service ranges in public or multicast space are refused since
    1 October 2023.
    """
    return _public(one, Severity.ERROR)


@rule("S24-114", "The service CIDR is smaller than a /12", docs("concepts-network-ip-address-planning"))
def services_are_smaller_than_a_12(request: ClusterRequest) -> Iterator[Problem]:
    """The documents say "smaller than /12", which is read to the letter: a /13 is the widest."""
    services = request.service_network
    if services is not None and services.prefixlen <= 12:
        yield Problem(
            f"service CIDR {services} is too wide: AKS takes /13 and smaller",
            why="the range of a cluster's Services must be smaller than a /12",
            fix=service_cidr_fix(request),
            target=targets.SERVICE_CIDR,
        )
