"""Clusters by `slash24 aks`, in the shared lab: made, changed, refused."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.e2e.labs import LabUnderTest, eventually

pytestmark = pytest.mark.lab

# The article's own line but for the program's name.
ARTICLE = [
    "aks",
    "create",
    "-n",
    "aks-cni-01",
    "-g",
    "rg-aks-cni",
    "--location",
    "northeurope",
    "--network-plugin",
    "azure",
    "--network-plugin-mode",
    "overlay",
    "--pod-cidr",
    "192.168.0.0/16",
    "--generate-ssh-keys",
    "--node-count",
    "2",
    "--node-vm-size",
    "Standard_DS2_v2",
    "--enable-cluster-autoscaler",
    "--min-count",
    "2",
    "--max-count",
    "10",
    "--vnet-subnet-id",
]


@pytest.fixture(scope="module")
def subnet(lab: LabUnderTest) -> Iterator[str]:
    """The article's network; its groups go with all in them."""
    lab.run("group", "create", "-n", "rg-aks-cni", "-l", "northeurope")
    vnet = lab.json("network", "vnet", "create", "-g", "rg-aks-cni", "-n", "vnet-aks", "--address-prefixes",
                    "10.20.0.0/16", "--subnet-name", "aks-subnet", "--subnet-prefixes", "10.20.4.0/24")  # fmt: skip
    vnet = vnet.get("newVNet", vnet)
    yield str(vnet["subnets"][0]["id"])
    lab.run("group", "delete", "-n", "rg-aks-cni", "--yes")
    assert "rg-aks-cni" not in lab.run("lab", "status", "-o", "json").stdout


def _credentials(lab: LabUnderTest, name: str) -> None:
    lab.run("aks", "get-credentials", "-n", name, "-g", "rg-aks-cni", "--file", str(lab.paths.kubeconfig),
            "--overwrite-existing")  # fmt: skip


def _cluster(lab: LabUnderTest, name: str) -> dict[str, Any]:
    return next(cluster for cluster in lab.status()["clusters"] if cluster["name"] == name)


def test_the_articles_own_line_makes_its_cluster(lab: LabUnderTest, subnet: str) -> None:
    made = lab.json(*ARTICLE, subnet)
    assert made["networkProfile"]["podCidr"] == "192.168.0.0/16"
    pool = made["agentPoolProfiles"][0]
    assert (pool["enableAutoScaling"], pool["minCount"], pool["maxCount"], pool["count"]) == (True, 2, 10, 2)
    nodes = _cluster(lab, "aks-cni-01")["nodes"]
    assert [node["address"] for node in nodes] == ["10.20.4.4", "10.20.4.5"]  # Azure keeps the first four
    assert [node["podCidr"] for node in nodes] == ["192.168.0.0/24", "192.168.1.0/24"]
    _credentials(lab, "aks-cni-01")
    found = json.loads(lab.kubectl("get", "nodes", "-o", "json", cluster="aks-cni-01"))["items"]
    labels = found[0]["metadata"]["labels"]
    assert labels["kubernetes.azure.com/podnetwork-type"] == "overlay"
    assert labels["kubernetes.azure.com/agentpool"] == "nodepool1"
    configs = lab.kubectl("get", "nnc", "-n", "kube-system", "-o", "name", cluster="aks-cni-01")
    assert all(node["name"] in configs for node in nodes)


def test_pools_grow_shrink_come_and_go(lab: LabUnderTest, subnet: str) -> None:
    where = ("-g", "rg-aks-cni")
    lab.run("aks", "create", "-n", "pools", *where, "--node-count", "1", "--vnet-subnet-id", subnet)
    _credentials(lab, "pools")
    lab.run("aks", "scale", "-n", "pools", *where, "--node-count", "2")
    assert len(_cluster(lab, "pools")["nodes"]) == 2
    lab.run("aks", "nodepool", "add", "--cluster-name", "pools", "-n", "extra", *where, "--node-count", "1")
    assert [pool["name"] for pool in lab.json("aks", "nodepool", "list", "--cluster-name", "pools", *where)] == [
        "nodepool1",
        "extra",
    ]
    lab.run("aks", "scale", "-n", "pools", *where, "--node-count", "1", "--nodepool-name", "nodepool1")
    lab.run("aks", "nodepool", "delete", "--cluster-name", "pools", "-n", "extra", *where)
    (left,) = _cluster(lab, "pools")["nodes"]
    assert left["ready"] and left["name"].endswith("000000")
    lab.run("aks", "delete", "-n", "pools", *where, "--yes")
    assert "pools" not in [cluster["name"] for cluster in lab.status()["clusters"]]
    assert "pools" not in lab.paths.kubeconfig.read_text()
    assert not list(lab.paths.namespaces.glob("aks-extra-*"))


