"""How a cluster leaves: load balancer, NAT gateway, and the settings of Advanced Container Networking Services."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """The cluster's outbound load balancer. 0, "" and False are not given; idle is in minutes.

    outbound_ips, outbound_prefixes: how many of the user's own. ports: per node, 0 is automatic.
    """

    sku: str | None = ""
    managed_ips: int | None = 0
    managed_ips_v6: int | None = 0
    outbound_ips: int | None = 0
    outbound_prefixes: int | None = 0
    ports: int | None = 0
    idle_min: int | None = 0
    backend_pool: str | None = ""

    @property
    def customised(self) -> bool:
        """Whether addresses are asked for."""
        return bool(self.managed_ips or self.managed_ips_v6 or self.outbound_ips or self.outbound_prefixes)


@dataclass(frozen=True, slots=True)
class NatGateway:
    """The cluster's managed NAT gateway; sku is Standard or StandardV2."""

    sku: str | None = ""
    managed_ips: int | None = 0
    managed_ips_v6: int | None = 0
    outbound_ips: int | None = 0
    outbound_prefixes: int | None = 0
    idle_min: int | None = 0

    @property
    def customised(self) -> bool:
        return bool(
            self.managed_ips or self.managed_ips_v6 or self.outbound_ips or self.outbound_prefixes or self.idle_min
        )


@dataclass(frozen=True, slots=True)
class Acns:
    """Advanced Container Networking Services.

    policies: None, FQDN or L7; acceleration: BpfVeth; encryption: WireGuard or mTLS; flow_logs: container network logs.
    """

    enabled: bool | None = False
    observability: bool | None = True
    security: bool | None = True
    policies: str | None = ""
    acceleration: str | None = ""
    encryption: str | None = ""
    flow_logs: bool | None = False
