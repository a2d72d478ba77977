"""Rules about node pools: their machines and systems, how many there are, what an upgrade adds."""

from collections.abc import Iterator

from slash24.core.models import TRAITS, Model
from slash24.plan.addons import Addon, uses
from slash24.plan.finding import Problem, Severity, known
from slash24.plan.kubernetes import older_than
from slash24.plan.pool import PoolRequest, surge_fault
from slash24.plan.request import ClusterRequest, Operation
from slash24.plan.rulebook import rule
from slash24.plan.rules import targets
from slash24.plan.source import az, docs

_OVERLAY = docs("concepts-network-azure-cni-overlay")
_LARGE = docs("best-practices-performance-scale-large")
_UPGRADE = docs("upgrade-aks-node-pools-rolling")
MAX_NODES_OF_POOL = 1000
MAX_NODES = 5000
MAX_PODS_OF_CLUSTER = 200_000
_NPM_NODES, _NPM_PODS = 250, 20_000
_FLAT_ADDRESSES = 64_000
_BALANCER_NODES = 750


@rule(
    "S24-143",
    "A pool has at most 1,000 nodes, a cluster 5,000",
    _LARGE,
    az("_validators.py"),
    azure=("AgentPoolMaxCountExceeded", "InvalidParameter"),
)
def nodes_are_within_limits(request: ClusterRequest) -> Iterator[Problem]:
    """A scale set has 1,000 machines at most; a system pool has one node at least."""
    for pool in request.pools:
        least = 1 if known(pool.mode, f"the mode of pool {pool.name}") == "System" else 0
        if not least <= pool.nodes <= MAX_NODES_OF_POOL:
            yield Problem(
                f"node pool {pool.name}: {pool.count} nodes are not in the range {least} to {MAX_NODES_OF_POOL}",
                why="a scale set has 1,000 machines at most, and a system pool needs one at least",
                fix=f"--node-count {min(max(pool.nodes, least), MAX_NODES_OF_POOL)}",
                azure="AgentPoolMaxCountExceeded" if pool.nodes > MAX_NODES_OF_POOL else "InvalidParameter",
                target=targets.COUNT,
            )
    total = sum(pool.peak for pool in request.pools)
    if total > MAX_NODES:
        yield Problem(
            f"{total} nodes are more than the {MAX_NODES} of an Overlay cluster",
            why="AKS supports 5,000 nodes in a cluster",
            fix=f"fewer nodes, at most {MAX_NODES} at the pools' maximum",
            azure="AgentPoolMaxCountExceeded",
            target=targets.COUNT,
        )


@rule("S24-175", "An upgrade's nodes fit beside the pool's", _UPGRADE, _LARGE, applies="on upgrade")
def upgrades_fit(request: ClusterRequest) -> Iterator[Problem]:
    """A pool and the nodes that an upgrade adds are 1,000 at most, else the upgrade is refused before it begins; a
    cluster of 5,000 nodes can't be upgraded at all.
    """
    if request.operation is not Operation.UPGRADE:
        return
    for pool in request.pools:
        if pool.nodes + pool.surge > MAX_NODES_OF_POOL:
            yield Problem(
                f"node pool {pool.name}: {pool.nodes} nodes and {pool.surge} that the upgrade adds are "
                f"{pool.nodes + pool.surge}, more than {MAX_NODES_OF_POOL}",
                why="a scale set has 1,000 machines at most",
                fix=f"--max-surge {max(1, MAX_NODES_OF_POOL - pool.nodes)}, or fewer nodes first",
                target="agentPoolProfile.upgradeSettings.maxSurge",
            )
    total = sum(pool.nodes for pool in request.pools)
    if total >= MAX_NODES:
        yield Problem(
            f"a cluster of {total} nodes can't be upgraded",
            why="there is no room for the nodes that an upgrade adds",
            fix="shrink it below 3,000 nodes first",
            target=targets.COUNT,
        )


@rule(
    "S24-177",
    "Max surge is a number or a percentage",
    az("_validators.py"),
    _UPGRADE,
    dispute="By default an upgrade adds 10 % (the page on large clusters, ARM) or one node (the page on upgrades). "
    "Followed: 10 %, rounded up, one at least.",
).of_pools
def surge_is_a_number(_request: ClusterRequest, pool: PoolRequest) -> Iterator[Problem]:
    """A percentage of the pool's nodes is rounded up."""
    fault = surge_fault(known(pool.max_surge, f"max surge of pool {pool.name}"))
    if fault:
        yield Problem(
            fault,
            why=f"node pool {pool.name}: {pool.max_surge}",
            fix="--max-surge 33%",
            target="agentPoolProfile.upgradeSettings.maxSurge",
        )


@rule("S24-125", "Overlay has no availability sets and no DCsv2 machines", _OVERLAY, applies="Overlay").of_pools
def overlay_machines_are_supported(request: ClusterRequest, pool: PoolRequest) -> Iterator[Problem]:
    """DCasv5 and DCadsv5 are the confidential machines that work."""
    if request.model is not Model.OVERLAY:
        return
    if known(pool.vm_set, f"the VM set type of pool {pool.name}") == "AvailabilitySet":
        yield Problem(
            f"node pool {pool.name}: Overlay with VM availability sets",
            fix="--vm-set-type VirtualMachineScaleSets",
            target="agentPoolProfile.type",
        )
    size = known(pool.vm_size, f"the VM size of pool {pool.name}").lower()
    if size.startswith("standard_dc") and size.endswith("s_v2"):
        yield Problem(
            f"node pool {pool.name}: Overlay on {pool.vm_size}",
            why="the DCsv2 series is not supported with Overlay",
            fix="a machine of the DCasv5 or DCadsv5 series",
            target="agentPoolProfile.vmSize",
        )


