"""Rules about ranges: what a pod CIDR, a service CIDR and a DNS address may be."""

from collections.abc import Iterator
from datetime import date
from ipaddress import ip_network

from slash24.core.addresses import IPNetwork, overlap, parse_prefix
from slash24.plan.finding import Problem, Severity
from slash24.plan.propose import PRIVATE, RESERVED, free_pod_cidr, free_service_cidr
from slash24.plan.request import ClusterRequest, default_dns_ip
from slash24.plan.rulebook import rule

_OVERVIEW = "https://learn.microsoft.com/azure/aks/concepts-network-cni-overview"
_OVERLAY = "https://learn.microsoft.com/azure/aks/concepts-network-azure-cni-overlay"
_PLANNING = "https://learn.microsoft.com/azure/aks/concepts-network-ip-address-planning"
_CHANGELOG = "https://github.com/Azure/AKS/blob/master/CHANGELOG.md"
_DOCS = date(2026, 8, 21)

POD_TARGET = "networkProfile.podCIDR"
SERVICE_TARGET = "networkProfile.serviceCIDR"
_RESERVED_WHY = "169.254.0.0/16, 192.0.2.0/24, 172.30.0.0/16 and 172.31.0.0/16 carry AKS' own traffic on every node"
DNS_TARGET = "networkProfile.dnsServiceIP"


def _named(request: ClusterRequest) -> Iterator[tuple[str, str, str, str]]:
    """Yield (what it is, the option, its text, the ARM property) of both ranges."""
    yield "pod CIDR", "--pod-cidr", request.pod_cidr, POD_TARGET
    yield "service CIDR", "--service-cidr", request.service_cidr, SERVICE_TARGET


def _service_fix(request: ClusterRequest) -> str:
    own = request.service_network
    others = [network for network in request.taken() if network is not own and network != own]
    free = free_service_cidr(max(16, own.prefixlen) if own else 16, others)
    return f"--service-cidr {free} --dns-service-ip {default_dns_ip(free)}" if free else "choose a free service CIDR"


def _pod_fix(request: ClusterRequest) -> str:
    own = request.pod_network
    others = [network for network in request.taken() if network is not own and network != own]
    # Where own and service range are equal, the service range stays taken.
    if request.service_network is not None:
        others.append(request.service_network)
    free = free_pod_cidr(own.prefixlen if own else 16, others)
    return f"--pod-cidr {free}" if free else "choose a pod CIDR that is free"


@rule("S24-106", "A range is a CIDR without host bits", source=_OVERLAY, as_of=_DOCS)
def ranges_are_cidrs(request: ClusterRequest) -> Iterator[Problem]:
    for what, option, text, target in _named(request):
        try:
            network = parse_prefix(text)
        except ValueError as error:
            yield _malformed(what, option, text, target, error)
            continue
        if network.version != 4:
            yield Problem(
                f"{what} {text} is an IPv6 range, and the cluster has one family, IPv4",
                why="IPv6 is for dual-stack clusters, where it comes second",
                fix=f"{option} with an IPv4 range",
                azure="UnexpectedIPVersionCIDR",
                target=target,
            )
        elif network.num_addresses == 1:
            yield Problem(
                f"{what} {text} is a single address",
                why="a node needs a block of it, or a service an address",
                fix=f"{option} {ip_network((network.network_address, 16), strict=False)}",
                azure="SingleIPAddressCIDR",
                target=target,
            )


def _malformed(what: str, option: str, text: str, target: str, error: ValueError) -> Problem:
    try:
        network = parse_prefix_loosely(text)
    except ValueError:
        return Problem(
            f"{what} {text!r} is not a CIDR",
            why=str(error),
            fix=f"{option} 10.244.0.0/16" if option == "--pod-cidr" else f"{option} 10.0.0.0/16",
            azure="CidrStringParseError",
            target=target,
        )
    return Problem(
        f"{what} {text} has host bits set",
        why=f"a range begins at its first address, here {network.network_address}",
        fix=f"{option} {network}",
        azure="InvalidIPRangeCIDR",
        target=target,
    )


def parse_prefix_loosely(text: str) -> IPNetwork:
    """Return the network that holds the address of a CIDR with host bits. Raises ValueError if it is no CIDR."""
    if not text.partition("/")[2].isdecimal():
        raise ValueError(f"{text!r} has no prefix length")
    return ip_network(text, strict=False)


