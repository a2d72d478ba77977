"""A lab's start and end, also after crashes: nothing is left."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from slash24.kernel import netns
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
    assert network_namespaces() - before and lab.remains()
    lab.down()
    assert lab.remains() == []
    # Others may start and stop namespaces of theirs meanwhile; ours are among the new ones that processes are in.
    assert eventually(lambda: network_namespaces() <= before, 3)
    assert "nothing to remove" in lab.run("lab", "down").stderr


class Probes:
    """Datagrams from one pod to another, one each millisecond, as long as the block lasts."""

    def __init__(self, source: int, target: int, address: str) -> None:
        with netns.inside(source):
            self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with netns.inside(target):
            self._receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._receiver.bind((address, 0))
        self._receiver.settimeout(1)
        self._sender.connect(self._receiver.getsockname())
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._receive)]
        self.sent = 0
        self.seen: set[int] = set()

    def _send(self) -> None:
        while not self._over.is_set():
            self._sender.send(self.sent.to_bytes(8, "big"))
            self.sent += 1
            time.sleep(0.001)

    def _receive(self) -> None:
        with suppress(TimeoutError):
            while True:
                self.seen.add(int.from_bytes(self._receiver.recv(8), "big"))

    def __enter__(self) -> "Probes":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._sender.close()
        self._receiver.close()


@pytest.mark.parametrize("transport", ["encapsulated", "routed"])
def test_no_packet_of_a_pod_is_lost_when_the_server_is_killed_and_the_next_one_takes_over(
    new_lab: NewLab, transport: str
) -> None:
    lab = new_lab("--nodes", "2", "--transport", transport)
    nodes = [node["name"] for node in lab.status()["clusters"][0]["nodes"]]
    for name, node in zip(("a", "b"), nodes, strict=True):
        overrides = f'{{"spec": {{"nodeName": "{node}"}}}}'
        lab.kubectl("run", name, "--image=registry.k8s.io/e2e-test-images/agnhost:2.53", "--overrides", overrides,
                    "--", "netexec", "--http-port=8080")  # fmt: skip
    lab.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=15s")
    address = lab.kubectl("get", "pod", "b", "-o", "jsonpath={.status.podIP}")
    first = [lab.first_process(node) for node in nodes]
    spaces = {path.name: path.stat().st_ino for path in lab.paths.namespaces.iterdir()}
    with ExitStack() as stack:
        ends = [next(Path(f"/proc/{pid}/root/run/netns").glob("cni-*")) for pid in first]
        a, b = (netns.open_fd(path) for path in ends)
        stack.callback(os.close, a)
        stack.callback(os.close, b)
        probes = stack.enter_context(Probes(a, b, address))
        _kill_server(lab)
        # Every namespace has a name of its own: none has lived in the server's descriptors alone.
        assert {path.name: path.stat().st_ino for path in lab.paths.namespaces.iterdir()} == spaces
        lab.run("lab", "up", "--quiet")
        lab.wait_until_ready()
    assert probes.sent > 100 and probes.seen == set(range(probes.sent))
    assert [lab.first_process(node) for node in nodes] == first
    restarts = "jsonpath={.items[*].status.containerStatuses[0].restartCount}"
    assert lab.kubectl("get", "pods", "-o", restarts) == "0 0"
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
