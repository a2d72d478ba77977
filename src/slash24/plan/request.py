"""What the rules judge: a cluster, or a change to one, as its user wrote it.

One convention for every field: an empty value ("", (), 0) is not given, so AKS' default applies; None is unknown, so a
rule that needs it says nothing and is told as not checked. Words are spelt as az spells them.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from slash24.core.addresses import IPAddress, IPNetwork, ip_or_none, network_or_none
from slash24.core.models import TRAITS, Model
from slash24.core.networks import Networks
from slash24.core.topology import resource_key
from slash24.plan.finding import UnknownFact, known
from slash24.plan.outbound import Acns, LoadBalancer, NatGateway
from slash24.plan.pool import PoolRequest
from slash24.plan.vnet import PeerCluster, SubnetFacts

DEFAULT_POD_CIDR = "10.244.0.0/16"  # docs/sources.md#defaults
DEFAULT_SERVICE_CIDR = "10.0.0.0/16"
DEFAULT_POD_CIDR_V6 = "fd12:3456:789a::/64"
DEFAULT_SERVICE_CIDR_V6 = "fd12:3456:789a:1::/108"
DEFAULT_DNS_SERVICE_IP = "10.0.0.10"
MANAGED_VNET_PREFIX = "10.224.0.0/12"
MANAGED_SUBNET_PREFIX = "10.224.0.0/16"
IPV4, IPV6 = "ipv4", "ipv6"


class Operation(StrEnum):
    """What is asked for; some rules count differently for each (docs/sources.md#counting)."""

    CREATE = "create"
    SCALE = "scale"
    ADD_POOL = "add-pool"
    UPGRADE = "upgrade"
    UPDATE = "update"  # settings, the networking model among them


@dataclass(frozen=True, slots=True)
class ClusterRequest:
    """A cluster as asked for. Ranges are the user's text, since a malformed one is a finding, not an exception.

    plugin: azure, kubenet or none; mode: overlay; dataplane: azure or cilium; policy: none, azure, calico or cilium.
    outbound_type: loadBalancer, userDefinedRouting, managedNATGateway, userAssignedNATGateway, none or block.
    pod_cidrs, service_cidrs, ip_families: one or two, in one order. kubernetes_version: as in 1.33 or 1.33.2.
    identity: SystemAssigned or UserAssigned. addons: names of `Addon`. internal_frontends: private addresses
    that Services ask of internal load balancers. ip_masq: whether the user has a ConfigMap azure-ip-masq-agent-config.
    vnet_prefixes, subnets: all of the VNet's, not only the cluster's; empty if nothing is known of them.
    known: peers, on-premises networks and others that pods must reach. others: clusters beside this one.
    current: the cluster as it is, for an update.
    """

    name: str | None = "cluster"
    pools: tuple[PoolRequest, ...] = (PoolRequest(),)
    plugin: str | None = ""
    mode: str | None = ""
    dataplane: str | None = ""
    policy: str | None = ""
    pod_cidrs: tuple[str, ...] | None = ()
    service_cidrs: tuple[str, ...] | None = ()
    dns_service_ip: str | None = ""
    ip_families: tuple[str, ...] | None = ()
    kubernetes_version: str | None = None
    identity: str | None = None
    addons: frozenset[str] | None = frozenset()
    outbound_type: str | None = ""
    load_balancer: LoadBalancer = field(default_factory=LoadBalancer)
    nat_gateway: NatGateway = field(default_factory=NatGateway)
    acns: Acns = field(default_factory=Acns)
    kube_proxy_mode: str | None = ""
    ip_masq: bool | None = None
    internal_frontends: tuple[str, ...] = ()
    vnet_id: str = ""
    vnet_prefixes: tuple[IPNetwork, ...] = ()
    subnets: tuple[SubnetFacts, ...] = ()
    known: Networks = field(default_factory=Networks)
    others: tuple[PeerCluster, ...] = ()
    block_prefix: int = 24
    operation: Operation = Operation.CREATE
    current: "ClusterRequest | None" = None

    @property
    def model(self) -> Model:
        """The networking model that the settings mean. Raises UnknownFact if they don't say."""
        plugin = known(self.plugin, "the network plugin")
        if plugin == "kubenet":
            return Model.KUBENET
        if plugin == "none":
            return Model.BYO
        if known(self.mode, "the network plugin mode") == "overlay" or not plugin:
            return Model.OVERLAY  # no plugin given is Overlay, azure alone is not (docs/sources.md#defaults)
        for pool in self.pools:
            if known(pool.pod_subnet_id, f"the pod subnet of pool {pool.name}"):
                allocation = known(pool.pod_allocation, f"the pod IP allocation mode of pool {pool.name}")
                return Model.POD_SUBNET_STATIC if allocation == "StaticBlock" else Model.POD_SUBNET
        return Model.NODE_SUBNET

    @property
    def families(self) -> tuple[str, ...]:
        """The address families in the user's order, one by default."""
        return known(self.ip_families, "the IP families") or (IPV4,)

    @property
    def dual_stack(self) -> bool:
        return len(self.families) > 1

    @property
    def pod_ranges(self) -> tuple[str, ...]:
        """The pod CIDRs as text, AKS' defaults where none is given; none if pods have addresses of the VNet."""
        given = known(self.pod_cidrs, "the pod CIDR")
        if given:
            return given
        model = self.model
        if not TRAITS[model].pod_cidr or model is Model.BYO:
            return ()
        return tuple(DEFAULT_POD_CIDR_V6 if family == IPV6 else DEFAULT_POD_CIDR for family in self.families)

    @property
    def service_ranges(self) -> tuple[str, ...]:
        """The service CIDRs as text, AKS' defaults where none is given."""
        given = known(self.service_cidrs, "the service CIDR")
        return given or tuple(
            DEFAULT_SERVICE_CIDR_V6 if family == IPV6 else DEFAULT_SERVICE_CIDR for family in self.families
        )

    @property
    def pod_networks(self) -> tuple[IPNetwork, ...]:
        """The pod CIDRs that are well formed (S24-106 speaks of the others)."""
        return _networks(self.pod_ranges)

    @property
    def service_networks(self) -> tuple[IPNetwork, ...]:
        return _networks(self.service_ranges)

    @property
    def pod_network(self) -> IPNetwork | None:
        """The IPv4 pod CIDR, None if there is none that is well formed."""
        return next((network for network in self.pod_networks if network.version == 4), None)

    @property
    def service_network(self) -> IPNetwork | None:
        return next((network for network in self.service_networks if network.version == 4), None)

    @property
    def dns_text(self) -> str:
        """The DNS address as text: the service range's tenth where none is given."""
        given = known(self.dns_service_ip, "the DNS service IP")
        return given or default_dns_ip(self.service_ranges[0])

    @property
    def dns_address(self) -> IPAddress | None:
        return ip_or_none(self.dns_text)

    def max_pods(self, pool: PoolRequest) -> int:
        """Return how many pods a node of the pool takes: what is asked for, or the model's default."""
        return known(pool.max_pods, f"max pods of pool {pool.name}") or TRAITS[self.model].max_pods

    def subnet_of(self, pool: PoolRequest) -> SubnetFacts | None:
        """Return what is known of the subnet that the pool's nodes are in."""
        return self.subnet(known(pool.subnet_id, f"the subnet of pool {pool.name}"))

    def subnet(self, subnet_id: str) -> SubnetFacts | None:
        wanted = resource_key(subnet_id)
        return next((subnet for subnet in self.subnets if resource_key(subnet.id) == wanted), None)

    @property
    def managed_vnet(self) -> bool:
        """Whether AKS makes the VNet: no pool names a subnet."""
        return not any(known(pool.subnet_id, f"the subnet of pool {pool.name}") for pool in self.pools)

    def taken(self) -> Iterator[IPNetwork]:
        """Yield every range that a new one must stay clear of, but for `known` and what nobody knows."""
        yield from self.vnet_prefixes
        yield from (subnet.prefix for subnet in self.subnets)
        with suppress(UnknownFact):
            yield from self.pod_networks
        with suppress(UnknownFact):
            yield from self.service_networks


def _networks(texts: Iterable[str]) -> tuple[IPNetwork, ...]:
    return tuple(network for network in map(network_or_none, texts) if network is not None)


def default_dns_ip(service_cidr: str) -> str:
    """Return the DNS address that a service range gets when its user names none: its tenth, as 10.0.0.10 is.

    A malformed range gives AKS' own default, so that the rules can name the fault.
    """
    network = network_or_none(service_cidr)
    if network is None:
        return DEFAULT_DNS_SERVICE_IP
    return str(network[min(10, max(0, network.num_addresses - 2))])
