"""A lab that was saved and built again is the same lab."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.labs import LabUnderTest, eventually

pytestmark = pytest.mark.lab

MANIFESTS = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {greeting: "hello\\nworld\\n"}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, annotations: {note: kept}}
spec:
  nodeSelector: {tier: front}
  tolerations: [{key: gpu, operator: Exists}]
  containers: [{name: web, image: registry.k8s.io/pause:3.10, ports: [{containerPort: 8080}]}]
"""


@pytest.fixture(scope="module")
def saved(_able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LabUnderTest, Path]]:
    """A lab with two clusters in a network, and the file that it was saved as."""
    folder = tmp_path_factory.mktemp("save")
    lab, file = LabUnderTest(folder / "home"), folder / "class.yaml"
    try:
        lab.run("lab", "up", "--no-cluster", "--quiet")
        lab.run("group", "create", "-n", "rg-class", "-l", "westeurope", "--tags", "course=cni")
        lab.run(
            *["network", "vnet", "create", "-g", "rg-class", "-n", "vnet", "--address-prefixes", "10.10.0.0/16"],
            *["--subnet-name", "nodes", "--subnet-prefixes", "10.10.0.0/24"],
        )
        subnet = lab.json(
            *["network", "vnet", "subnet", "show", "-g", "rg-class", "--vnet-name", "vnet", "-n", "nodes"]
        )["id"]
        create = ("aks", "create", "-g", "rg-class", "--vnet-subnet-id", subnet, "--node-count", "1")
        lab.run(*create, "-n", "one", "--pod-cidr", "192.168.0.0/16", "--nodepool-labels", "tier=front",
                "--tags", "a=b", "--node-osdisk-size", "64", "--enable-addons", "monitoring")  # fmt: skip
        lab.run(*create, "-n", "two", "--transport", "routed", "--block-prefix", "26")
        lab.run("aks", "get-credentials", "-n", "one", "-g", "rg-class", "-f", str(lab.paths.kubeconfig))
        lab.kubectl("apply", "-f", "-", stdin=MANIFESTS, cluster="one")
        lab.run("lab", "save", str(file))
        yield lab, file
    finally:
        lab.down()


def test_the_file_holds_what_was_asked_for_and_no_default(saved: tuple[LabUnderTest, Path]) -> None:
    _, file = saved
    document = yaml.safe_load(file.read_text())
    assert document["resourceGroups"] == [{"name": "rg-class", "location": "westeurope", "tags": {"course": "cni"}}]
    (network,) = document["virtualNetworks"]
    assert network["subnets"] == [{"name": "nodes", "addressPrefix": "10.10.0.0/24"}]
    one, two = document["clusters"]
    assert one["networkProfile"] == {"podCidr": "192.168.0.0/16"}
    assert two["networkProfile"] == {"slash24": {"blockPrefix": 26, "transport": "routed"}}
    assert set(one["agentPoolProfiles"][0]) == {"name", "nodeLabels", "osDiskSizeGB", "vnetSubnetID"}
    assert [(item["kind"], item["metadata"]["name"]) for item in one["manifests"]] == [
        ("Namespace", "shop"), ("ConfigMap", "settings"), ("Pod", "web"),
    ]  # fmt: skip
    pod = one["manifests"][2]
    assert pod["metadata"] == {"name": "web", "namespace": "shop", "annotations": {"note": "kept"}}
    assert set(pod["spec"]) == {"nodeSelector", "tolerations", "containers"}
    assert "manifests" not in two


def test_a_lab_of_the_file_saves_as_the_same_text(saved: tuple[LabUnderTest, Path], tmp_path: Path) -> None:
    _, file = saved
    again = LabUnderTest(tmp_path / "home", "again")
    try:
        again.run("lab", "up", str(file), "--quiet")
        assert again.run("lab", "save", "-").stdout == file.read_text()
        assert [len(cluster["nodes"]) for cluster in again.status()["clusters"]] == [1, 1]
        refused = again.run("lab", "up", str(file), code=1)
        assert "is running already" in refused.stderr
    finally:
        again.down()


def test_what_was_cut_short_goes_on(saved: tuple[LabUnderTest, Path], tmp_path: Path) -> None:
    _, file = saved
    again = LabUnderTest(tmp_path / "home")
    try:
        with again.start("lab", "up", str(file), "--quiet") as process:
            assert eventually(again.paths.unfinished.exists)
            process.send_signal(signal.SIGKILL)
        again.run("lab", "up", str(file), "--quiet")
        assert again.run("lab", "save", "-").stdout == file.read_text()
        assert not again.paths.unfinished.exists()
    finally:
        again.down()


def test_a_file_that_the_lab_refuses_leaves_nothing(_able: None, tmp_path: Path) -> None:
    lab = LabUnderTest(tmp_path / "home")
    (tmp_path / "bad.yaml").write_text(
        "apiVersion: slash24.dev/v1\nkind: Lab\nclusters:\n- name: c\n  resourceGroup: rg\n"
        "  networkProfile: {podCidr: 10.224.0.0/16}\n  agentPoolProfiles: [{name: p}]\n"
    )
    refused = lab.run("lab", "up", str(tmp_path / "bad.yaml"), code=1)
    assert "overlap" in refused.stderr and "what was begun is removed" in refused.stderr
    assert lab.remains() == []


@pytest.mark.parametrize(
    ("name", "text", "code", "told"),
    [
        ("none.yaml", None, 3, "there is no file none.yaml"),
        ("new.yaml", "apiVersion: slash24.dev/v9\nkind: Lab\n", 2, "it has version slash24.dev/v9"),
        (
            "odd.yaml",
            "apiVersion: slash24.dev/v1\nkind: Lab\nclusters:\n- name: c\n",
            2,
            "clusters[0] has no resourceGroup",
        ),
        (
            "typo.yaml",
            "apiVersion: slash24.dev/v1\nkind: Lab\nclusters:\n- nmae: c\n",
            2,
            "typo.yaml:4: clusters[0].nmae",
        ),
        ("class/1", None, 2, "'class/1' is not a lab's name"),
    ],
)
def test_a_bad_file_or_name_starts_nothing(tmp_path: Path, name: str, text: str | None, code: int, told: str) -> None:
    lab = LabUnderTest(tmp_path / "home")
    if text is not None:
        (tmp_path / name).write_text(text)
    assert told in lab.run("lab", "up", name, code=code).stderr
    assert lab.remains() == [] and not lab.paths.home.exists()