@rule(
    "S24-155",
    "Windows pools go with the model, and are no system pools",
    docs("concepts-network-cni-overview"),
    docs("configure-kubenet"),
    docs("use-byo-cni"),
    az("agentpool_decorator.py"),
    azure=("AzureCNIOnlyForWindows",),
)
def windows_pools_fit(request: ClusterRequest) -> Iterator[Problem]:
    """kubenet, Cilium and bring-your-own CNI are Linux only; Windows Server 2019 works with node subnet only, and not
    on Kubernetes 1.33 and newer; Windows Server 2022 not on 1.37 and newer.
    """
    for pool in request.pools:
        if known(pool.os, f"the OS of pool {pool.name}") != "Windows":
            continue
        subject = f"node pool {pool.name}: Windows"
        if pool.mode == "System":
            yield Problem(
                "System node pool must be linux.", why=subject, fix="--mode User", target="agentPoolProfile.osType"
            )
        if not TRAITS[request.model].windows:
            yield Problem(
                f"{subject} with {TRAITS[request.model].title}",
                fix="Linux pools, or Azure CNI Overlay",
                azure="AzureCNIOnlyForWindows" if request.model is Model.KUBENET else "",
                target="agentPoolProfile.osType",
            )
        if known(request.dataplane, "the network dataplane") == "cilium":
            yield Problem(
                f"{subject} with --network-dataplane cilium",
                why="Cilium's dataplane is Linux only",
                fix="--network-dataplane azure",
                target="agentPoolProfile.osType",
            )
        yield from _windows_release(request, pool, subject)


def _windows_release(request: ClusterRequest, pool: PoolRequest, subject: str) -> Iterator[Problem]:
    sku = known(pool.os_sku, f"the OS SKU of pool {pool.name}")
    if sku == "Windows2019" and request.model is not Model.NODE_SUBNET:
        yield Problem(
            f"{subject} Server 2019 with {TRAITS[request.model].title}",
            fix="--os-sku Windows2022",
            target="agentPoolProfile.osSKU",
        )
    last = {"Windows2019": 33, "Windows2022": 37}.get(sku)
    if last is not None and not older_than(request, last):
        yield Problem(
            f"{subject} Server {sku[-4:]} on Kubernetes {request.kubernetes_version}",
            why=f"it works up to Kubernetes 1.{last - 1}",
            fix="--os-sku Windows2025",
            target="agentPoolProfile.osSKU",
        )


@rule(
    "S24-149",
    "Node auto-provisioning goes with the cluster's networking",
    docs("node-auto-provisioning-networking"),
    docs("concepts-network-cni-overview"),
)
def auto_provisioning_fits(request: ClusterRequest) -> Iterator[Problem]:
    """It takes Overlay, with Cilium or without, and node subnet; not Calico, not pod subnets, not kubenet."""
    if not uses(request, Addon.NAP):
        return
    unfit = (Model.KUBENET, Model.POD_SUBNET, Model.POD_SUBNET_STATIC)
    if request.model in unfit or known(request.policy, "the network policy engine") == "calico":
        what = "Calico" if request.policy == "calico" else TRAITS[request.model].title
        yield Problem(f"node auto-provisioning with {what}", fix="Overlay with --network-dataplane cilium")


@rule(
    "S24-176",
    "The cluster's size is one that its parts are made for",
    _LARGE,
    docs("plan-pod-networking"),
    docs("use-network-policies"),
    severity=Severity.WARNING,
    dispute="Pods of an Overlay cluster: 200,000 (the page on large clusters) or 250,000 (plan-pod-networking). "
    "Followed: "
    "200,000. Nodes and pods a node are limits of their own, not to be multiplied.",
)
def size_is_within_what_parts_carry(request: ClusterRequest) -> Iterator[Problem]:
    """Limits that AKS doesn't enforce: pods of a cluster, nodes and pods with Azure NPM, addresses of flat models."""
    nodes = sum(pool.peak for pool in request.pools)
    pods = sum(pool.peak * request.max_pods(pool) for pool in request.pools)
    if pods > MAX_PODS_OF_CLUSTER and TRAITS[request.model].pod_cidr:
        yield Problem(
            f"the pools have room for {pods:,} pods, a cluster is made for {MAX_PODS_OF_CLUSTER:,}",
            fix="that is no fault as long as so many don't run; else a second cluster",
        )
    if request.model in (Model.NODE_SUBNET, Model.POD_SUBNET) and pods + nodes > _FLAT_ADDRESSES:
        yield Problem(
            f"{pods + nodes:,} addresses of the VNet are more than the {_FLAT_ADDRESSES:,} that a flat cluster can "
            f"have",
            why="Azure maps so many addresses in one VNet",
            fix="Overlay, or static block allocation",
        )
    if known(request.policy, "the network policy engine") == "azure" and (nodes > _NPM_NODES or pods > _NPM_PODS):
        yield Problem(
            f"Azure NPM with up to {nodes} nodes and {pods:,} pods",
            why=f"it is made for {_NPM_NODES} nodes and {_NPM_PODS:,} pods",
            fix="--network-dataplane cilium",
        )
    if request.internal_frontends and nodes > _BALANCER_NODES:
        yield Problem(
            f"internal load balancers in a cluster of up to {nodes} nodes",
            why=f"they are made for fewer than {_BALANCER_NODES} nodes",
            fix="an ingress in the cluster",
        )
