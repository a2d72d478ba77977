"""What a user asks the lab for: virtual networks, clusters and node pools, as values.

Ids are ARM resource ids, `/subscriptions/.../resourceGroups/...`; they are compared without their subscription and
without regard to case, since the lab takes any subscription.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from slash24.core.addresses import IPNetwork
from slash24.core.autoscaling import AutoscalerProfile


class Transport(StrEnum):
    """How a pod's packet reaches another node."""

    ENCAPSULATED = "encapsulated"  # VXLAN between node addresses
    ROUTED = "routed"  # the fabric keeps a routing domain per cluster, as Azure's does


@dataclass(frozen=True, slots=True)
class Subnet:
    """One subnet of a virtual network."""

    name: str
    prefix: IPNetwork


@dataclass(frozen=True, slots=True)
class VNet:
    """A virtual network: `id` is its ARM id; subnets lie inside `prefixes` and do not overlap."""

    id: str
    prefixes: tuple[IPNetwork, ...]
    subnets: tuple[Subnet, ...] = ()


#: Kubernetes' version where nobody names one: that of the embedded API.
KUBERNETES_VERSION = "1.37.1"


@dataclass(frozen=True, slots=True)
class UpgradeSettings:
    """How a pool's nodes are replaced. `max_surge` and `max_unavailable` are a number of nodes or a percentage."""

    max_surge: str = "10%"
    max_unavailable: str = "0"
    drain_timeout_min: int = 30
    soak_min: int = 0


@dataclass(frozen=True, slots=True)
class NodePool:
    """`count` equal nodes. `subnet_id` is the ARM id of the subnet that their first NICs are in.

    image: how often the nodes were reimaged on demand; a lab's node has no other image. A stopped pool has no nodes and
    keeps its count.
    """

    name: str
    count: int
    subnet_id: str
    max_pods: int = 250
    mode: str = "System"
    vm_size: str = "Standard_DS2_v2"
    autoscale: bool = False
    min_count: int | None = None
    max_count: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[str, ...] = ()  # key=value:Effect
    version: str = KUBERNETES_VERSION
    image: int = 1
    upgrade: UpgradeSettings = field(default_factory=UpgradeSettings)
    stopped: bool = False

    @property
    def size(self) -> int:
        """How many nodes the pool should have now."""
        return 0 if self.stopped else self.count

    @property
    def peak(self) -> int:
        """The most nodes the pool can have without another request."""
        return self.max_count if self.autoscale and self.max_count is not None else self.count


@dataclass(frozen=True, slots=True)
class Cluster:
    """One Overlay cluster as its user wants it. A stopped one has no control plane; its pools are stopped as well."""

    id: str
    location: str
    pod_cidr: IPNetwork
    service_cidr: IPNetwork
    dns_service_ip: str
    pools: tuple[NodePool, ...]
    transport: Transport = Transport.ENCAPSULATED
    block_prefix: int = 24
    node_resource_group: str = ""
    tags: tuple[tuple[str, str], ...] = field(default=())
    version: str = KUBERNETES_VERSION
    stopped: bool = False
    autoscaler: AutoscalerProfile = field(default_factory=AutoscalerProfile)

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[-1]


def resource_key(resource_id: str) -> str:
    """Return the part of an ARM id that names the thing in the lab: lower case, without its subscription.

    >>> resource_key("/subscriptions/1/resourceGroups/RG/providers/Microsoft.Network/virtualNetworks/v")
    '/resourcegroups/rg/providers/microsoft.network/virtualnetworks/v'
    """
    parts = resource_id.lower().strip("/").split("/")
    if parts[:1] == ["subscriptions"]:
        parts = parts[2:]
    return "/" + "/".join(parts)
