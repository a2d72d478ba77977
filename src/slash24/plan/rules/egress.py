"""Rules about how a cluster leaves: its outbound type, what that needs, and what it can be changed to."""

from collections.abc import Iterator
from datetime import date

from slash24.plan.finding import Problem, known
from slash24.plan.request import ClusterRequest
from slash24.plan.rulebook import rule
from slash24.plan.source import ERROR_CODES, az, changelog, docs

_TYPES = docs("egress-outboundtype")
_TARGET = "networkProfile.outboundType"
NAT_V2 = "managedNATGatewayV2"
OUTBOUND_TYPES = (
    "loadBalancer",
    "managedNATGateway",
    "userAssignedNATGateway",
    "userDefinedRouting",
    "none",
    "block",
    NAT_V2,
)


def outbound_type(request: ClusterRequest) -> str:
    return known(request.outbound_type, "the outbound type") or "loadBalancer"


@rule(
    "S24-160",
    "The outbound type is one that AKS has",
    az("_validators.py"),
    _TYPES,
    azure=("UnsupportedOutboundType",),
    dispute="NAT gateway V2 is an outbound type managedNATGatewayV2 (the page on outbound types) or managedNATGateway "
    "with the SKU StandardV2 (API 2026-06-01). Followed: both are taken.",
)
def outbound_types_are_known(request: ClusterRequest) -> Iterator[Problem]:
    """Basic load balancers know no outbound types."""
    outbound = outbound_type(request)
    if outbound not in OUTBOUND_TYPES:
        yield Problem(
            f"outbound type {outbound}",
            fix="--outbound-type loadBalancer",
            azure="UnsupportedOutboundType",
            azure_text="Invalid outbound type, supported values are loadBalancer, managedNATGateway, "
            "userAssignedNATGateway, userDefinedRouting and none. Please refer to "
            "https://learn.microsoft.com/en-us/azure/aks/egress-outboundtype#updating-outboundtype-after-cluster-creation"
            " for more details.",
            target=_TARGET,
        )
    elif known(request.load_balancer.sku, "the load balancer's SKU") == "basic" and request.outbound_type:
        yield Problem(
            f"{outbound} doesn't support basic load balancer sku", fix="--load-balancer-sku standard", target=_TARGET
        )


@rule(
    "S24-161",
    "User-defined routing has a subnet with a default route",
    az("_validators.py"),
    _TYPES,
    ERROR_CODES,
    applies="userDefinedRouting",
    azure=("RouteTableMissingDefaultRouteError", "RouteTableInvalidNextHop"),
)
def routed_clusters_have_a_way_out(request: ClusterRequest) -> Iterator[Problem]:
    """The table of the nodes' subnet leads 0.0.0.0/0 to a gateway or a firewall before the cluster is made."""
    if outbound_type(request) != "userDefinedRouting":
        return
    if request.managed_vnet:
        yield Problem(
            "--vnet-subnet-id must be specified for userDefinedRouting and it must be pre-configured with a route "
            "table "
            "with egress rules",
            fix="--vnet-subnet-id ID",
            target=_TARGET,
        )
    for pool in request.pools:
        subnet = request.subnet_of(pool)
        if subnet is None:
            continue
        hop = known(subnet.default_route, f"the default route of subnet {subnet.name}")
        if hop not in ("VirtualAppliance", "VirtualNetworkGateway"):
            yield Problem(
                f"subnet {subnet.name} has no route 0.0.0.0/0 to a gateway or a virtual appliance",
                why="nodes couldn't reach what they need to start",
                fix="az network route-table route create --address-prefix 0.0.0.0/0 --next-hop-type VirtualAppliance "
                "...",
                azure="RouteTableInvalidNextHop" if hop else "RouteTableMissingDefaultRouteError",
                target=_TARGET,
            )
            return


@rule(
    "S24-162",
    "A NAT gateway of one's own is on the subnet",
    az("_validators.py"),
    _TYPES,
    ERROR_CODES,
    applies="userAssignedNATGateway",
    azure=("SubnetNotAssociatedWithNATGateway", "UserAssignedNATGatewayWithManagedVNetNotAllowed"),
)
def own_gateways_are_there(request: ClusterRequest) -> Iterator[Problem]:
    """The gateway is on the nodes' subnet, with outbound addresses, before the cluster is made."""
    if outbound_type(request) != "userAssignedNATGateway":
        return
    if request.managed_vnet:
        yield Problem(
            "--vnet-subnet-id must be specified for userAssignedNATGateway and it must be pre-configured with a NAT "
            "gateway with outbound ips",
            fix="--vnet-subnet-id ID",
            azure="UserAssignedNATGatewayWithManagedVNetNotAllowed",
            target=_TARGET,
        )
    for pool in request.pools:
        subnet = request.subnet_of(pool)
        if subnet is not None and not known(subnet.nat_gateway, f"the NAT gateway of subnet {subnet.name}"):
            yield Problem(
                f"subnet {subnet.name} has no NAT gateway",
                fix="az network vnet subnet update --nat-gateway ID ...",
                azure="SubnetNotAssociatedWithNATGateway",
                target=_TARGET,
            )
            return


