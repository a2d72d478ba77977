"""What AKS takes and what it refuses: one request a line, with Azure's code and text where they are public."""

from dataclasses import replace
from typing import Any

import pytest

from slash24.core.models import Model
from slash24.core.networks import NamedNetwork, Networks
from slash24.plan import (
    ClusterRequest,
    NatGateway,
    Operation,
    PeerCluster,
    PoolRequest,
    check,
    rules,
)
from slash24.plan.demand import static_blocks
from slash24.plan.rules.capacity import insufficient_subnet_size
from tests.plan.requests import VNET, cluster, codes, errors, overlay, subnet

WINDOWS = PoolRequest("win", 2, mode="User", os="Windows")
LINUX = PoolRequest()


def in_subnet(*pools: PoolRequest, name: str = "nodes") -> tuple[PoolRequest, ...]:
    return tuple(replace(pool, subnet_id=f"{VNET}/subnets/{name}") for pool in pools)


def network(*prefixes: str) -> Any:
    from ipaddress import ip_network

    return tuple(ip_network(prefix) for prefix in prefixes)


def update(before: ClusterRequest, **changes: Any) -> ClusterRequest:
    return replace(before, operation=Operation.UPDATE, current=before, **changes)


def test_1_nothing_said_is_overlay_with_its_defaults() -> None:
    request = ClusterRequest()
    assert check(request) == []
    assert request.model is Model.OVERLAY
    assert (request.pod_ranges, request.service_ranges, request.dns_text) == (
        ("10.244.0.0/16",), ("10.0.0.0/16",), "10.0.0.10",
    )  # fmt: skip


def test_2_azure_alone_is_node_subnet_with_30_pods() -> None:
    request = cluster("azure")
    assert request.model is Model.NODE_SUBNET
    assert request.max_pods(LINUX) == 30
    assert errors(request) == []
    assert [finding.code for finding in check(request)] == ["S24-120"]


def test_3_a_pod_cidr_needs_overlay_or_kubenet() -> None:
    (found,) = errors(cluster("azure", pod_cidrs=("10.244.0.0/16",)))
    assert found.azure_text == (
        "Please specify network plugin mode `overlay` when using --pod-cidr or use network plugin `kubenet`. For more "
        "information about Azure CNI Overlay please see https://aka.ms/aks/azure-cni-overlay"
    )


