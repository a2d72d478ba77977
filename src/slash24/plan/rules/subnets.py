"""Rules about the cluster's subnets, and what rules and routes do to packets there."""

from collections.abc import Iterator
from itertools import product

from slash24.core.addresses import IPNetwork, network_or_none, overlap
from slash24.core.models import Model
from slash24.core.topology import resource_key
from slash24.plan.addons import Addon, uses
from slash24.plan.finding import Problem, known
from slash24.plan.kubernetes import older_than
from slash24.plan.request import ClusterRequest
from slash24.plan.rulebook import rule
from slash24.plan.rules import targets
from slash24.plan.source import ERROR_CODES, Source, docs
from slash24.plan.vnet import NsgRule, SubnetFacts

_OVERLAY = docs("concepts-network-azure-cni-overlay")
_STATIC = docs("configure-azure-cni-static-block-allocation")
_DYNAMIC = docs("configure-azure-cni-dynamic-ip-allocation")


def _own_subnets(request: ClusterRequest) -> Iterator[SubnetFacts]:
    """Yield what is known of the subnets that the pools name, each once."""
    ids = [known(pool.subnet_id, f"the subnet of pool {pool.name}") for pool in request.pools]
    ids += [known(pool.pod_subnet_id, f"the pod subnet of pool {pool.name}") for pool in request.pools]
    for subnet_id in dict.fromkeys(map(resource_key, filter(None, ids))):
        subnet = request.subnet(subnet_id)
        if subnet is not None:
            yield subnet


@rule("S24-129", "The cluster's subnets are delegated to nobody", _OVERLAY, ERROR_CODES, azure=("SubnetIsDelegated",))
def subnets_are_not_delegated(request: ClusterRequest) -> Iterator[Problem]:
    """A delegated subnet belongs to another service."""
    for subnet in _own_subnets(request):
        delegation = known(subnet.delegation, f"the delegation of subnet {subnet.name}")
        if delegation:
            yield Problem(
                f"subnet {subnet.name} is delegated to {delegation}",
                fix="a subnet without delegation",
                azure="SubnetIsDelegated",
                target=targets.SUBNET,
            )


@rule(
    "S24-159",
    "All subnets of a cluster are in one VNet",
    docs("node-pool-unique-subnet"),
    _DYNAMIC,
    azure=("AzureCNISubnetNotDefined",),
)
def subnets_are_in_one_vnet(request: ClusterRequest) -> Iterator[Problem]:
    """Nodes of one cluster reach each other by their VNet alone; a pod subnet is in the VNet of its nodes."""
    ids = {known(pool.subnet_id, f"the subnet of pool {pool.name}") for pool in request.pools}
    ids |= {known(pool.pod_subnet_id, f"the pod subnet of pool {pool.name}") for pool in request.pools}
    vnets = {resource_key(one).partition("/subnets/")[0] for one in ids if one}
    if len(vnets) > 1:
        names = ", ".join(sorted(vnet.rsplit("/", 1)[-1] for vnet in vnets))
        yield Problem(
            f"the pools' subnets are in several VNets: {names}",
            fix="subnets of one VNet",
            azure_text="All agent pools of a cluster must have their subnets in the same virtual network.",
            target=targets.SUBNET,
        )
    if "" in {pool.subnet_id for pool in request.pools} and any(pool.subnet_id for pool in request.pools):
        yield Problem(
            "some pools name a subnet and others don't",
            fix="--vnet-subnet-id for each pool",
            azure="AzureCNISubnetNotDefined",
            azure_text="At least one agent pool does not have subnet defined",
            target=targets.SUBNET,
        )


@rule(
    "S24-157",
    "Static blocks have their Kubernetes and a pod subnet of their own",
    _STATIC,
    applies="pod subnet with static blocks",
)
def static_blocks_fit(request: ClusterRequest) -> Iterator[Problem]:
    """Kubernetes 1.28; a pod subnet of a /12 at most, which all clusters use by the same allocation mode."""
    if any(
        known(pool.pod_allocation, f"the pod IP allocation mode of pool {pool.name}") and not pool.pod_subnet_id
        for pool in request.pools
    ):
        yield Problem(
            "--pod-ip-allocation-mode without --pod-subnet-id",
            why="it says how a pod subnet is given out",
            fix="--pod-subnet-id ID",
            target=targets.POD_SUBNET,
        )
    if request.model not in (Model.POD_SUBNET, Model.POD_SUBNET_STATIC):
        return
    for pool in request.pools:
        mode = pool.pod_allocation or "DynamicIndividual"
        subnet = request.subnet(pool.pod_subnet_id or "")
        if mode == "StaticBlock" and subnet is not None and subnet.prefix.prefixlen < 12:
            yield Problem(
                f"pod subnet {subnet.name} {subnet.prefix} is wider than a /12",
                fix="a /12 or smaller",
                target=targets.POD_SUBNET,
            )
        for other in request.others:
            for subnet_id, theirs in other.pod_subnet_modes:
                if resource_key(subnet_id) == resource_key(pool.pod_subnet_id or "") and theirs != mode:
                    yield Problem(
                        f"pool {pool.name} wants {mode} of a pod subnet that cluster {other.name} uses by {theirs}",
                        why="a subnet is given out in one way",
                        fix="a pod subnet of its own",
                        target=targets.POD_SUBNET,
                    )
    if request.model is Model.POD_SUBNET_STATIC and older_than(request, 28):
        yield Problem(
            f"--pod-ip-allocation-mode StaticBlock on Kubernetes {request.kubernetes_version}",
            fix="--kubernetes-version 1.28 or newer",
            target=targets.POD_SUBNET,
        )


