"""The lab's names, documents, places and pictures of state: what needs no kernel."""

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from slash24.core.autoscaling import AutoscalerProfile
from slash24.core.topology import Cluster, NodePool, Subnet, Transport, UpgradeSettings, VNet
from slash24.errors import UsageError
from slash24.lab import names
from slash24.lab.documents import cluster_document, read_cluster, read_vnet, vnet_document
from slash24.lab.machines import vm_address
from slash24.lab.paths import LabPaths, home, lab_names
from slash24.lab.readiness import is_ready, why_not_ready

ID = "/subscriptions/1/resourceGroups/RG-x/providers/Microsoft.ContainerService/managedClusters/C1"
SUBNET = "/subscriptions/1/resourceGroups/rg-x/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
POOL = NodePool("np", 2, SUBNET, labels=(("a", "b"),), taints=("k=v:NoSchedule",))
CLUSTER = Cluster(
    id=ID,
    location="northeurope",
    pod_cidr=IPv4Network("192.168.0.0/16"),
    service_cidr=IPv4Network("10.0.0.0/16"),
    dns_service_ip="10.0.0.10",
    pools=(POOL,),
    transport=Transport.ROUTED,
)


def test_a_node_is_named_as_a_scale_sets_instance() -> None:
    name = names.node_name(CLUSTER, POOL, 37)
    assert name.startswith("aks-np-")
    assert name.endswith("-vmss000011")  # 37 to base 36
    assert len(name.split("-")[2]) == 8
    assert name.split("-")[2].isdigit()
    assert names.instance_of(name) == 37


def test_another_subscription_or_case_names_the_same_nodes() -> None:
    other = Cluster(**{f: getattr(CLUSTER, f) for f in CLUSTER.__slots__} | {"id": ID.replace("/1/", "/2/").lower()})
    assert names.node_name(other, POOL, 0) == names.node_name(CLUSTER, POOL, 0)
    assert names.cluster_key(other.id) == names.cluster_key(CLUSTER.id) == "rg-x.c1"


def test_a_group_with_characters_that_a_url_lacks_has_a_key_of_its_own() -> None:
    odd, odder = (names.cluster_key(ID.replace("RG-x", group)) for group in ("a(b", "a)b"))
    assert odd != odder
    assert odd.startswith("a-b.c1-")


def test_nodes_bear_aks_labels() -> None:
    labels = names.node_labels(CLUSTER, POOL, "n", "v")
    assert labels["kubernetes.azure.com/podnetwork-type"] == "overlay"
    assert labels["kubernetes.azure.com/network-subnet"] == "s"
    assert labels["agentpool"] == "np"
    assert labels["a"] == "b"
    assert labels["kubernetes.azure.com/node-image-version"].startswith("slash24-")
    assert all(len(value) <= 63 for value in labels.values())


def test_documents_bring_back_what_went_in() -> None:
    vnet = VNet("/v", (IPv4Network("10.0.0.0/8"),), (Subnet("s", IPv4Network("10.1.0.0/16")),))
    assert read_vnet(vnet_document(vnet)) == vnet
    stopped = replace(
        CLUSTER,
        stopped=True,
        autoscaler=AutoscalerProfile(scan_interval=timedelta(minutes=1)),
        pools=(replace(POOL, stopped=True, image=3, upgrade=UpgradeSettings("50%", "1", 5, 1)),),
    )
    for cluster in (CLUSTER, stopped):
        assert read_cluster(json.loads(json.dumps(cluster_document(cluster)))) == cluster


def test_a_virtual_machine_lives_outside_the_users_subnets() -> None:
    vnet = VNet("/v", (IPv4Network("10.10.0.0/16"),), (Subnet("s", IPv4Network("10.10.0.0/24")),))
    place = vm_address(vnet, set())
    assert place is not None
    assert place[1] == IPv4Network("10.10.255.240/28")
    assert place[0] == IPv4Address("10.10.255.244")


def test_a_network_that_is_all_subnet_lends_its_last_free_address() -> None:
    vnet = VNet("/v", (IPv4Network("10.10.0.0/28"),), (Subnet("s", IPv4Network("10.10.0.0/28")),))
    place = vm_address(vnet, {IPv4Address("10.10.0.14")})
    assert place is not None
    assert place[0] == IPv4Address("10.10.0.13")
    assert vm_address(vnet, set(IPv4Network("10.10.0.0/28"))) is None


@pytest.mark.parametrize("name", ["a/b", "", "A", "a_b", "-a", "a" * 31, "..", "a b"])
def test_a_name_that_is_no_labs_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a lab's name"):
        LabPaths(tmp_path, name)


def test_labs_of_two_homes_share_no_kernel_name(tmp_path: Path) -> None:
    assert LabPaths(tmp_path / "a", "x").slug != LabPaths(tmp_path / "b", "x").slug


def test_the_home_is_slash24_home_or_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLASH24_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.delenv("SLASH24_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert home() == tmp_path / "state/slash24"
    assert lab_names(home()) == []


def condition(kind: str, status: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "message": message}


def test_a_node_says_why_it_is_not_ready() -> None:
    ready = {"status": {"conditions": [condition("Ready", "True")]}}
    assert is_ready(ready)
    network = condition("NetworkUnavailable", "True", "no echo over VXLAN (UDP 4789)")
    waiting = {"status": {"conditions": [condition("Ready", "False", "cni plugin not initialized"), network]}}
    assert not is_ready(waiting)
    assert why_not_ready(waiting) == "no echo over VXLAN (UDP 4789)"
    assert why_not_ready({"status": {"conditions": [condition("Ready", "False", "cni")]}}) == "cni"
    assert "not registered" in why_not_ready(None)
