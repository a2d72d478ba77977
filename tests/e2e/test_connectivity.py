"""`slash24 test connectivity` as a user runs it."""

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from slash24.lab.connectivity.run import NAMES
from tests.e2e.labs import LabUnderTest

pytestmark = pytest.mark.lab

NewLab = Callable[..., LabUnderTest]


def test_all_checks_are_green_on_a_fresh_lab_and_leave_it_as_it_was(lab: LabUnderTest, tmp_path: Path) -> None:
    before = lab.status()
    junit = tmp_path / "connectivity.xml"
    answer = json.loads(lab.run("test", "connectivity", "-o", "json", "--junit", str(junit)).stdout)
    assert [check["name"] for check in answer["checks"]] == list(NAMES)
    assert [check for check in answer["checks"] if not check["ok"]] == []
    assert answer["failed"] == 0 and answer["seconds"] < 20
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == (str(len(NAMES)), "0")
    assert [cluster["name"] for cluster in lab.status()["clusters"]] == [c["name"] for c in before["clusters"]]
    assert "slash24-test" not in lab.kubectl("get", "namespaces", "-o", "name")


def test_the_checks_work_in_a_cluster_whose_lowest_addresses_are_taken(new_lab: NewLab) -> None:
    lab = new_lab("--nodes", "3", "--pods-per-node", "6")
    # Only the highest block stays beside the first node's, whichever that is.
    lab.run("aks", "scale", "-n", "lab", "-g", "rg-lab", "--node-count", "2")
    names = ("same-address-encapsulated", "same-address-routed", "block-reused")
    wanted = [word for name in names for word in ("--test", name)]
    answer = json.loads(lab.run("test", "connectivity", *wanted, "-o", "json").stdout)
    assert [(check["name"], check["ok"]) for check in answer["checks"]] == [(name, True) for name in names]


def test_all_checks_are_green_in_a_routed_cluster_too(new_lab: NewLab) -> None:
    lab = new_lab("--nodes", "2", "--transport", "routed")
    answer = json.loads(lab.run("test", "connectivity", "-o", "json").stdout)
    assert {check["transport"] for check in answer["checks"]} == {"routed", "encapsulated"}
    assert answer["failed"] == 0


def test_how_fast_packets_go_is_told_and_not_judged(lab: LabUnderTest) -> None:
    found = json.loads(lab.run("test", "connectivity", "--test", "same-node", "--perf", "-o", "json").stdout)
    assert [entry["way"] for entry in found["performance"]] == [
        "node to node", "pod to pod, across nodes", "pod to pod, same node",
    ]  # fmt: skip
    assert all(entry["gbitPerSecond"] > 0 and entry["roundTripMicroseconds"] > 0 for entry in found["performance"])
    assert found["passed"] == 1


def test_the_command_tells_a_break_by_its_exit_code_and_its_output(lab: LabUnderTest) -> None:
    drop = "table ip broken { chain c { type filter hook prerouting priority -400; udp dport 4789 drop; }; }"
    lab.inside("vnet-1", "nft", drop)
    try:
        seen = lab.check("across-nodes", code=1)
        words = ("test", "connectivity", "--test", "across-nodes", "--perf", "-o", "json")
        told = json.loads(lab.run(*words, code=1).stdout)
    finally:
        lab.inside("vnet-1", "nft", "delete", "table", "ip", "broken")
    assert (seen["ok"], seen["seen"]) == (False, "lost")
    assert told["performance"][0]["gbitPerSecond"] > 0
    assert told["performance"][1] == {"way": "pod to pod, across nodes", "problem": "a connection is lost"}
    assert lab.check("across-nodes", code=0)["ok"]


def test_a_check_that_nobody_knows_is_refused_with_the_names_that_there_are(lab: LabUnderTest) -> None:
    refused = lab.run("test", "connectivity", "--test", "no-such", code=2)
    assert "no-such" in refused.stderr and "across-nodes" in refused.stderr
