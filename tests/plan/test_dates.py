"""Every day on which AKS changed is a boundary: what a rule says differs on the day before and on the day."""

from dataclasses import replace
from datetime import date, timedelta
from ipaddress import ip_network

import pytest

from slash24.plan import ClusterRequest, LoadBalancer, NatGateway, Operation, PoolRequest, check
from tests.docs.facts import facts
from tests.plan.requests import VNET, cluster, overlay, subnet

WINDOWS = PoolRequest("win", mode="User", os="Windows", os_sku="Windows2022")


def pool(**settings: str) -> ClusterRequest:
    return overlay(replace(PoolRequest(), **settings))  # type: ignore[arg-type]  # all are texts


def update(before: ClusterRequest, **changes: object) -> ClusterRequest:
    return replace(before, operation=Operation.UPDATE, current=before, **changes)  # type: ignore[arg-type]


DUAL = ("ipv4", "ipv6")
BASIC = overlay(load_balancer=LoadBalancer(sku="basic"))
ROUTES = cluster("kubenet", PoolRequest(count=401), pod_cidrs=("10.128.0.0/14",))
KUBENET = cluster("kubenet")
NODE_SUBNET = cluster("azure")
TO_OVERLAY = {"plugin": "azure", "mode": "overlay"}
#: (code, day) -> a request of which the rule says something else before that day.
CASES: dict[tuple[str, str], ClusterRequest] = {
    ("S24-101", "2024-10-25"): overlay(vnet_prefixes=(ip_network("10.240.0.0/12"),)),
    ("S24-104", "2025-01-30"): overlay(pod_cidrs=("169.254.0.0/16",)),
    ("S24-104", "2026-05-29"): overlay(pod_cidrs=("172.30.0.0/16",)),
    ("S24-105", "2023-10-01"): overlay(service_cidrs=("20.0.0.0/16",)),
    ("S24-113", "2026-01-04"): update(overlay(pod_cidrs=("10.244.0.0/18",)), pod_cidrs=("10.244.0.0/16",)),
    ("S24-121", "2025-03-16"): KUBENET,
    ("S24-121", "2028-03-31"): KUBENET,
    ("S24-123", "2023-04-30"): cluster("azure", pod_cidrs=("10.244.0.0/16",)),
    ("S24-124", "2023-11-28"): overlay(PoolRequest(subnet_id=f"{VNET}{'v' * 60}/subnets/x")),
    ("S24-126", "2025-03-16"): overlay(addons=frozenset({"ingress-appgw"})),
    ("S24-126", "2025-08-29"): overlay(addons=frozenset({"ingress-appgw"})),
    ("S24-131", "2024-01-23"): update(KUBENET, **TO_OVERLAY),
    ("S24-133", "2023-11-28"): update(replace(KUBENET, policy="calico"), **TO_OVERLAY),
    ("S24-136", "2025-01-30"): update(replace(NODE_SUBNET, ip_masq=True), mode="overlay"),
    ("S24-137", "2025-08-29"): update(KUBENET, **TO_OVERLAY, pod_cidrs=("10.100.0.0/16",)),
    ("S24-138", "2025-05-19"): update(replace(NODE_SUBNET, dataplane="cilium"), mode="overlay"),
    ("S24-144", "2023-06-25"): ROUTES,
    ("S24-144", "2023-09-10"): replace(ROUTES, operation=Operation.UPGRADE),
    ("S24-146", "2023-10-08"): overlay(ip_families=DUAL, outbound_type="userDefinedRouting"),
    ("S24-167", "2026-05-29"): update(
        overlay(outbound_type="managedNATGateway", nat_gateway=NatGateway(sku="StandardV2")), outbound_type="none"
    ),
    ("S24-168", "2025-03-31"): BASIC,
    ("S24-168", "2025-09-30"): BASIC,
    ("S24-168", "2025-10-12"): BASIC,
    ("S24-172", "2026-07-17"): overlay(kube_proxy_mode="NFTABLES", kubernetes_version="1.32"),
    ("S24-178", "2026-05-29"): overlay(policy="calico", kubernetes_version="1.29"),
    ("S24-180", "2026-09-30"): overlay(WINDOWS, policy="azure"),
    ("S24-181", "2028-09-30"): overlay(policy="azure"),
    ("S24-182", "2025-09-30"): pool(vm_set="AvailabilitySet"),
    ("S24-183", "2025-11-30"): pool(os_sku="AzureLinux2"),
    ("S24-183", "2026-03-31"): pool(os_sku="AzureLinux2"),
    ("S24-184", "2026-03-01"): overlay(replace(WINDOWS, os_sku="Windows2019")),
    ("S24-184", "2027-04-01"): overlay(replace(WINDOWS, os_sku="Windows2019")),
    ("S24-185", "2026-05-15"): overlay(replace(WINDOWS, os_sku="WindowsAnnual")),
    ("S24-186", "2026-03-31"): overlay(addons=frozenset({"web_application_routing"})),
    ("S24-186", "2026-11-30"): overlay(addons=frozenset({"web_application_routing"})),
    ("S24-187", "2027-03-17"): pool(os_sku="Ubuntu2004"),
    ("S24-188", "2027-06-30"): pool(os_sku="Ubuntu2204"),
    ("S24-188", "2028-04-30"): pool(os_sku="Ubuntu2204"),
    ("S24-189", "2027-09-30"): overlay(addons=frozenset({"open-service-mesh"})),
    ("S24-190", "2028-06-30"): overlay(WINDOWS),
    ("S24-190", "2029-06-30"): overlay(WINDOWS),
    ("S24-191", "2023-04-30"): overlay(),
    ("S24-192", "2023-01-08"): overlay(WINDOWS),
    ("S24-192", "2023-08-13"): overlay(WINDOWS),
    ("S24-193", "2022-05-22"): cluster("azure", PoolRequest(pod_subnet_id=f"{VNET}/subnets/pods")),
    ("S24-194", "2025-07-20"): cluster(
        "azure", PoolRequest(pod_subnet_id=f"{VNET}/subnets/pods", pod_allocation="StaticBlock")
    ),
    ("S24-195", "2024-04-11"): overlay(ip_families=DUAL),
    ("S24-196", "2024-07-16"): overlay(WINDOWS, ip_families=DUAL),
    ("S24-196", "2026-07-17"): overlay(WINDOWS, ip_families=DUAL),
    ("S24-197", "2023-04-16"): cluster("kubenet", ip_families=DUAL),
    ("S24-198", "2024-10-06"): overlay(addons=frozenset({"static-egress-gateway"})),
}


def said(request: ClusterRequest, code: str, day: date) -> list[tuple[str, str]]:
    return [(one.severity, one.message) for one in check(request, as_of=day) if one.code == code]


@pytest.mark.parametrize(("code", "day"), CASES)
def test_a_rule_changes_on_its_day_and_not_before(code: str, day: str) -> None:
    request, first = CASES[code, day], date.fromisoformat(day)
    before, after = (said(request, code, one) for one in (first - timedelta(days=1), first))
    assert before != after
    assert said(request, code, first + timedelta(days=1)) == after


def test_every_dated_fact_with_a_rule_is_a_boundary_that_is_tested() -> None:
    dated = {(code, fact.day.isoformat()) for fact in facts() if fact.day for code in fact.codes}
    assert dated == set(CASES)


def test_subnets_that_nobody_describes_are_told_apart_from_those_without() -> None:
    request = overlay(PoolRequest(subnet_id=f"{VNET}/subnets/a"), subnets=(subnet("a", "10.1.0.0/24", delegation=""),))
    assert check(request) == []
