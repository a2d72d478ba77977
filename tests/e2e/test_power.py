"""Nodes without power: stopped, started and rebooted by the user, or killed."""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from slash24.kernel import netns, process
from slash24.lab import lock
from tests.e2e.labs import LabUnderTest, eventually
from tests.e2e.views import differences

pytestmark = pytest.mark.lab

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.53"


@pytest.fixture(scope="module")
def power(_able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    """A lab of two nodes whose power the tests cut; each leaves both running."""
    lab = LabUnderTest(tmp_path_factory.mktemp("power") / "home")
    try:
        lab.run("lab", "up", "--nodes", "2", "--quiet")
        yield lab
    finally:
        lab.down()


@pytest.fixture
def node(power: LabUnderTest) -> str:
    """The second node, which is Ready."""
    power.wait_until_ready()
    return node_names(power)[1]


def node_names(lab: LabUnderTest) -> list[str]:
    return [node["name"] for node in lab.status()["clusters"][0]["nodes"]]


def entry(lab: LabUnderTest, name: str) -> dict[str, Any]:
    return next(dict(one) for one in lab.json("lab", "node", "list") if one["name"] == name)


def run_pod(lab: LabUnderTest, name: str, node: str, *options: str) -> None:
    overrides = f'{{"spec": {{"nodeName": "{node}", "terminationGracePeriodSeconds": 1}}}}'
    lab.kubectl("run", name, f"--image={AGNHOST}", "--overrides", overrides, *options, "--", "netexec",
                "--http-port=8080")  # fmt: skip
    lab.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=15s")


def pod(lab: LabUnderTest, name: str, path: str) -> str:
    return lab.kubectl("get", "pod", name, "-o", f"jsonpath={path}")


def leases(lab: LabUnderTest, node: str) -> set[str]:
    """Return the names of the pods that have an address, as the node's own store says."""
    with sqlite3.connect(lab.paths.node(node) / "slash24/leases.db") as db:
        return {name for (name,) in db.execute("select pod_name from address where container_id is not null")}


def test_a_stop_ends_a_node_at_once_and_keeps_its_disk_its_address_and_its_node_object(
    power: LabUnderTest, node: str
) -> None:
    before, first = entry(power, node), power.first_process(node)
    inode = power.paths.netns(node).stat().st_ino
    power.run("lab", "node", "stop", node)
    assert process.started_at(first) is None and not process.in_namespaces({inode})
    assert not netns.is_mounted(power.paths.netns(node))
    assert not differences(power.paths)
    assert (power.paths.node(node) / "slash24/leases.db").exists()
    after = entry(power, node)
    assert (after["power"], after["ready"]) == ("stopped", False)
    assert (after["address"], after["podCidr"]) == (before["address"], before["podCidr"])
    assert power.kubectl("get", "node", node, "-o", "name").strip() == f"node/{node}"
    assert f"node {node} is stopped already" in power.run("lab", "node", "stop", node).stderr
    assert "off: somebody stopped it" in power.run("lab", "status").stdout
    assert f"slash24 lab node start {node}" in power.run("lab", "shell", node, "--", "true", code=1).stderr
    power.run("lab", "node", "start", node)
    assert entry(power, node)["address"] == before["address"]
    assert entry(power, node)["bootId"] not in (None, before["bootId"])
    assert "running already" in power.run("lab", "node", "start", node).stderr
    assert power.check("across-nodes", code=0)["ok"]
    assert not differences(power.paths)


def test_a_reboot_restarts_the_nodes_pods_and_voids_the_leases_of_the_boot_before(
    power: LabUnderTest, node: str
) -> None:
    run_pod(power, "again", node)
    run_pod(power, "once", node, "--restart=Never")
    uid = pod(power, "again", "{.metadata.uid}")
    power.run("lab", "node", "stop", node)
    power.kubectl("delete", "pod", "once", "--wait=false")
    power.run("lab", "node", "start", node)
    power.kubectl("wait", "pod/once", "--for=delete", "--timeout=15s")
    assert eventually(lambda: pod(power, "again", "{.status.containerStatuses[0].restartCount}") == "1")
    assert pod(power, "again", "{.metadata.uid}") == uid
    power.kubectl("wait", "pod/again", "--for=condition=Ready", "--timeout=15s")
    assert leases(power, node) == {"again", f"slash24-probe-{node}"}
    power.kubectl("delete", "pod", "again")
    assert eventually(lambda: leases(power, node) == {f"slash24-probe-{node}"})


def test_a_pod_that_must_not_start_again_has_failed_after_a_reboot(power: LabUnderTest, node: str) -> None:
    run_pod(power, "never", node, "--restart=Never")
    power.run("lab", "node", "reboot", node)
    assert eventually(lambda: pod(power, "never", "{.status.phase}") == "Failed")
    power.kubectl("delete", "pod", "never")


def test_the_next_server_leaves_a_node_off_that_the_user_stopped_and_starts_one_that_died(
    power: LabUnderTest, node: str
) -> None:
    other = node_names(power)[0]
    power.run("lab", "node", "stop", node)
    os.kill(power.first_process(other), signal.SIGKILL)
    assert eventually(lambda: entry(power, other)["power"] == "crashed")
    assert "off: its first process was killed" in power.run("lab", "status").stdout
    running = lock.holder(power.paths)
    assert running
    process.end(*running)
    power.run("lab", "up", "--quiet")
    power.wait_until_ready()
    assert [entry(power, name)["power"] for name in (other, node)] == ["running", "stopped"]
    power.run("lab", "node", "start", node)
    assert not differences(power.paths)


def test_a_node_that_died_is_started_by_the_user(power: LabUnderTest, node: str) -> None:
    os.kill(power.first_process(node), signal.SIGKILL)
    power.run("lab", "node", "start", node)
    assert entry(power, node)["ready"]


def test_a_node_that_is_not_there_is_refused_with_the_names_of_those_that_are(power: LabUnderTest, node: str) -> None:
    for verb in ("stop", "start", "reboot"):
        refused = power.run("lab", "node", verb, "nobody", code=3).stderr
        assert "no node 'nobody'" in refused and node in refused


def test_a_dry_run_leaves_the_power_on(power: LabUnderTest, node: str) -> None:
    first = power.first_process(node)
    assert f"would reboot: node {node}" in power.run("lab", "node", "reboot", node, "--dry-run").stdout
    assert power.first_process(node) == first


def test_a_start_that_takes_too_long_ends_with_5(power: LabUnderTest, node: str) -> None:
    power.run("lab", "node", "stop", node)
    assert "is not Ready after" in power.run("lab", "node", "start", node, "--timeout", "0.01", code=5).stderr
    power.run("lab", "node", "start", node)


def test_a_node_of_a_routed_cluster_has_its_route_again_after_a_reboot(
    new_lab: Callable[..., LabUnderTest],
) -> None:
    lab = new_lab("--nodes", "2", "--transport", "routed")
    node = node_names(lab)[1]
    lab.run("lab", "node", "reboot", node)
    assert lab.check("across-nodes", code=0)["ok"]
    assert not differences(lab.paths)


def test_pods_of_a_silent_node_are_evicted_and_gone_when_it_is_back(new_lab: Callable[..., LabUnderTest]) -> None:
    lab = new_lab("--nodes", "2", "--node-monitor-grace-period", "1", "--default-toleration-seconds", "1")
    node = node_names(lab)[1]
    run_pod(lab, "web", node)
    lab.run("lab", "node", "stop", node)
    lab.kubectl("wait", f"node/{node}", "--for=condition=Ready=unknown", "--timeout=15s")
    assert "NotReady" in lab.kubectl("get", "node", node)
    assert eventually(lambda: pod(lab, "web", "{.metadata.deletionTimestamp}"))
    assert "node.kubernetes.io/unreachable" in lab.kubectl("describe", "node", node)
    lab.run("lab", "node", "start", node)
    lab.kubectl("wait", "pod/web", "--for=delete", "--timeout=15s")
    assert eventually(lambda: "unreachable" not in lab.kubectl("get", "node", node, "-o", "jsonpath={.spec}"))


def test_a_kubelet_that_hung_takes_back_what_was_said_of_its_node(new_lab: Callable[..., LabUnderTest]) -> None:
    lab = new_lab("--nodes", "2", "--node-monitor-grace-period", "1")
    node = node_names(lab)[1]
    run_pod(lab, "web", node)
    kubelet = lab.part(node, "kubelet")
    os.kill(kubelet, signal.SIGSTOP)
    try:
        lab.kubectl("wait", f"node/{node}", "--for=condition=Ready=unknown", "--timeout=15s")
        lab.kubectl("wait", "pod/web", "--for=condition=Ready=false", "--timeout=15s")
    finally:
        os.kill(kubelet, signal.SIGCONT)
    lab.kubectl("wait", f"node/{node}", "--for=condition=Ready", "--timeout=15s")
    lab.kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=15s")
