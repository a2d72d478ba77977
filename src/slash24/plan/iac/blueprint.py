"""What a plan asks Azure for, as settings to write: the model and the ranges, else what differs from AKS' defaults."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from slash24.core.addresses import usable_addresses
from slash24.core.ipam import node_blocks
from slash24.core.models import TRAITS, Model
from slash24.plan.finding import known
from slash24.plan.iac import settings
from slash24.plan.iac.settings import Setting
from slash24.plan.pool import PoolRequest
from slash24.plan.request import ClusterRequest

Worth = str | int | bool | tuple[str, ...]
DEFAULT_VM_SIZE = "Standard_D4s_v5"  # azurerm asks for one; AKS' own default varies by region
_BY_ARM = {one.arm: one for one in (*settings.CLUSTER, *settings.POOL)}


@dataclass(frozen=True, slots=True)
class SubnetPlan:
    name: str
    prefix: str


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """A pool: ARM's path -> value; subnet and pod_subnet are names of the plan's subnets, "" for none."""

    name: str
    values: Mapping[str, Worth]
    subnet: str
    pod_subnet: str


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Everything to write. values: ARM's path below `properties` -> value. notes: what a reader should know of them."""

    group: str
    location: str
    name: str
    vnet: str
    vnet_prefixes: tuple[str, ...]
    subnets: tuple[SubnetPlan, ...]
    values: Mapping[str, Worth]
    pools: tuple[PoolPlan, ...]
    notes: tuple[str, ...]

    def cluster_settings(self) -> Iterator[tuple[Setting, Worth]]:
        """Yield the cluster's settings in the order in which they are written everywhere."""
        for one in settings.CLUSTER:
            if one.arm in self.values:
                yield one, self.values[one.arm]

    @property
    def own_identity(self) -> bool:
        """Whether the cluster needs an identity of the user's: to write routes into a subnet that he owns."""
        return self.values.get("networkProfile.networkPlugin") == "kubenet" and bool(self.pools[0].subnet)


def pool_settings(pool: PoolPlan) -> Iterator[tuple[Setting, Worth]]:
    """Yield a pool's settings but for its name and subnets, in one order."""
    for one in settings.POOL:
        if one.arm in pool.values:
            yield one, pool.values[one.arm]


def blueprint(request: ClusterRequest, *, group: str, location: str) -> Blueprint:
    """Return what a plan asks for. Raises UnknownFact if it doesn't say all that must be written."""
    model = request.model
    values: dict[str, Worth] = {}
    if request.kubernetes_version:
        values["kubernetesVersion"] = request.kubernetes_version
    values["networkProfile.networkPlugin"] = {Model.KUBENET: "kubenet", Model.BYO: "none"}.get(model, "azure")
    if model is Model.OVERLAY:
        values["networkProfile.networkPluginMode"] = "overlay"
    choices = (
        ("networkProfile.networkDataplane", known(request.dataplane, "the dataplane"), "azure"),
        ("networkProfile.networkPolicy", known(request.policy, "the network policy"), "none"),
        ("networkProfile.outboundType", known(request.outbound_type, "the outbound type"), "loadBalancer"),
    )
    values |= {path: text for path, text, default in choices if text and text != default}
    if request.dual_stack:
        values["networkProfile.ipFamilies"] = tuple("IPv6" if one == "ipv6" else "IPv4" for one in request.families)
        values["networkProfile.podCidrs"] = request.pod_ranges
        values["networkProfile.serviceCidrs"] = request.service_ranges
    else:
        if request.pod_ranges:
            values["networkProfile.podCidr"] = request.pod_ranges[0]
        values["networkProfile.serviceCidr"] = request.service_ranges[0]
    values["networkProfile.dnsServiceIP"] = request.dns_text
    name = known(request.name, "the cluster's name")
    _, is_azure_s, network = request.vnet_id.rpartition("/virtualNetworks/")
    return Blueprint(
        group=group,
        location=location,
        name=name,
        vnet=network if is_azure_s else f"vnet-{name}",
        vnet_prefixes=tuple(str(prefix) for prefix in request.vnet_prefixes or [one.prefix for one in request.subnets]),
        subnets=tuple(SubnetPlan(one.name, str(one.prefix)) for one in request.subnets),
        values=values,
        pools=tuple(_pool(request, pool) for pool in request.pools),
        notes=tuple(_notes(request)),
    )


def _pool(request: ClusterRequest, pool: PoolRequest) -> PoolPlan:
    values: dict[str, Worth] = {"count": pool.nodes, "vmSize": pool.vm_size or DEFAULT_VM_SIZE}
    if request.max_pods(pool) != TRAITS[request.model].max_pods:
        values["maxPods"] = request.max_pods(pool)
    values["mode"] = known(pool.mode, f"the mode of pool {pool.name}")
    choices = (("osType", pool.os), ("osSKU", pool.os_sku), ("podIPAllocationMode", pool.pod_allocation))
    values |= {path: text for path, text in choices if text and text != "Linux"}
    if pool.autoscale:
        values |= {"enableAutoScaling": True, "minCount": pool.min_count or 1, "maxCount": pool.peak}
    if pool.max_surge:
        values["upgradeSettings.maxSurge"] = pool.max_surge
    name = known(pool.name, "a pool's name")
    subnet, pod_subnet = (one.rpartition("/")[2] if one else "" for one in (pool.subnet_id, pool.pod_subnet_id))
    return PoolPlan(name, values, subnet, pod_subnet)


def _notes(request: ClusterRequest) -> Iterator[str]:
    peak = sum(pool.peak for pool in request.pools)
    surge = sum(pool.surge for pool in request.pools)
    pods = request.pod_network
    if request.model in (Model.OVERLAY, Model.KUBENET) and pods is not None:
        blocks = node_blocks(pods, request.block_prefix) if pods.prefixlen <= request.block_prefix else 0
        peaks = f"{peak} nodes at most + {surge} of an upgrade"
        yield f"pod CIDR {pods}: {blocks} blocks of /{request.block_prefix}; {peaks}"
    for subnet in request.subnets:
        used = any(pool.subnet_id == subnet.id for pool in request.pools)
        if used:
            yield f"subnet {subnet.name} {subnet.prefix}: {usable_addresses(subnet.prefix)} addresses; Azure keeps 5"