MANAGED = "10.224.0.0/16"
AZURE_OVERLAY = overlay()
NODE_SUBNET = cluster("azure")
KUBENET = cluster("kubenet")
#: number, request, the codes that refuse it; none is accepted.
VECTORS = [
    (4, ClusterRequest(pod_cidrs=("10.100.0.0/16",)), set()),
    (5, overlay(pod_cidrs=("172.16.0.0/12",)), {"S24-104"}),
    (6, overlay(pod_cidrs=("100.64.0.0/16",)), set()),
    (7, overlay(PoolRequest(count=1), pod_cidrs=("169.254.10.0/24",)), {"S24-104"}),
    (7, overlay(PoolRequest(count=0, mode="User"), pod_cidrs=("192.0.2.0/25",)), {"S24-104"}),
    (8, overlay(subnets=(subnet("x", "10.244.1.0/24"),)), {"S24-101"}),
    (
        9,
        overlay(vnet_prefixes=network("10.0.0.0/8"), subnets=(subnet("x", "10.240.0.0/16"),),
                service_cidrs=("172.16.0.0/16",)),
        set(),
    ),
    (12, overlay(service_cidrs=("10.0.0.0/12",)), {"S24-114"}),
    (12, overlay(service_cidrs=("10.0.0.0/13",)), set()),
    (17, overlay(PoolRequest(count=256)), set()),
    (17, overlay(PoolRequest(count=257)), {"S24-111"}),
    (19, cluster("kubenet", PoolRequest(count=400), pod_cidrs=("10.128.0.0/14",)), set()),
    (19, cluster("kubenet", PoolRequest(count=401), pod_cidrs=("10.128.0.0/14",)), {"S24-144"}),
    (20, cluster("kubenet", policy="azure"), {"S24-151"}),
    (20, cluster("kubenet", policy="cilium", dataplane="cilium"), {"S24-150", "S24-151"}),
    (20, cluster("kubenet", LINUX, WINDOWS), {"S24-155"}),
    (20, cluster("kubenet", policy="calico"), set()),
    (21, cluster("none", pod_cidrs=("10.244.0.0/16",), policy="calico"), {"S24-151"}),
    (22, overlay(PoolRequest(max_pods=9)), {"S24-112"}),
    (22, overlay(PoolRequest(max_pods=251)), {"S24-112"}),
    (22, overlay(PoolRequest(count=2, max_pods=10)), {"S24-112"}),
    (22, overlay(PoolRequest(count=3, max_pods=10)), set()),
    (23, overlay(PoolRequest(vm_set="AvailabilitySet")), {"S24-125", "S24-182"}),
    (23, overlay(PoolRequest(vm_size="Standard_DC4s_v2")), {"S24-125"}),
    (23, overlay(PoolRequest(subnet_id=VNET.replace("/vnet", "/" + "v" * 64) + "/subnets/x")), {"S24-124"}),
    (23, overlay(*in_subnet(LINUX), subnets=(subnet("nodes", "10.1.0.0/24", delegation="Microsoft.Sql"),)),
     {"S24-129"}),
    (24, overlay(ip_families=("ipv4", "ipv6"), policy="calico"), {"S24-145"}),
    (24, overlay(ip_families=("ipv4", "ipv6"), policy="azure"), {"S24-145"}),
    (24, overlay(ip_families=("ipv6",)), {"S24-116"}),
    (24, overlay(ip_families=("ipv4", "ipv6"), service_cidrs=("10.0.0.0/16", "fd00::/107")), {"S24-116"}),
    (24, overlay(ip_families=("ipv4", "ipv6"), service_cidrs=("10.0.0.0/16", "fd00::/108")), set()),
    (26, update(overlay(pod_cidrs=("10.244.0.0/18",)), pod_cidrs=("10.244.0.0/16",)), set()),
    (26, update(overlay(pod_cidrs=("10.244.0.0/18",)), pod_cidrs=("10.245.0.0/16",)), {"S24-113"}),
    (26, update(overlay(pod_cidrs=("10.244.0.0/18",)), pod_cidrs=("10.244.0.0/19",)), {"S24-113"}),
    (26, update(overlay(LINUX, WINDOWS, pod_cidrs=("10.244.0.0/18",)), pod_cidrs=("10.244.0.0/16",)), {"S24-113"}),
    (30, update(AZURE_OVERLAY, plugin="kubenet", mode=""), {"S24-131"}),
    (30, update(AZURE_OVERLAY, mode="", pod_cidrs=()), {"S24-131"}),
    (31, update(overlay(LINUX, WINDOWS), dataplane="cilium"), {"S24-155"}),
    (31, update(overlay(addons=frozenset({"node-auto-provisioning"})), dataplane="cilium"), {"S24-139"}),
    (32, update(NODE_SUBNET, mode="overlay", dataplane="cilium", pod_cidrs=("10.244.0.0/16",)), {"S24-138"}),
    (35, overlay(kube_proxy_mode="NFTABLES", kubernetes_version="1.32.5"), {"S24-172"}),
    (35, overlay(kube_proxy_mode="NFTABLES", kubernetes_version="1.33.0"), set()),
    (36, overlay(policy="calico", kubernetes_version="1.29.9"), {"S24-178"}),
    (36, overlay(policy="calico", kubernetes_version="1.30.0"), set()),
    (37, overlay(PoolRequest(count=1000), pod_cidrs=("10.128.0.0/12",), operation=Operation.UPGRADE), {"S24-175"}),
    (38, overlay(subnets=(subnet("x", "10.1.0.0/24"),), internal_frontends=("10.0.0.77",)), {"S24-169"}),
    (38, overlay(subnets=(subnet("x", "10.1.0.0/24"),), internal_frontends=("10.1.0.3",)), {"S24-169"}),
    (38, overlay(subnets=(subnet("x", "10.1.0.0/24"),), internal_frontends=("10.1.0.255",)), {"S24-169"}),
    (38, overlay(subnets=(subnet("x", "10.1.0.0/24"),), internal_frontends=("10.1.0.4",)), set()),
    (39, overlay(*in_subnet(LINUX), others=(PeerCluster("b", "azure", frozenset({f"{VNET}/subnets/nodes"})),)), set()),
    (40, cluster("kubenet", *in_subnet(LINUX),
                 others=(PeerCluster("b", "kubenet", frozenset({f"{VNET}/subnets/nodes"})),)), {"S24-147"}),
    (40, cluster("kubenet", *in_subnet(LINUX), subnets=(subnet("nodes", "10.1.0.0/24", route_table="/t/rt"),),
                 others=(PeerCluster("b", "kubenet", route_tables=frozenset({"/t/rt"})),)), {"S24-147"}),
]  # fmt: skip


@pytest.mark.parametrize(("number", "request_", "refused"), VECTORS)
def test_a_request_is_taken_or_refused_as_aks_does(number: int, request_: ClusterRequest, refused: set[str]) -> None:
    assert codes(request_) == refused, number


