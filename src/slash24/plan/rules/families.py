"""Rules of dual-stack clusters."""

from collections.abc import Iterator
from datetime import date

from slash24.core.addresses import network_or_none
from slash24.core.models import TRAITS, Model
from slash24.plan.addons import Addon, uses
from slash24.plan.finding import Problem, Severity, known
from slash24.plan.kubernetes import older_than
from slash24.plan.request import IPV4, IPV6, ClusterRequest
from slash24.plan.rulebook import rule
from slash24.plan.source import changelog, docs

_DUAL = docs("configure-dual-stack")
_OVERLAY = docs("azure-cni-overlay")
_TARGET = "networkProfile.ipFamilies"


@rule(
    "S24-116",
    "Families and ranges of a dual-stack cluster agree",
    _OVERLAY,
    _DUAL,
    changelog("2022-01-27"),
    dispute="IPv6 ranges that nobody gives: fixed (fd12:3456:789a::/64 and fd12:3456:789a:1::/108, the documents of "
    "2026) "
    "or pseudo-random by RFC 4193 (changelog of 27 January 2022). Followed: the fixed ones.",
)
def families_and_ranges_agree(request: ClusterRequest) -> Iterator[Problem]:
    """ipv4, or ipv4,ipv6; ranges in the same number and order; an IPv6 service range is a /108 at most."""
    if request.families not in ((IPV4,), (IPV4, IPV6), (IPV6, IPV4)):
        yield Problem(
            f"--ip-families {','.join(request.families)}",
            why="AKS has IPv4 clusters and dual-stack clusters, none with IPv6 alone",
            fix="--ip-families ipv4,ipv6",
            target=_TARGET,
        )
        return
    for option, given in (("--pod-cidrs", request.pod_cidrs), ("--service-cidrs", request.service_cidrs)):
        networks = [network_or_none(text) for text in known(given, f"the value of {option}")]
        versions = [f"ipv{network.version}" for network in networks if network is not None]
        if given and None not in networks and versions != list(request.families):
            yield Problem(
                f"{option} {','.join(given)} with --ip-families {','.join(request.families)}",
                why="ranges and families have one order and one number",
                fix="one range for each family, in its order",
                target=_TARGET,
            )
    for network in request.service_networks:
        if network.version == 6 and network.prefixlen < 108:
            yield Problem(
                f"IPv6 service CIDR {network} is wider than a /108",
                fix=f"--service-cidrs with {network.network_address}/108",
                target="networkProfile.serviceCidrs",
            )


@rule(
    "S24-145",
    "Dual-stack goes with the cluster's parts",
    _OVERLAY,
    _DUAL,
    docs("azure-cni-powered-by-cilium"),
    applies="dual-stack",
)
def dual_stack_fits(request: ClusterRequest) -> Iterator[Problem]:
    """No Azure NPM and no Calico, no Standard NAT gateway, no virtual nodes, no static egress gateway; Cilium from
    Kubernetes 1.29 on; not with node subnet and pod subnet by dynamic allocation.
    """
    if not request.dual_stack:
        return
    if request.model in (Model.NODE_SUBNET, Model.POD_SUBNET):
        yield Problem(
            f"dual-stack with {TRAITS[request.model].title}", fix="--network-plugin-mode overlay", target=_TARGET
        )
    policy = known(request.policy, "the network policy engine")
    if policy in ("azure", "calico"):
        yield Problem(
            f"dual-stack with --network-policy {policy}",
            why="neither Azure NPM nor Calico knows IPv6 there",
            fix="--network-dataplane cilium",
            target=_TARGET,
        )
    outbound = known(request.outbound_type, "the outbound type")
    if outbound == "managedNATGateway" and known(request.nat_gateway.sku, "the NAT gateway's SKU") == "Standard":
        yield Problem(
            "dual-stack with a Standard NAT gateway",
            why="it translates IPv4 only",
            fix="--outbound-type-sku StandardV2",
            target=_TARGET,
        )
    for addon in (Addon.VIRTUAL_NODE, Addon.STATIC_EGRESS_GATEWAY):
        if uses(request, addon):
            yield Problem(f"dual-stack with {addon}", fix="leave one out", target=_TARGET)
    if known(request.dataplane, "the network dataplane") == "cilium" and older_than(request, 29):
        yield Problem(
            f"dual-stack with Cilium on Kubernetes {request.kubernetes_version}",
            fix="--kubernetes-version 1.29 or newer",
            target=_TARGET,
        )


_WARNS = date(2023, 10, 8)
_no_route = (
    "S24-146",
    "A user-defined IPv6 route leads out of a dual-stack cluster",
    changelog("2023-10-08"),
)


@rule(*_no_route, applies="dual-stack with userDefinedRouting", until=_WARNS)
def ipv6_must_have_had_a_route(request: ClusterRequest) -> Iterator[Problem]:
    """Refused until October 2023."""
    return _ipv6_route(request)


@rule(*_no_route, applies="dual-stack with userDefinedRouting", severity=Severity.INFO, since=_WARNS)
def ipv6_has_a_route(request: ClusterRequest) -> Iterator[Problem]:
    """A table without a default route for IPv6 is told since 8 October 2023, no longer refused."""
    return _ipv6_route(request)


def _ipv6_route(request: ClusterRequest) -> Iterator[Problem]:
    if request.dual_stack and known(request.outbound_type, "the outbound type") == "userDefinedRouting":
        yield Problem(
            "dual-stack with userDefinedRouting: look for a route ::/0 in the table",
            why="without it IPv6 doesn't leave the cluster",
            fix="az network route-table route create --address-prefix ::/0 --next-hop-type VirtualAppliance ...",
        )
