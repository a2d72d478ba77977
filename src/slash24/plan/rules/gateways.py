"""Rules about the settings of load balancer and NAT gateway, and about the ports that they have for nodes."""

from collections.abc import Iterator

from slash24.plan.finding import Problem, known
from slash24.plan.request import ClusterRequest
from slash24.plan.rulebook import rule
from slash24.plan.rules.egress import NAT_V2, outbound_type
from slash24.plan.source import ARM, ERROR_CODES, az, docs

_BALANCER = docs("configure-load-balancer-standard")
_LB, _NAT = "networkProfile.loadBalancerProfile", "networkProfile.natGatewayProfile"
PORTS_OF_ADDRESS = 64_000


@rule(
    "S24-164",
    "The load balancer's settings are within their ranges",
    az("_validators.py"),
    ARM,
    azure=("LoadBalancerProfileAllocatedOutboundPortsMustBeMultipleOfEight",),
    dispute="Idle timeout: 4 to 100 minutes (az, Terraform) or 4 to 120 (ARM). Followed: above 100 az refuses, which "
    "is "
    "told; ARM's 120 is the limit of the service.",
)
def balancer_settings_are_in_range(request: ClusterRequest) -> Iterator[Problem]:
    """They belong to the outbound type loadBalancer; addresses are AKS' own or the user's, not both."""
    balancer, outbound = request.load_balancer, outbound_type(request)
    ports = known(balancer.ports, "the outbound ports")
    idle = known(balancer.idle_min, "the load balancer's idle timeout")
    if ports % 8:
        yield Problem(
            "--load-balancer-allocated-ports must be a multiple of 8",
            why=f"{ports} is none",
            fix=f"--load-balancer-outbound-ports {ports // 8 * 8}",
            azure="LoadBalancerProfileAllocatedOutboundPortsMustBeMultipleOfEight",
            target=_LB,
        )
    if not 0 <= ports <= PORTS_OF_ADDRESS:
        yield Problem("--load-balancer-allocated-ports must be in the range [0,64000]", fix="1024", target=_LB)
    if idle and not 4 <= idle <= 100:
        yield Problem(
            "--load-balancer-idle-timeout must be in the range [4,100]",
            why=f"{idle} minutes are asked for",
            fix="--load-balancer-idle-timeout 30",
            target=_LB,
        )
    if known(balancer.sku, "the load balancer's SKU").lower() not in ("", "basic", "standard"):
        yield Problem(
            "--load-balancer-sku can only be standard or basic", fix="--load-balancer-sku standard", target=_LB
        )
    if not 0 <= known(balancer.managed_ips, "the count of outbound addresses") <= 100:
        yield Problem("a load balancer has 1 to 100 managed outbound addresses", fix="1", target=_LB)
    if outbound != "loadBalancer" and balancer.customised:
        yield Problem(
            f"{outbound} type doesn't support customizing the standard load balancer ips",
            fix="leave them out",
            target=_LB,
        )
    if outbound != "loadBalancer" and (ports or idle):
        yield Problem(
            f"{outbound} type doesn't support customizing the standard load balancer config",
            fix="leave them out",
            target=_LB,
        )


@rule("S24-165", "The NAT gateway's settings are within their ranges", az("_validators.py"), ARM, docs("nat-gateway"))
def gateway_settings_are_in_range(request: ClusterRequest) -> Iterator[Problem]:
    """Managed addresses 1 to 16; own addresses and IPv6 need StandardV2; settings need the type managedNATGateway."""
    gateway, outbound = request.nat_gateway, outbound_type(request)
    managed = outbound in ("managedNATGateway", NAT_V2)
    own = known(gateway.outbound_ips, "the gateway's addresses") or known(gateway.outbound_prefixes, "its prefixes")
    counts = (
        ("", known(gateway.managed_ips, "the gateway's count")),
        ("v6", known(gateway.managed_ips_v6, "its count")),
    )
    for family, count in counts:
        if count and not 1 <= count <= 16:
            yield Problem(
                f"--nat-gateway-managed-outbound-ip{family}-count must be in the range [1,16]", fix="1", target=_NAT
            )
    idle = known(gateway.idle_min, "the gateway's idle timeout")
    if idle and not 4 <= idle <= 120:
        yield Problem("--nat-gateway-idle-timeout must be in the range [4,120]", fix="4", target=_NAT)
    if any(count for _, count in counts) and own:
        yield Problem(
            "--nat-gateway-managed-outbound-ip-count / --nat-gateway-managed-outbound-ipv6-count cannot be combined "
            "with "
            "--nat-gateway-outbound-ips / --nat-gateway-outbound-ip-prefixes. Choose either AKS-managed outbound IPs "
            "or "
            "your own outbound IPs/IP prefixes.",
            fix="one of them",
            target=_NAT,
        )
    sku = known(gateway.sku, "the gateway's SKU")
    if sku and not managed:
        yield Problem(
            "--outbound-type-sku is only valid with --outbound-type managedNATGateway; specify --outbound-type "
            "managedNATGateway explicitly.",
            fix="--outbound-type managedNATGateway",
            target=_NAT,
        )
    if (own or gateway.managed_ips_v6) and managed and sku == "Standard":
        yield Problem(
            "--nat-gateway-managed-outbound-ipv6-count, --nat-gateway-outbound-ips and "
            "--nat-gateway-outbound-ip-prefixes "
            "are only valid with --outbound-type managedNATGateway and --outbound-type-sku StandardV2; specify "
            "--outbound-type managedNATGateway explicitly.",
            fix="--outbound-type-sku StandardV2",
            target=_NAT,
        )
    if not managed and gateway.customised:
        yield Problem(
            f"{outbound} type doesn't support customizing the standard nat gateway ips",
            fix="leave them out",
            target=_NAT,
        )


@rule(
    "S24-166",
    "The outbound ports suffice for all nodes",
    _BALANCER,
    ERROR_CODES,
    applies="loadBalancer",
    azure=("InsufficientOutboundPorts",),
)
def ports_suffice(request: ClusterRequest) -> Iterator[Problem]:
    """64,000 ports an address, divided by the ports of a node, are the nodes that an address serves; an upgrade's nodes
    need ports too.
    """
    balancer = request.load_balancer
    ports = known(balancer.ports, "the outbound ports")
    if not ports or outbound_type(request) != "loadBalancer" or balancer.outbound_prefixes:
        return
    addresses = balancer.outbound_ips or balancer.managed_ips or 1
    nodes = sum(pool.peak + pool.surge for pool in request.pools)
    most = PORTS_OF_ADDRESS * addresses // ports
    if nodes > most:
        yield Problem(
            f"{nodes} nodes (with the ones that an upgrade adds) of {ports} ports, and {addresses} outbound addresses "
            f"serve {most}",
            why=f"{PORTS_OF_ADDRESS} / {ports} x {addresses} = {most} nodes",
            fix=f"--load-balancer-managed-outbound-ip-count {-(-nodes * ports // PORTS_OF_ADDRESS)}, or fewer ports",
            azure="InsufficientOutboundPorts",
            target=_LB,
        )