def test_a_pod_that_finds_no_address_in_a_full_block_waits_with_aks_message(lab: LabUnderTest, subnet: str) -> None:
    lab.run("aks", "create", "-n", "small", "-g", "rg-aks-cni", "--node-count", "1", "--vnet-subnet-id", subnet,
            "--block-prefix", "28", "--pod-cidr", "10.99.0.0/16")  # fmt: skip
    _credentials(lab, "small")
    pods = "---\n".join(_POD.format(name=f"p{number}", image="registry.k8s.io/pause:3.10") for number in range(16))
    lab.kubectl("apply", "-f", "-", stdin=pods, cluster="small")

    def running() -> int:
        phases = lab.kubectl("get", "pods", "-o", "jsonpath={.items[*].status.phase}", cluster="small")
        return phases.split().count("Running")

    def events() -> str:
        return lab.kubectl("get", "events", cluster="small")

    assert eventually(lambda: running() >= 12, 15)
    assert eventually(lambda: "FailedCreatePodSandBox" in events(), 10)
    assert "address" in events()
    assert "Pending" in lab.kubectl("get", "pods", "-o", "jsonpath={.items[*].status.phase}", cluster="small")
    lab.run("aks", "delete", "-n", "small", "-g", "rg-aks-cni", "--yes")


_POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{{name: c, image: "{image}"}}]
"""


def test_an_image_that_nobody_knows_is_told_as_in_kubernetes(lab: LabUnderTest) -> None:
    lab.kubectl("apply", "-f", "-", stdin=_POD.format(name="odd", image="example.org/no-such:1"))
    assert eventually(lambda: "ErrImagePull" in lab.kubectl("get", "pod", "odd") + lab.kubectl("get", "events"))
    lab.kubectl("delete", "pod", "odd")


def test_nothing_that_a_pod_deletes_is_the_machines(lab: LabUnderTest) -> None:
    canary = lab.paths.home.parent / "canary"
    canary.write_text("here")
    lab.kubectl("apply", "-f", "-", stdin=_POD.format(name="rm", image="registry.k8s.io/e2e-test-images/agnhost:2.53"))
    lab.kubectl("wait", "pod/rm", "--for=condition=Ready", "--timeout=15s")
    lab.kubectl("exec", "rm", "--", "sh", "-c", f"rm -rf {canary} /etc/hostname /usr/bin/env; echo done", code=None)
    assert canary.read_text() == "here"
    with open("/usr/bin/env", "rb"):
        pass
    lab.kubectl("delete", "pod", "rm")


def test_a_new_node_whose_tunnel_is_cut_stays_not_ready_and_says_why(lab: LabUnderTest) -> None:
    node = _cluster(lab, "lab")["nodes"][1]["name"]
    cut = "table ip broken { chain c { type filter hook prerouting priority -400; udp dport 4789 drop; }; }"
    scale = None
    lab.inside("vnet-1", "nft", cut)
    try:
        scale = lab.start("aks", "scale", "-n", "lab", "-g", "rg-lab", "--node-count", "3")

        def third() -> dict[str, Any]:
            nodes = _cluster(lab, "lab")["nodes"]
            return dict(nodes[2]) if len(nodes) > 2 else {}

        assert eventually(lambda: third().get("reason"), 5)
        found = eventually(lambda: third() if "4789" in (third().get("reason") or "") else None, 8)
        assert found and not found["ready"], third()
    finally:
        lab.inside("vnet-1", "nft", "delete", "table", "ip", "broken")
        if scale is not None:
            _, err = scale.communicate(timeout=70)
    assert scale is not None and scale.returncode == 0, err
    lab.run("aks", "scale", "-n", "lab", "-g", "rg-lab", "--node-count", "2")
    assert node in [each["name"] for each in _cluster(lab, "lab")["nodes"]]


BAD_CIDRS = {
    "host bits": ("10.1.2.3/16", "10.1.0.0/16"),
    "no network": ("pods", "pods"),
    "overlaps the subnet": ("10.20.0.0/16", "10.20"),
    "overlaps the services": ("10.0.0.0/16", "10.0.0.0/16"),
    "too small": ("10.7.0.0/24", "InsufficientSubnetSize"),
    "reserved": ("169.254.0.0/16", "169.254.0.0/16"),
}


@pytest.mark.parametrize("case", BAD_CIDRS)
def test_a_bad_pod_cidr_is_refused_and_leaves_nothing(lab: LabUnderTest, subnet: str, case: str) -> None:
    cidr, told = BAD_CIDRS[case]
    before = lab.status()
    refused = lab.run("aks", "create", "-n", "bad", "-g", "rg-aks-cni", "--pod-cidr", cidr, "--vnet-subnet-id", subnet,
                      "--node-count", "2", code=None)  # fmt: skip
    assert refused.returncode not in (0, 70) and told in refused.stderr, refused
    assert refused.stderr.startswith("error S24-")
    assert lab.status() == before
    with suppress(AssertionError):
        lab.run("aks", "show", "-n", "bad", "-g", "rg-aks-cni", code=3)