@rule(
    "S24-128",
    "Add-ons go with the networking model",
    docs("concepts-network-cni-overview"),
    docs("configure-static-egress-gateway"),
)
def addons_fit(request: ClusterRequest) -> Iterator[Problem]:
    """Virtual nodes need node subnet; Application Gateway for Containers doesn't work with kubenet; a static egress
    gateway doesn't work with pod subnets.
    """
    pod_subnets = (Model.POD_SUBNET, Model.POD_SUBNET_STATIC)
    if uses(request, Addon.VIRTUAL_NODE) and request.model is not Model.NODE_SUBNET:
        yield Problem(
            f"virtual nodes with {request.model}",
            why="they take addresses of the VNet beside the nodes'",
            fix="--network-plugin azure without a mode",
        )
    if uses(request, Addon.GATEWAY_FOR_CONTAINERS) and request.model is Model.KUBENET:
        yield Problem("Application Gateway for Containers with kubenet", fix="--network-plugin-mode overlay")
    if uses(request, Addon.STATIC_EGRESS_GATEWAY) and request.model in pod_subnets:
        yield Problem("a static egress gateway with pod subnets", fix="--network-plugin-mode overlay")


_NSG = Source(
    "https://learn.microsoft.com/azure/aks/concepts-network-azure-cni-overlay#network-security-groups", _OVERLAY.read
)


@rule(
    "S24-127",
    "A subnet's NSG lets nodes and pods talk",
    _NSG,
    docs("concepts-network"),
    applies="Overlay",
    dispute="The middle row of the table of flows: node to pod (the Overlay page), pod to node (the page on concepts). "
    "Followed: both must be allowed. Whether the service tag VirtualNetwork holds the pod CIDR is nowhere said: "
    "taken as no.",
)
def nsgs_allow_the_overlay(request: ClusterRequest) -> Iterator[Problem]:
    """Azure does not encapsulate Overlay traffic, so the subnet's NSG sees pod addresses. A deny rule that forgets
    them breaks only pods on different nodes, which is hard to find.
    """
    if request.model is not Model.OVERLAY:
        return
    pods = request.pod_network
    for subnet in _own_subnets(request):
        rules = known(subnet.nsg, f"the NSG of subnet {subnet.name}")
        ends = [("node", subnet.prefix)] + ([("pod", pods)] if pods else [])
        for (source, source_net), (target, target_net) in product(ends, ends):
            denied = _denying(rules, source_net, target_net)
            if denied is not None:
                yield Problem(
                    f"NSG rule {denied.name} of subnet {subnet.name} denies {source} {source_net} to {target} "
                    f"{target_net}",
                    why="the fabric sees the packets of nodes and pods with their own addresses",
                    fix=f"an allow rule of a priority below {denied.priority} from {source_net} to {target_net}, all "
                    "ports and protocols",
                    target=targets.SUBNET,
                )


def _denying(rules: tuple[NsgRule, ...], source: IPNetwork, target: IPNetwork) -> NsgRule | None:
    """Return the rule by which some packets from `source` to `target` are denied; None if all pass, or none matches."""
    for direction in ("Inbound", "Outbound"):
        for one in sorted(rules, key=lambda one: one.priority):
            if one.direction != direction or not (_meets(one.source, source) and _meets(one.destination, target)):
                continue
            if one.access == "Deny":
                return one
            if (
                one.ports == "*"
                and one.protocol == "*"
                and _covers(one.source, source)
                and _covers(one.destination, target)
            ):
                break
    return None


def _meets(word: str, network: IPNetwork) -> bool:
    if word == "*":
        return True
    given = network_or_none(word)
    return given is not None and overlap(given, network)


def _covers(word: str, network: IPNetwork) -> bool:
    if word == "*":
        return True
    given = network_or_none(word)
    return given is not None and overlap(given, network) and given.prefixlen <= network.prefixlen


@rule("S24-169", "An internal load balancer's address is free and in the subnet", docs("internal-lb"))
def frontends_are_free(request: ClusterRequest) -> Iterator[Problem]:
    """Not one of the five that Azure keeps, not one of the service CIDR."""
    for text in request.internal_frontends:
        network = network_or_none(f"{text}/32")
        if network is None:
            yield Problem(
                f"internal load balancer address {text!r} is not an IPv4 address", fix="an address of the subnet"
            )
            continue
        if any(overlap(network, services) for services in request.service_networks):
            yield Problem(
                f"internal load balancer address {text} lies in the service CIDR", fix="an address of the subnet"
            )
        for subnet in request.subnets:
            address = network.network_address
            offset = int(address) - int(subnet.prefix.network_address)
            if overlap(network, subnet.prefix) and (offset < 4 or address == subnet.prefix.broadcast_address):
                yield Problem(
                    f"internal load balancer address {text} is one of the five that Azure keeps of subnet "
                    f"{subnet.name} {subnet.prefix}",
                    fix=f"{subnet.prefix[4]} or a later one",
                )
