"""A lab of a user without any right, from its start to its end, its crashes among them."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from slash24.kernel import process
from tests.e2e.labs import LabUnderTest, eventually
from tests.e2e.stranger import stranger

pytestmark = pytest.mark.lab

_AGNHOST = "--image=registry.k8s.io/e2e-test-images/agnhost:2.53"


def _holder(lab: LabUnderTest) -> int:
    return int(json.loads(lab.paths.holder.read_text())["pid"])


@pytest.fixture(scope="module")
def user(_able: None) -> Iterator[tuple[list[str], Path]]:
    with stranger() as words:
        yield words


@pytest.fixture(scope="module")
def lab(user: tuple[list[str], Path]) -> Iterator[LabUnderTest]:
    words, folder = user
    lab = LabUnderTest(folder / "home", words=words)
    try:
        told = lab.run("lab", "up", "--nodes", "2").stderr
        assert "without root: kernel profile, one user in pods, no control groups" in told
        yield lab
    finally:
        lab.down()


@pytest.fixture
def new_lab(user: tuple[list[str], Path]) -> Iterator[LabUnderTest]:
    words, folder = user
    lab = LabUnderTest(folder / "other", words=words)
    yield lab
    lab.down()


def _processes_of(lab: LabUnderTest) -> dict[int, int]:
    """Return the processes in the lab's process namespace, and their users as the machine knows them."""
    space = Path(f"/proc/{_holder(lab)}/ns/user").readlink()
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (path / "ns/user").readlink() == space:
                found[int(path.name)] = path.stat().st_uid
    return found


def test_everything_of_the_lab_is_the_users_and_the_status_says_what_it_lacks(lab: LabUnderTest) -> None:
    assert lab.status()["rootless"] is True
    assert "without root: kernel profile" in lab.run("lab", "status").stdout
    users = _processes_of(lab)
    assert len(users) >= 8  # holder, server, zygote, controller, and three of each node
    assert set(users.values()) == {lab.paths.home.stat().st_uid}
    assert lab.status()["server"]["pid"] in users


def test_the_users_own_kubectl_reaches_pods_and_clusters_come_and_go(lab: LabUnderTest) -> None:
    lab.run("aks", "create", "-n", "second", "-g", "rg-lab", "--node-count", "2", "--quiet")
    lab.run("aks", "get-credentials", "-n", "second", "-g", "rg-lab", "--file", str(lab.paths.kubeconfig))
    lab.kubectl("run", "web", _AGNHOST, "--", "netexec", "--http-port=8080", cluster="second")
    lab.kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=15s", cluster="second")
    assert "Started HTTP server on port 8080" in lab.kubectl("logs", "web", cluster="second")
    assert lab.kubectl("exec", "web", "--", "id", "-u", cluster="second") == "0\n"
    lab.run("aks", "delete", "-n", "second", "-g", "rg-lab", "--yes", "--quiet")
    assert [cluster["name"] for cluster in lab.status()["clusters"]] == ["lab"]


def test_another_user_than_root_fails_with_a_reason(lab: LabUnderTest) -> None:
    pod = {"containers": [{"name": "u", "image": "busybox", "command": ["true"], "securityContext": {"runAsUser": 7}}]}
    lab.kubectl("run", "u", "--image=busybox", "--restart=Never", "--overrides", json.dumps({"spec": pod}))
    path = "{.status.containerStatuses[0].state.terminated.message}"
    said = eventually(lambda: lab.kubectl("get", "pod", "u", "-o", f"jsonpath={path}"))
    lab.kubectl("delete", "pod", "u", "--now")
    assert "setuid 7: a lab without root has no user and no group but 0" in said


def test_the_checks_send_from_inside(lab: LabUnderTest) -> None:
    names = ("across-nodes", "pod-to-internet", "forged-pod-address", "largest-packet")
    done = lab.run("test", "connectivity", "-o", "json", *(word for name in names for word in ("--test", name)))
    found = json.loads(done.stdout)
    assert (found["passed"], found["failed"]) == (4, 0)


