"""What is known of the VNet around a cluster: its subnets, their rules and routes, and the clusters beside it."""

from dataclasses import dataclass

from slash24.core.addresses import IPNetwork


@dataclass(frozen=True, slots=True)
class NsgRule:
    """A rule of a subnet's network security group.

    direction: Inbound or Outbound; access: Allow or Deny. source, destination: a CIDR, `*`, or a service tag.
    protocol: Tcp, Udp, `*`. ports: of the destination, `*` is all.
    """

    name: str
    priority: int
    direction: str
    access: str
    source: str = "*"
    destination: str = "*"
    protocol: str = "*"
    ports: str = "*"


@dataclass(frozen=True, slots=True)
class SubnetFacts:
    """A subnet of the cluster's VNet: `used` addresses of it are given out now.

    delegation: the service that it is delegated to, "" if to none. route_table, nat_gateway: ids, "" if it has none.
    default_route: next hop type of 0.0.0.0/0 in that table, as in VirtualAppliance, "" if there is no such route.
    nsg: the rules of its network security group. None is unknown, everywhere.
    """

    id: str
    prefix: IPNetwork
    used: int = 0
    delegation: str | None = None
    route_table: str | None = None
    default_route: str | None = None
    nat_gateway: str | None = None
    nsg: tuple[NsgRule, ...] | None = None

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class PeerCluster:
    """Another cluster, as far as this one must know it: what kubenet may not share, where allocation modes meet."""

    name: str
    plugin: str
    subnet_ids: frozenset[str] = frozenset()
    route_tables: frozenset[str] = frozenset()
    pod_subnet_modes: tuple[tuple[str, str], ...] = ()  # pod subnet id -> DynamicIndividual or StaticBlock
