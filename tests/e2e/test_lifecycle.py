"""A lab's start and end, also after crashes: nothing is left."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.labs import LabUnderTest, eventually, network_namespaces

pytestmark = pytest.mark.lab

NewLab = Callable[..., LabUnderTest]


def _kill_server(lab: LabUnderTest) -> int:
    pid: int = lab.status()["server"]["pid"]
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))
    return pid


def _is_zombie(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def test_a_second_start_says_that_the_lab_runs_and_changes_nothing(lab: LabUnderTest) -> None:
    before = lab.status()
    refused = lab.run("lab", "up", "--nodes", "3", code=1)
    assert 'a lab named "default" is running already' in refused.stderr and "nothing was changed" in refused.stderr
    assert lab.status() == before


def test_the_end_of_a_lab_leaves_nothing(new_lab: NewLab) -> None:
    before = network_namespaces()
    lab = new_lab("--nodes", "2", "--pods-per-node", "2")
    assert network_namespaces() > before and lab.remains()
    lab.down()
    assert lab.remains() == []
    # Others may start and stop namespaces of theirs meanwhile; ours are among the new ones that processes are in.
    assert eventually(lambda: network_namespaces() <= before, 3)
    assert "nothing to remove" in lab.run("lab", "down").stderr


def test_pods_talk_on_when_the_server_is_killed_and_the_next_server_takes_their_nodes_over(new_lab: NewLab) -> None:
    lab = new_lab("--nodes", "2")
    nodes = [node["name"] for node in lab.status()["clusters"][0]["nodes"]]
    for name, node in zip(("a", "b"), nodes, strict=True):
        overrides = f'{{"spec": {{"nodeName": "{node}"}}}}'
        lab.kubectl("run", name, "--image=registry.k8s.io/e2e-test-images/agnhost:2.53", "--overrides", overrides,
                    "--", "netexec", "--http-port=8080")  # fmt: skip
    lab.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=15s")
    address = lab.kubectl("get", "pod", "b", "-o", "jsonpath={.status.podIP}")
    first = [lab.first_process(node) for node in nodes]
    _kill_server(lab)
    ping = f"nsenter --target {first[0]} --net ping -c1 -W1 -q {address}"
    assert os.system(ping + " >/dev/null") == 0
    lab.run("lab", "up", "--nodes", "2", "--quiet")
    lab.wait_until_ready()
    assert [lab.first_process(node) for node in nodes] == first
    assert lab.kubectl("get", "pods", "-o", "name").split() == ["pod/a", "pod/b"]
    assert lab.check("across-nodes", code=0)["ok"]
    _kill_server(lab)
    lab.down()
    assert lab.remains() == []


@pytest.mark.parametrize("after_s", [0.0, 0.2, 0.5, 0.8, 1.1])
def test_an_interrupted_start_leaves_nothing_and_can_be_made_again(_able: None, tmp_path: Path, after_s: float) -> None:
    lab = LabUnderTest(tmp_path / "home")
    try:
        start = lab.start("lab", "up", "--nodes", "60")  # takes far longer than any of the pauses
        assert eventually(lab.paths.root.exists)
        time.sleep(after_s)
        start.send_signal(signal.SIGINT)
        _, told = start.communicate(timeout=30)
        assert start.returncode == 130, told
        assert eventually(lambda: lab.remains() == [], 3), (told, lab.remains())
        lab.run("lab", "up", "--nodes", "1", "--quiet")
    finally:
        lab.down()


def test_a_lab_whose_server_is_killed_while_it_makes_a_cluster_goes_without_a_trace(new_lab: NewLab) -> None:
    lab = new_lab("--no-cluster")
    create = lab.start("aks", "create", "-n", "half", "-g", "rg", "--node-count", "3")
    assert eventually(lambda: len(list(lab.paths.namespaces.glob("aks-*"))) >= 2)
    _kill_server(lab)
    create.communicate(timeout=30)
    assert create.returncode not in (0, None)
    lab.down()
    assert lab.remains() == []


def test_a_port_that_the_user_named_and_that_is_in_use_is_refused_and_nothing_is_left(lab: LabUnderTest) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = lab.run("lab", "up", "--lab", "other", "--port", str(port), code=None)
    assert refused.returncode not in (0, 70), refused
    assert str(port) in refused.stderr
    assert not (lab.paths.home / "labs/other").exists()


def test_a_lab_name_that_is_a_path_is_refused(lab: LabUnderTest) -> None:
    for name in ("../x", "a/b", "UPPER", "x" * 31):
        assert "is not a lab's name" in lab.run("lab", "up", "--lab", name, code=2).stderr


def test_a_node_whose_first_process_is_killed_is_told_as_not_ready(new_lab: NewLab) -> None:
    lab = new_lab("--nodes", "2")
    node = lab.status()["clusters"][0]["nodes"][1]["name"]
    os.kill(lab.first_process(node), signal.SIGKILL)
    time.sleep(0.2)
    lab.down()
    assert lab.remains() == []
