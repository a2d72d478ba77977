"""Assessing moves: every allowed and refused change of a cluster that stands, its blockers, and the steps in order."""

from dataclasses import replace

import pytest

from slash24.core.addresses import parse_prefix
from slash24.plan import ClusterRequest, PoolRequest, SubnetFacts
from slash24.plan.migration import Assessment, Result, Surroundings, Target, assess, changed

SUBNET = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/nodes"
BASE = ClusterRequest(
    name="prod", pools=(PoolRequest("np", 3, subnet_id=SUBNET),), kubernetes_version="1.33", identity="UserAssigned",
    vnet_prefixes=(parse_prefix("10.20.0.0/16"),), subnets=(SubnetFacts(SUBNET, parse_prefix("10.20.4.0/24")),),
    ip_masq=False,
)  # fmt: skip
KUBENET = replace(BASE, plugin="kubenet", pod_cidrs=("10.244.0.0/16",))
NODE_SUBNET = replace(BASE, plugin="azure")
OVERLAY = replace(BASE, plugin="azure", mode="overlay", pod_cidrs=("10.244.0.0/16",))
POD_SUBNET = replace(NODE_SUBNET, pools=(replace(BASE.pools[0], pod_subnet_id=SUBNET.replace("nodes", "pods")),))
AROUND = Surroundings(group="rg", route_table_sharers=(), policies=0)


def of(current: ClusterRequest, target: str, around: Surroundings = AROUND, **new: str) -> Assessment:
    return assess(changed(current, Target(target), **new), around)  # type: ignore[arg-type]


def blockers(result: Assessment) -> set[str]:
    return {one.code for one in result.checks if one.result is Result.BLOCKER}


@pytest.mark.parametrize(
    ("current", "target", "new", "expected"),
    [
        (KUBENET, "overlay", {}, set()),
        (NODE_SUBNET, "overlay", {"pod_cidr": "10.244.0.0/16"}, set()),
        (NODE_SUBNET, "overlay", {}, {"S24-135"}),
        (NODE_SUBNET, "overlay", {"pod_cidr": "10.20.128.0/17"}, {"S24-135"}),
        (POD_SUBNET, "overlay", {"pod_cidr": "10.244.0.0/16"}, {"S24-131"}),
        (OVERLAY, "kubenet", {}, {"S24-131"}),
        (OVERLAY, "node-subnet", {}, {"S24-131"}),
        (replace(NODE_SUBNET, policy="calico"), "overlay", {"pod_cidr": "10.244.0.0/16"}, {"S24-133"}),
        (replace(KUBENET, policy="calico"), "overlay", {}, {"S24-133"}),
        (replace(KUBENET, identity="SystemAssigned"), "overlay", {}, {"S24-134"}),
        (replace(KUBENET, ip_masq=True), "overlay", {}, {"S24-136"}),
        (replace(NODE_SUBNET, kubernetes_version="1.26"), "overlay", {"pod_cidr": "10.244.0.0/16"}, {"S24-132"}),
        (OVERLAY, "cilium", {}, set()),
        (KUBENET, "cilium", {}, {"S24-139"}),
        (NODE_SUBNET, "overlay-cilium", {"pod_cidr": "10.244.0.0/16"}, {"S24-138"}),
        (OVERLAY, "policy-calico", {}, set()),
        (OVERLAY, "pod-cidr", {"pod_cidr": "10.244.0.0/15"}, set()),
        (OVERLAY, "pod-cidr", {"pod_cidr": "10.246.0.0/16"}, {"S24-113"}),
        (OVERLAY, "service-cidr", {"service_cidr": "10.1.0.0/16"}, {"S24-179"}),
    ],
)  # fmt: skip
def test_a_move_has_the_blockers_that_aks_has(
    current: ClusterRequest, target: str, new: dict[str, str], expected: set[str]
) -> None:
    found = blockers(of(current, target, AROUND, **new))
    assert expected <= found
    assert bool(expected) == bool(found)


def test_the_steps_of_a_kubenet_move_come_in_the_order_in_which_they_work() -> None:
    current = replace(KUBENET, policy="calico", identity="SystemAssigned", ip_masq=True)
    steps = [one.command for one in of(current, "overlay", replace(AROUND, route_table_sharers=("appgw",))).steps]
    words = ["identity create", "--assign-identity", "--route-table", "delete configmap", "--network-policy none",
             "--network-plugin-mode overlay", "--network-policy calico", "kubectl get nnc"]  # fmt: skip
    assert len(steps) == len(words)
    assert all(word in step for word, step in zip(words, steps, strict=True))


def test_address_model_and_dataplane_are_two_steps() -> None:
    steps = [one.command for one in of(NODE_SUBNET, "overlay-cilium", pod_cidr="10.244.0.0/16").steps]
    assert "--network-plugin-mode overlay --pod-cidr 10.244.0.0/16" in steps[0]
    assert "--network-dataplane cilium" in steps[1]


def test_a_refused_move_has_no_steps() -> None:
    assert of(OVERLAY, "kubenet").steps == ()


def test_a_route_table_that_other_subnets_have_blocks_and_an_unknown_one_is_told() -> None:
    shared = of(KUBENET, "overlay", replace(AROUND, route_table_sharers=("appgw",)))
    (one,) = [check for check in shared.checks if check.result is Result.BLOCKER]
    assert "appgw" in one.message
    unknown = of(KUBENET, "overlay", replace(AROUND, route_table_sharers=None))
    assert unknown.count(Result.UNKNOWN) == 1


def test_what_is_not_known_is_told_and_not_taken_for_well() -> None:
    result = of(replace(KUBENET, identity=None, ip_masq=None, kubernetes_version=None), "overlay")
    unknown = {one.code for one in result.checks if one.result is Result.UNKNOWN}
    assert {"S24-132", "S24-134", "S24-136"} <= unknown


def test_what_the_cluster_is_already_is_no_blocker_of_a_change() -> None:
    """Nodes whose subnet is full were accepted; the change doesn't make it worse."""
    assert blockers(of(replace(OVERLAY, service_cidrs=("10.20.4.0/24",)), "policy-calico")) == set()