@rule("S24-104", "A range stays clear of what AKS reserves", source=_OVERVIEW, as_of=_DOCS)
def ranges_avoid_reserved_space(request: ClusterRequest) -> Iterator[Problem]:
    for what, option, text, target in _named(request):
        network = request.pod_network if option == "--pod-cidr" else request.service_network
        hit = next((reserved for reserved in RESERVED if network and overlap(network, reserved)), None)
        if hit is None:
            continue
        relation = "touches" if network == hit or not network or network.prefixlen >= hit.prefixlen else "contains"
        yield Problem(
            f"{what} {text} {relation} {hit}, which AKS reserves",
            why=_RESERVED_WHY,
            fix=_pod_fix(request) if option == "--pod-cidr" else _service_fix(request),
            target=target,
        )
    for prefix in request.vnet_prefixes:
        hit = next((reserved for reserved in RESERVED if overlap(prefix, reserved)), None)
        if hit is not None:
            yield Problem(
                f"the VNet's range {prefix} touches {hit}, which AKS reserves",
                why=_RESERVED_WHY,
                fix="put the cluster into a VNet of another range",
                target="agentPoolProfile.vnetSubnetID",
            )


@rule("S24-105", "A range is private space", source=_OVERLAY, as_of=_DOCS, severity=Severity.WARNING)
def ranges_are_private(request: ClusterRequest) -> Iterator[Problem]:
    for what, option, text, target in _named(request):
        network = request.pod_network if option == "--pod-cidr" else request.service_network
        if network is None or network.version != 4 or any(overlap(network, reserved) for reserved in RESERVED):
            continue
        if network.is_multicast or network.is_loopback or network.is_unspecified or network.is_reserved:
            yield Problem(
                f"{what} {text} is no range that hosts can have addresses of",
                why="it is loopback, multicast or reserved space",
                fix=_pod_fix(request) if option == "--pod-cidr" else _service_fix(request),
                target=target,
                severity=Severity.ERROR,
            )
        elif not any(network.subnet_of(private) for private in PRIVATE if private.version == network.version):
            # Public service ranges are refused since October 2023, public pod ranges are only unsupported.
            service = option == "--service-cidr"
            yield Problem(
                f"{what} {text} is public space, not RFC 1918 (10/8, 172.16/12, 192.168/16) or RFC 6598 (100.64/10)",
                why="the hosts of the internet that have these addresses can no longer be reached",
                fix=_service_fix(request) if service else _pod_fix(request),
                target=target,
                severity=Severity.ERROR if service else Severity.WARNING,
            )


@rule("S24-101", "The pod CIDR overlaps no subnet of the VNet", source=_CHANGELOG, as_of=date(2026, 8, 7))
def pods_avoid_subnets(request: ClusterRequest) -> Iterator[Problem]:
    """Since October 2024 a create is compared with every subnet of the VNet, no longer with its whole space."""
    pods = request.pod_network
    if pods is None:
        return
    for subnet in request.subnets:
        if overlap(pods, subnet.prefix):
            yield Problem(
                f"pod CIDR {pods} overlaps subnet {subnet.name} {subnet.prefix}",
                why=f"packets of pods for {overlap_of(pods, subnet.prefix)} would stay in the overlay and never arrive",
                fix=_pod_fix(request),
                azure="PodCidrOverlapExistingSubnetsCidr",
                azure_text=f"The specified pod CIDR {pods} is conflicted with an existing subnet CIDR {subnet.prefix}",
                target=POD_TARGET,
            )
            return
    for prefix in request.vnet_prefixes:
        if overlap(pods, prefix):
            yield Problem(
                f"pod CIDR {pods} lies in the VNet's range {prefix}, though in none of its subnets yet",
                why="a subnet made there later could not be reached from pods",
                fix=_pod_fix(request),
                target=POD_TARGET,
                severity=Severity.WARNING,
            )
            return