def test_a_shell_is_on_the_node_and_its_exit_code_comes_back(lab: LabUnderTest) -> None:
    node = lab.status()["clusters"][0]["nodes"][0]["name"]
    assert lab.run("lab", "shell", node, "--", "hostname").stdout == f"{node}\n"
    lab.run("lab", "shell", node, "--", "sh", "-c", "exit 7", code=7)


def test_pods_talk_on_without_the_server_and_the_next_one_takes_them_over(
    lab: LabUnderTest, user: tuple[list[str], Path]
) -> None:
    nodes = [node["name"] for node in lab.status()["clusters"][0]["nodes"]]
    lab.kubectl("run", "far", _AGNHOST, "--overrides", json.dumps({"spec": {"nodeName": nodes[1]}}), "--", "pause")
    lab.kubectl("wait", "pod/far", "--for=condition=Ready", "--timeout=15s")
    address = lab.kubectl("get", "pod", "far", "-o", "jsonpath={.status.podIP}")
    holder = _holder(lab)
    first = [lab.first_process(node) for node in nodes]
    pid = lab.status()["server"]["pid"]
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: process.started_at(pid) is None)
    inside = [*user[0], "nsenter", f"--target={holder}", "--user", "--preserve-credentials", "--mount"]
    ping = ["nsenter", f"--net={lab.paths.netns(nodes[0])}", "ping", "-c1", "-W1", "-q", address]
    assert subprocess.run([*inside, *ping], capture_output=True, check=False).returncode == 0
    lab.run("lab", "up", "--quiet")
    lab.wait_until_ready()
    assert (_holder(lab), [lab.first_process(node) for node in nodes]) == (holder, first)
    assert lab.kubectl("get", "pods", "-o", "name").split() == ["pod/far"]
    assert lab.check("across-nodes", code=0)["ok"]


def test_a_lab_goes_without_a_trace_also_without_its_server_and_with_folders_that_a_pod_has_closed(
    new_lab: LabUnderTest,
) -> None:
    new_lab.run("lab", "up", "--nodes", "1", "--quiet")
    processes = _processes_of(new_lab)
    closed = new_lab.paths.root / "nodes/closed/inner"
    closed.mkdir(parents=True)
    user = new_lab.paths.home.stat().st_uid
    for folder in (new_lab.paths.root / "nodes/closed", closed):
        os.chown(folder, user, -1)
    for folder in (closed, closed.parent):
        folder.chmod(0)
    os.kill(new_lab.status()["server"]["pid"], signal.SIGKILL)
    new_lab.down()
    assert new_lab.remains() == []
    assert [pid for pid in processes if process.started_at(pid) is not None] == []


def test_when_the_holder_is_killed_all_of_the_lab_ends_with_it_and_can_be_booted_again(new_lab: LabUnderTest) -> None:
    new_lab.run("lab", "up", "--nodes", "1", "--quiet")
    processes = _processes_of(new_lab)
    os.kill(_holder(new_lab), signal.SIGKILL)
    assert eventually(lambda: [pid for pid in processes if process.started_at(pid) is not None] == [])
    assert "is running" in new_lab.run("lab", "status", code=3).stderr
    new_lab.run("lab", "up", "--quiet")
    new_lab.wait_until_ready()
    new_lab.down()
    assert new_lab.remains() == []


@pytest.mark.parametrize("after_s", [0.2, 0.5])
def test_an_interrupted_start_leaves_nothing(new_lab: LabUnderTest, after_s: float) -> None:
    start = new_lab.start("lab", "up", "--nodes", "60")
    time.sleep(after_s)
    start.send_signal(signal.SIGINT)
    _, told = start.communicate(timeout=30)
    assert start.returncode == 130, told
    assert eventually(lambda: new_lab.remains() == [], 3), (told, new_lab.remains())


@pytest.mark.parametrize("target", ["/proc/labs", "/proc/1/root/labs"])
def test_a_folder_of_another_users_is_refused_with_the_way_out(user: tuple[list[str], Path], target: str) -> None:
    words, folder = user
    home = folder / target.replace("/", "-")
    home.symlink_to(target)
    refused = LabUnderTest(home, words=words).run("lab", "up", code=2)
    assert f"{home}" in refused.stderr and "SLASH24_HOME" in refused.stderr
