"""Each fault of the catalogue is seen by `lab check`, stays, and is gone after its undo or its repair by hand."""

import os
import signal

import pytest

from slash24.cli.lab_check import open_places
from slash24.cli.session import find_server
from slash24.kernel.process import children
from slash24.lab.connectivity import packets
from slash24.lab.faults import health
from slash24.lab.faults.catalogue import FAULTS, Fault
from slash24.lab.faults.health import examine
from slash24.lab.faults.place import Place
from tests.e2e.labs import LabUnderTest, eventually

pytestmark = pytest.mark.lab

#: The look that turns red, by the fault.
SYMPTOMS = {
    "wrong-route": "across-nodes",
    "lost-entry": "across-nodes",
    "stale-entry": "across-nodes",
    "wrong-neighbour": "across-nodes",
    "small-mtu": "largest-packet",
    "hanging-agent": "agent",
    "leaked-lease": "leases",
    "full-block": "leases",
    "lost-masquerade": "pod-to-internet",
    "clock-ahead": "api",
    "no-forwarding": "across-nodes",
    "forward-drop": "across-nodes",
}


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch, lab: LabUnderTest) -> None:
    monkeypatch.setattr(packets, "_PATIENCE_S", 0.3)  # broken means lost, many times over
    monkeypatch.setattr(health, "_PATIENCE_S", 0.5)
    monkeypatch.setenv("SLASH24_HOME", str(lab.paths.home))
    lab.wait_until_ready()


def red(place: Place) -> set[str]:
    return {finding.look for finding in examine(place) if not finding.ok}


def is_whole() -> bool:
    with open_places("default", find_server("default"), "rg-lab.lab") as places:
        return not any(red(place) for place in places)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.usefixtures("_quick")
def test_a_fault_is_seen_and_stays_until_it_is_undone(fault: Fault) -> None:
    with open_places("default", find_server("default"), "rg-lab.lab") as (place, other):
        looked_at = other if fault.name == "blocked-port" else place
        fault.damage.inject(place)
        try:
            # Twice: what the agent mends is mended when it is looked at again.
            first = eventually(lambda: red(looked_at))
            assert SYMPTOMS.get(fault.name, "across-nodes") in first & red(looked_at)
        finally:
            fault.damage.undo(place)
    assert eventually(is_whole, 20)


def test_every_symptom_is_of_a_fault() -> None:
    assert set(SYMPTOMS) <= {fault.name for fault in FAULTS}


def test_a_student_finds_a_fault_repairs_it_and_is_told_so(lab: LabUnderTest) -> None:
    lab.wait_until_ready()
    node = lab.status()["clusters"][0]["nodes"][1]["name"]
    told = lab.run("lab", "break", "forward-drop", "--node", node)
    assert "forward" not in told.stderr + told.stdout, "it is for the student to find"
    again = lab.run("lab", "break", "forward-drop", "--node", node, code=1)
    assert "is in already" in again.stderr
    assert "across-nodes" in lab.run("lab", "check", "--timeout", "0", code=1).stdout
    assert [entry["name"] for entry in lab.json("lab", "break", "--reveal")] == ["forward-drop"]
    lab.run("lab", "shell", node, "--", "nft", "delete", "table", "ip", "hardening")
    assert "repaired: forward-drop" in lab.run("lab", "check", "--timeout", "20").stderr
    assert lab.json("lab", "break", "--reveal") == []


def test_a_kubelet_that_starts_again_collects_what_leaked(lab: LabUnderTest) -> None:
    lab.wait_until_ready()
    node = lab.status()["clusters"][0]["nodes"][0]["name"]
    lab.run("lab", "break", "full-block", "--node", node)
    lab.run("lab", "check", "--timeout", "0", code=1)
    os.kill(children(lab.first_process(node))["slash24-kubelet"], signal.SIGKILL)
    lab.run("lab", "check", "--timeout", "20")


def test_a_stopped_node_is_found_and_can_not_be_broken(lab: LabUnderTest) -> None:
    lab.wait_until_ready()
    node = lab.status()["clusters"][0]["nodes"][1]["name"]
    lab.run("lab", "node", "stop", node)
    try:
        assert node in lab.run("lab", "check", "--timeout", "0", code=1).stdout
        assert "runs no agent" in lab.run("lab", "break", "hanging-agent", "--node", node, code=1).stderr
        assert lab.json("lab", "break", "--reveal") == []
    finally:
        lab.run("lab", "node", "start", node)
    lab.run("lab", "check", "--timeout", "30")


def test_undo_takes_out_what_is_in(lab: LabUnderTest) -> None:
    lab.wait_until_ready()
    lab.run("lab", "break", "--random")
    assert len(lab.json("lab", "break", "--reveal")) == 1
    lab.run("lab", "break", "--undo")
    lab.run("lab", "check", "--timeout", "20")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("nothing-such",), 3, "there is no fault 'nothing-such'"),
        ((), 2, "is needed"),
        (("1", "--undo"), 2, "is needed"),
        (("1", "--node", "n9"), 3, "has no node 'n9'"),
        (("1", "-n", "other"), 3, "no such cluster"),
    ],
)
def test_a_wrong_call_changes_nothing(lab: LabUnderTest, words: tuple[str, ...], code: int, text: str) -> None:
    assert text in lab.run("lab", "break", *words, code=code).stderr
    assert lab.json("lab", "break", "--reveal") == []