@rule("S24-102", "Pod CIDR and service CIDR don't overlap", source=_OVERLAY, as_of=_DOCS)
def pods_avoid_services(request: ClusterRequest) -> Iterator[Problem]:
    pods, services = request.pod_network, request.service_network
    if pods is None or services is None or not overlap(pods, services):
        return
    yield Problem(
        f"pod CIDR {pods} overlaps service CIDR {services}",
        why=f"an address of {overlap_of(pods, services)} would name a pod and a Service at once",
        fix=_pod_fix(request) if request.pod_cidr != "10.244.0.0/16" else _service_fix(request),
        azure="PodCidrOverlapServiceCidr",
        azure_text=f"The specified pod CIDR {pods} overlaps with the service CIDR {services}",
        target=POD_TARGET,
    )


@rule(
    "S24-103",
    "The service CIDR overlaps no subnet of the VNet",
    source="https://learn.microsoft.com/troubleshoot/azure/azure-kubernetes/error-codes/"
    "servicecidroverlapexistingsubnetscidr-error",
    as_of=date(2026, 9, 1),
)
def services_avoid_subnets(request: ClusterRequest) -> Iterator[Problem]:
    services = request.service_network
    if services is None:
        return
    for subnet in request.subnets:
        if overlap(services, subnet.prefix):
            yield Problem(
                f"service CIDR {services} overlaps subnet {subnet.name} {subnet.prefix}",
                why=f"pods would send traffic for {overlap_of(services, subnet.prefix)} to a Service",
                fix=_service_fix(request),
                azure="ServiceCidrOverlapExistingSubnetsCidr",
                azure_text=f"The specified service CIDR {services} is conflicted with an existing subnet CIDR "
                f"{subnet.prefix}",
                target=SERVICE_TARGET,
            )
            return
    for prefix in request.vnet_prefixes:
        if overlap(services, prefix):
            yield Problem(
                f"service CIDR {services} lies in the VNet's range {prefix}",
                why="a subnet made there later could not be reached from pods",
                fix=_service_fix(request),
                target=SERVICE_TARGET,
                severity=Severity.WARNING,
            )
            return


@rule("S24-114", "The service CIDR is smaller than a /12", source=_PLANNING, as_of=_DOCS)
def services_are_smaller_than_a_12(request: ClusterRequest) -> Iterator[Problem]:
    services = request.service_network
    if services is None or services.version != 4 or services.prefixlen > 12:
        return
    yield Problem(
        f"service CIDR {services} is too wide: AKS takes /13 and smaller",
        why="the range of a cluster's Services must be smaller than a /12",
        fix=_service_fix(request),
        target=SERVICE_TARGET,
    )


@rule("S24-115", "The DNS address is in the service CIDR, not its first nor its last", source=_PLANNING, as_of=_DOCS)
def dns_lies_in_the_service_range(request: ClusterRequest) -> Iterator[Problem]:
    services, address, text = request.service_network, request.dns_address, request.dns_service_ip
    if address is None:
        yield Problem(
            f"DNS service IP {text!r} is not an IP address",
            fix=f"--dns-service-ip {default_dns_ip(request.service_cidr)}",
            azure="DnsServiceIpParseError",
            target=DNS_TARGET,
        )
        return
    if services is None:
        return
    fix = f"--dns-service-ip {default_dns_ip(request.service_cidr)}"
    if address not in services:
        yield Problem(
            f"DNS service IP {address} is outside the service CIDR {services}",
            why="the cluster's DNS is a Service and needs an address of their range",
            fix=fix,
            azure="DnsServiceIpOutOfServiceCidr",
            azure_text=f"The DNS service IP {address} is out of the range defined by service CIDR {services}.",
            target=DNS_TARGET,
        )
    elif int(address) - int(services.network_address) <= 1:
        yield Problem(
            f"DNS service IP {address} is the first address of the service CIDR {services}",
            why="the first address is the Kubernetes API's own, kubernetes.default.svc.cluster.local",
            fix=fix,
            azure="DnsServiceIpConflicting",
            target=DNS_TARGET,
        )
    elif address == services.broadcast_address:
        yield Problem(
            f"DNS service IP {address} is the last address of the service CIDR {services}",
            why="the last address of the range is its broadcast address",
            fix=fix,
            azure="DnsBroadcastAddressConflicting",
            target=DNS_TARGET,
        )


def overlap_of(a: IPNetwork, b: IPNetwork) -> IPNetwork:
    """Return the part that two overlapping networks share: the smaller of them."""
    return a if a.prefixlen >= b.prefixlen else b
