"""A cluster upgraded for real: never more addresses and blocks than planned, and packets afterwards."""

import json
from collections.abc import Iterator

import pytest

from slash24.plan.surge import surge_nodes
from tests.e2e.labs import LabUnderTest

pytestmark = pytest.mark.lab

GROUP = ("-g", "rg-upgrade")
POOL = (*GROUP, "--cluster-name", "rolling", "-n", "nodepool1")


@pytest.fixture
def _cluster(lab: LabUnderTest) -> Iterator[None]:
    lab.run("aks", "create", "-n", "rolling", *GROUP, "--node-count", "3", "-k", "1.36.1", "--quiet")
    lab.run("aks", "get-credentials", "-n", "rolling", *GROUP, "--file", str(lab.paths.kubeconfig))
    lab.run("aks", "nodepool", "update", *POOL, "--max-surge", "50%", "--quiet")
    yield
    lab.run("group", "delete", "-n", "rg-upgrade", "--yes", "--quiet")


@pytest.mark.usefixtures("_cluster")
def test_an_upgrade_never_uses_more_addresses_and_blocks_than_planned(lab: LabUnderTest) -> None:
    def nodes() -> list[dict[str, str]]:
        return next(cluster["nodes"] for cluster in lab.status()["clusters"] if cluster["name"] == "rolling")

    before = nodes()
    upgrade = lab.start("aks", "upgrade", "-n", "rolling", *GROUP, "-k", "1.37.1", "--yes", "--quiet")
    samples = []
    while upgrade.poll() is None:
        samples.append(nodes())
    out, err = upgrade.communicate()
    assert upgrade.returncode == 0, f"{out}{err}"
    planned = 3 + surge_nodes("50%", 3)
    assert max(len({node["address"] for node in sample}) for sample in samples) == planned
    assert max(len({node["podCidr"] for node in sample} - {None}) for sample in samples) == planned
    assert [(n["name"], n["address"], n["podCidr"]) for n in nodes()] == [
        (n["name"], n["address"], n["podCidr"]) for n in before
    ]
    found = json.loads(lab.kubectl("get", "nodes", "-o", "json", cluster="rolling"))["items"]
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in found} == {"v1.37.1"}
    assert not any(node["spec"].get("unschedulable") for node in found)
    assert "v1.37.1" in lab.kubectl("version", cluster="rolling")
    checked = lab.run("test", "connectivity", "-n", "rolling", *GROUP, code=None)
    assert checked.returncode == 0, checked.stdout
