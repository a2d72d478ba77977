"""The rule about the address of the cluster's DNS."""

from collections.abc import Iterator

from slash24.plan.finding import Problem
from slash24.plan.request import ClusterRequest, default_dns_ip
from slash24.plan.rulebook import rule
from slash24.plan.rules import targets
from slash24.plan.source import ERROR_CODES, docs


@rule(
    "S24-115",
    "The DNS address is in the service CIDR, not its first nor its last",
    docs("concepts-network-ip-address-planning"),
    docs("configure-kubenet"),
    ERROR_CODES,
    azure=(
        "DnsServiceIpParseError",
        "DnsServiceIpOutOfServiceCidr",
        "DnsServiceIpConflicting",
        "DnsBroadcastAddressConflicting",
    ),
)
def dns_lies_in_the_service_range(request: ClusterRequest) -> Iterator[Problem]:
    """The cluster's DNS is a Service. The first address of their range is the Kubernetes API's own."""
    services, address = request.service_network, request.dns_address
    fix = f"--dns-service-ip {default_dns_ip(request.service_ranges[0])}"
    if address is None:
        yield Problem(
            f"DNS service IP {request.dns_text!r} is not an IP address",
            fix=fix,
            azure="DnsServiceIpParseError",
            target=targets.DNS_SERVICE_IP,
        )
    elif services is None:
        return
    elif address not in services:
        yield Problem(
            f"DNS service IP {address} is outside the service CIDR {services}",
            why="the cluster's DNS is a Service and needs an address of their range",
            fix=fix,
            azure="DnsServiceIpOutOfServiceCidr",
            azure_text=f"The DNS service IP {address} is out of the range defined by service CIDR {services}.",
            target=targets.DNS_SERVICE_IP,
        )
    elif int(address) - int(services.network_address) <= 1:
        yield Problem(
            f"DNS service IP {address} is the first address of the service CIDR {services}",
            why="the first address is the Kubernetes API's own, kubernetes.default.svc.cluster.local",
            fix=fix,
            azure="DnsServiceIpConflicting",
            target=targets.DNS_SERVICE_IP,
        )
    elif address == services.broadcast_address:
        yield Problem(
            f"DNS service IP {address} is the last address of the service CIDR {services}",
            why="the last address of the range is its broadcast address",
            fix=fix,
            azure="DnsBroadcastAddressConflicting",
            target=targets.DNS_SERVICE_IP,
        )