@rule(
    "S24-163",
    "A managed NAT gateway has a managed VNet",
    az("_validators.py"),
    ERROR_CODES,
    applies="managedNATGateway",
    azure=("ManagedNATGatewayWithCustomVNetNotAllowed",),
)
def managed_gateways_have_a_managed_vnet(request: ClusterRequest) -> Iterator[Problem]:
    """AKS attaches its gateway to its own subnet only."""
    if outbound_type(request) in ("managedNATGateway", NAT_V2) and not request.managed_vnet:
        yield Problem(
            "--vnet-subnet-id, --system-node-subnet-id and --node-subnet-id cannot be specified for managedNATGateway",
            fix="--outbound-type userAssignedNATGateway, or leave --vnet-subnet-id out",
            azure="ManagedNATGatewayWithCustomVNetNotAllowed",
            target=_TARGET,
        )


#: Managed VNet: from -> to. The page says that V2 goes nowhere; the changelog of 29 May 2026 allows none and block.
_MANAGED_MOVES = {
    "loadBalancer": {NAT_V2, "managedNATGateway", "none", "block"},
    NAT_V2: set[str](),
    "managedNATGateway": {NAT_V2, "none", "block"},
    "none": {"loadBalancer", NAT_V2, "managedNATGateway", "block"},
    "block": {"loadBalancer", NAT_V2, "managedNATGateway", "none"},
}
_OWN_MOVES = {"loadBalancer", "userAssignedNATGateway", "userDefinedRouting", "none"}
_V2_LEAVES = date(2026, 5, 29)
_moves_rule = ("S24-167", "The outbound type can be changed to that", _TYPES, changelog("2026-05-29"))
_MOVES_DISPUTE = (
    "From NAT gateway V2 to none or block: no (the page on outbound types), yes (changelog of 29 May 2026). Followed: "
    "the changelog."
)


@rule(*_moves_rule, applies="update", until=_V2_LEAVES, dispute=_MOVES_DISPUTE)
def outbound_moves_were_allowed(request: ClusterRequest) -> Iterator[Problem]:
    """A change cuts connections and changes the public address; from NAT gateway V2 no way led on."""
    return _outbound_move(request, set())


@rule(*_moves_rule, applies="update", since=_V2_LEAVES, dispute=_MOVES_DISPUTE)
def outbound_moves_are_allowed(request: ClusterRequest) -> Iterator[Problem]:
    """A change cuts connections and changes the public address. In a VNet of one's own, load balancer, own NAT gateway,
    user-defined routing and none may be swapped; in a managed VNet it depends on both ends.
    """
    return _outbound_move(request, {"none", "block"})


def _outbound_move(request: ClusterRequest, from_v2: set[str]) -> Iterator[Problem]:
    if request.current is None:
        return
    before, after = _type_of(request.current), _type_of(request)
    if before == after:
        return
    managed = request.managed_vnet
    allowed = (_MANAGED_MOVES.get(before, set()) | (from_v2 if before == NAT_V2 else set())) if managed else _OWN_MOVES
    if after in allowed:
        return
    own_only = managed and after in ("userDefinedRouting", "userAssignedNATGateway")
    yield Problem(
        f"the outbound type can't be changed from {before} to {after} in a {'managed' if managed else 'custom'} VNet",
        fix=f"one of {', '.join(sorted(allowed - {before}))}" if allowed - {before} else "a new cluster",
        azure_text=_OWN_VNET_TEXT.format(after) if own_only else "",
        target=_TARGET,
    )


_OWN_VNET_TEXT = (
    "Updating outbound type to {0} is only supported for clusters using a custom (BYO) virtual network. Managed VNet "
    "clusters cannot be updated to {0}. Please refer to "
    "https://learn.microsoft.com/en-us/azure/aks/egress-outboundtype#updating-outboundtype-after-cluster-creation "
    "for supported migration paths."
)


def _type_of(request: ClusterRequest) -> str:
    """Return the outbound type, NAT gateway V2 by the name that the page on outbound types has for it."""
    outbound = outbound_type(request)
    v2 = outbound == "managedNATGateway" and request.nat_gateway.sku == "StandardV2"
    return NAT_V2 if v2 else outbound