#: number, request, Azure's code, Azure's text.
TEXTS = [
    (
        10,
        update(cluster("azure", vnet_prefixes=network("10.0.0.0/8"), subnets=(subnet("x", "10.240.0.0/16"),),
                       service_cidrs=("172.16.0.0/16",)), mode="overlay", pod_cidrs=("10.244.0.0/16",)),
        "NetworkProfileCIDROverlapVNET",
        "NetworkProfile CIDR 10.244.0.0/16 overlaps with reserved VNET CIDR 10.0.0.0/8",
    ),
    (
        11,
        overlay(subnets=(subnet("x", "10.0.10.0/24"),)),
        "ServiceCidrOverlapExistingSubnetsCidr",
        "The specified service CIDR 10.0.0.0/16 is conflicted with an existing subnet CIDR 10.0.10.0/24",
    ),
    (13, overlay(pod_cidrs=("10.0.0.0/16",)), "PodCidrOverlapServiceCidr", None),
    (
        14,
        overlay(service_cidrs=("10.200.0.0/16",), dns_service_ip="10.0.0.10"),
        "DnsServiceIpOutOfServiceCidr",
        "The DNS service IP 10.0.0.10 is out of the range defined by service CIDR 10.200.0.0/16.",
    ),
    (15, overlay(dns_service_ip="10.0.0.1"), "DnsServiceIpConflicting", None),
    (15, overlay(dns_service_ip="10.0.255.255"), "DnsBroadcastAddressConflicting", None),
    (
        16,
        overlay(PoolRequest(count=2), PoolRequest("b", 1, autoscale=True, min_count=1, max_count=3),
                pod_cidrs=("10.240.100.0/22",)),
        "InsufficientSubnetSize",
        "Pre-allocated IPs 1280 exceeds IPs available 1024 in Subnet Cidr 10.240.100.0/22, Subnet Name "
        "networkProfile.podCIDR. If Autoscaler is enabled, the max-count from each nodepool is counted towards this "
        "total "
        "(which means that pre-allocated IPs count represents a theoretical max value, not the actual number of IPs "
        "requested). http://aka.ms/aks/insufficientsubnetsize",
    ),
    (
        18,
        cluster("azure", *in_subnet(PoolRequest(count=10)), subnets=(subnet("nodes", "10.1.0.0/24"),)),
        "InsufficientSubnetSize",
        insufficient_subnet_size(310, 251, "10.1.0.0/24", "nodes"),
    ),
    (
        27,
        update(replace(KUBENET, identity="SystemAssigned"), plugin="azure", mode="overlay"),
        "CustomRouteTableWithMSINotSupported",
        "Clusters using managed identity type SystemAssigned do not support bringing your own route table. Please see "
        "https://aka.ms/aks/customrt for more information",
    ),
    (
        28,
        update(KUBENET, mode="overlay"),
        "UnsupportedNetworkPluginModeWithNetworkPlugin",
        "NetworkPluginMode overlay is not supported with NetworkPlugin kubenet.",
    ),
    (
        29,
        update(replace(NODE_SUBNET, policy="azure"), mode="overlay", pod_cidrs=("10.244.0.0/16",)),
        "ValidationError",
        "Cannot update cluster to Azure CNI Overlay while using network policies with Azure CNI v1.",
    ),
    (
        33,
        overlay(*in_subnet(LINUX), outbound_type="userDefinedRouting",
                subnets=(subnet("nodes", "10.1.0.0/24", default_route=""),)),
        "RouteTableMissingDefaultRouteError",
        None,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("number", "request_", "code", "text"), TEXTS)
def test_a_refusal_has_azures_code_and_words(
    number: int, request_: ClusterRequest, code: str, text: str | None
) -> None:
    (found,) = errors(request_)
    assert found.azure == code, number
    assert text is None or found.azure_text == text


def test_25_static_blocks_are_whole_blocks_of_16() -> None:
    assert [static_blocks(pods) for pods in (30, 31, 32)] == [2, 2, 3]


def test_33_user_defined_routing_needs_a_subnet() -> None:
    (found,) = errors(overlay(outbound_type="userDefinedRouting"))
    assert found.message == (
        "--vnet-subnet-id must be specified for userDefinedRouting and it must be pre-configured with a route table "
        "with "
        "egress rules"
    )


def test_34_a_managed_gateway_takes_no_subnet_of_ones_own() -> None:
    (found,) = errors(overlay(*in_subnet(LINUX), outbound_type="managedNATGateway"))
    assert found.message == (
        "--vnet-subnet-id, --system-node-subnet-id and --node-subnet-id cannot be specified for managedNATGateway"
    )


def test_a_range_in_a_network_that_pods_must_reach_is_found_though_azure_finds_nothing() -> None:
    known = Networks([NamedNetwork("on-prem", network("10.128.0.0/9")[0])])
    (found,) = errors(overlay(known=known))
    assert (found.code, found.azure) == ("S24-107", "")
    assert found.message == "pod CIDR 10.244.0.0/16 lies in on-prem 10.128.0.0/9"
    assert found.fix == "--pod-cidr 100.64.0.0/16"


def test_both_names_of_the_second_nat_gateway_are_one() -> None:
    by_sku = overlay(outbound_type="managedNATGateway", nat_gateway=NatGateway(sku="StandardV2"))
    assert codes(update(by_sku, outbound_type="none", nat_gateway=NatGateway())) == set()
    assert codes(update(overlay(outbound_type="managedNATGatewayV2"), outbound_type="loadBalancer")) == {"S24-167"}


def test_azures_code_of_a_finding_is_one_that_its_rule_names() -> None:
    """So that `slash24 explain` finds a rule by each of them."""
    named = {(one.code, azure) for one in rules() for azure in one.azure}
    asked = [request for _, request, _ in VECTORS] + [request for _, request, _, _ in TEXTS]
    told = {(one.code, one.azure) for request in asked for one in check(request) if one.azure}
    assert told - named == set()
