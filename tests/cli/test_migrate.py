"""`slash24 migrate assess`: from what az and kubectl print to a table, a document and an exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from slash24.cli.main import main

GROUP = "/subscriptions/1/resourceGroups/rg/providers"
VNET = f"{GROUP}/Microsoft.Network/virtualNetworks/v"
TABLE = {"id": f"{GROUP}/Microsoft.Network/routeTables/rt"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    cluster = {
        "id": f"{GROUP}/Microsoft.ContainerService/managedClusters/prod", "name": "prod", "location": "x",
        "resourceGroup": "rg", "kubernetesVersion": "1.33", "identity": {"type": "UserAssigned"},
        "agentPoolProfiles": [{"name": "np", "count": 3, "maxPods": 110, "mode": "System",
                               "vnetSubnetId": f"{VNET}/subnets/nodes"}],
        "networkProfile": {"networkPlugin": "kubenet", "podCidr": "10.244.0.0/16", "serviceCidr": "10.0.0.0/16",
                           "dnsServiceIp": "10.0.0.10"},
    }  # fmt: skip
    subnets = [
        {"name": "nodes", "addressPrefix": "10.20.4.0/24", "routeTable": TABLE},
        {"name": "appgw", "addressPrefix": "10.20.5.0/24", "routeTable": None},
    ]
    vnet = {"id": VNET, "name": "v", "addressSpace": {"addressPrefixes": ["10.20.0.0/16"]}, "subnets": subnets}
    (tmp_path / "prod.json").write_text(json.dumps(cluster))
    (tmp_path / "vnet.json").write_text(json.dumps(vnet))
    (tmp_path / "prod.yaml").write_text("kind: ConfigMap\nmetadata:\n  name: other\n")
    (tmp_path / "main.tf").write_text(
        'resource "azurerm_kubernetes_cluster" "p" {\n  name = "prod"\n  network_profile {\n'
        '    network_plugin = "kubenet"\n  }\n}\n'
    )
    return tmp_path


def assess(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main(["migrate", "assess", *arguments, "-o", "json"])
    text = capsys.readouterr().out
    return code, json.loads(text) if text else None


@pytest.mark.usefixtures("folder")
def test_a_cluster_that_may_move_has_no_blocker_and_its_steps(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = assess(capsys, "prod.json", "prod.yaml", "--vnet", "vnet.json")
    assert code == 0
    assert found["from"] == "kubenet"
    assert any("--network-plugin-mode overlay" in step["command"] for step in found["steps"])
    assert [one["check"] for one in found["checks"] if one["result"] == "unknown"] == []


def test_a_shared_route_table_blocks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vnet = json.loads((folder / "vnet.json").read_text())
    vnet["subnets"][1]["routeTable"] = TABLE
    (folder / "vnet.json").write_text(json.dumps(vnet))
    code, found = assess(capsys, "prod.json", "--vnet", "vnet.json")
    assert code == 1
    assert any("appgw" in one["message"] for one in found["checks"] if one["result"] == "BLOCKER")


@pytest.mark.usefixtures("folder")
def test_terraform_that_stays_as_it_is_would_destroy_the_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = assess(capsys, "prod.json", "--iac", "main.tf")
    dangers = [one for one in found["checks"] if one["result"] == "DANGER"]
    assert code == 0
    assert ["network_plugin azure -> kubenet" in one["message"] for one in dangers] == [True]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nothere.json"], 3),
        (["vnet.json"], 3),
        (["prod.json", "--to", "kubenet"], 2),
        (["prod.json", "--to", "pod-cidr"], 2),
        (["prod.json", "--iac", "vnet.json"], 3),
        (["prod.json", "broken.yaml"], 1),
    ],
)
def test_what_can_t_be_assessed_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: int
) -> None:
    (folder / "broken.yaml").write_text("a: [1\nb: {")
    assert main(["migrate", "assess", *arguments]) == expected
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "fix:" in error and "Traceback" not in error
