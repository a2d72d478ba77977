"""What the rules judge: a cluster, or a change to one, as its user wrote it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from slash24.core.addresses import IPAddress, IPNetwork, ip_or_none, network_or_none
from slash24.core.topology import resource_key

DEFAULT_POD_CIDR = "10.244.0.0/16"  # docs/sources.md#defaults
DEFAULT_SERVICE_CIDR = "10.0.0.0/16"
DEFAULT_DNS_SERVICE_IP = "10.0.0.10"
MANAGED_VNET_PREFIX = "10.224.0.0/12"
MANAGED_SUBNET_PREFIX = "10.224.0.0/16"
OVERLAY_MAX_PODS = 250


class Operation(StrEnum):
    """What is asked for; some rules count differently for each (docs/sources.md#counting)."""

    CREATE = "create"
    SCALE = "scale"
    ADD_POOL = "add-pool"


@dataclass(frozen=True, slots=True)
class PoolRequest:
    """A node pool as asked for. `present` is the number of nodes it has already; `subnet_id` "" is the managed one."""

    name: str = "nodepool1"
    count: int = 3
    max_pods: int = OVERLAY_MAX_PODS
    mode: str = "System"
    autoscale: bool = False
    min_count: int | None = None
    max_count: int | None = None
    subnet_id: str = ""
    present: int = 0

    @property
    def peak(self) -> int:
        """The most nodes the pool can have without another request."""
        return self.max_count if self.autoscale and self.max_count is not None else self.count


@dataclass(frozen=True, slots=True)
class SubnetFacts:
    """A subnet of the cluster's VNet: `used` addresses of it are given out now."""

    id: str
    prefix: IPNetwork
    used: int = 0

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class ClusterRequest:
    """A cluster as asked for. Ranges are the user's text, since a malformed one is a finding, not an exception.

    subnets: all subnets of the VNet, not only the cluster's; empty if nothing is known of them.
    """

    name: str
    pools: tuple[PoolRequest, ...]
    pod_cidr: str = DEFAULT_POD_CIDR
    service_cidr: str = DEFAULT_SERVICE_CIDR
    dns_service_ip: str = DEFAULT_DNS_SERVICE_IP
    vnet_id: str = ""
    vnet_prefixes: tuple[IPNetwork, ...] = ()
    subnets: tuple[SubnetFacts, ...] = ()
    block_prefix: int = 24
    operation: Operation = Operation.CREATE

    @property
    def pod_network(self) -> IPNetwork | None:
        """The pod CIDR, None while it is malformed (S24-106 says so; other rules are silent then)."""
        return network_or_none(self.pod_cidr)

    @property
    def service_network(self) -> IPNetwork | None:
        return network_or_none(self.service_cidr)

    @property
    def dns_address(self) -> IPAddress | None:
        return ip_or_none(self.dns_service_ip)

    def subnet_of(self, pool: PoolRequest) -> SubnetFacts | None:
        """Return what is known of the subnet that the pool's nodes are in."""
        wanted = resource_key(pool.subnet_id)
        return next((subnet for subnet in self.subnets if resource_key(subnet.id) == wanted), None)

    def taken(self) -> Iterable[IPNetwork]:
        """Yield every range that a new one must stay clear of."""
        yield from self.vnet_prefixes
        yield from (subnet.prefix for subnet in self.subnets)
        yield from (network for network in (self.pod_network, self.service_network) if network is not None)


def default_dns_ip(service_cidr: str) -> str:
    """Return the DNS address that a service range gets when its user names none: its tenth, as 10.0.0.10 is.

    A malformed range gives AKS' own default, so that the rules can name the fault.
    """
    network = network_or_none(service_cidr)
    if network is None:
        return DEFAULT_DNS_SERVICE_IP
    return str(network[min(10, max(0, network.num_addresses - 2))])
