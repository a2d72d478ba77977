"""Pods by the real kubectl in a whole lab: streams, and a pod that others look after."""

import hashlib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.labs import LabUnderTest

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def server(lab: LabUnderTest) -> Iterator[LabUnderTest]:
    """A lab with a pod `server`."""
    lab.kubectl("run", "server", "--image=agnhost", "--", "netexec", "--http-port=8080")
    lab.kubectl("wait", "pod/server", "--for=condition=Ready", "--timeout=15s")
    yield lab
    lab.kubectl("delete", "pod", "server", "--now")


@contextmanager
def forwarded(lab: LabUnderTest, port: int) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Forward a port of the pod; give the URL here."""
    words = [str(Path(sys.executable).parent / "kubectl"), "--kubeconfig", str(lab.paths.kubeconfig)]
    words += ["port-forward", "pod/server", f":{port}", "--address", "127.0.0.1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()  # Forwarding from 127.0.0.1:40123 -> 8080
        try:
            yield f"http://{line.split()[2]}", process
        finally:
            process.terminate()


def test_a_forwarded_port_carries_every_byte(server: LabUnderTest) -> None:
    script = (
        "cd /tmp; head -c 3000000 /dev/urandom > big; md5sum < big; python3 -m http.server 8000 >/dev/null 2>&1 & "
        "until /agnhost connect 127.0.0.1:8000 2>/dev/null; do sleep 0.05; done"
    )
    checksum = server.kubectl("exec", "server", "--", "sh", "-c", script).split()[0]
    with forwarded(server, 8000) as (url, _):
        for _ in range(2):  # two connections over the same session
            with urllib.request.urlopen(f"{url}/big", timeout=10) as answer:
                assert hashlib.md5(answer.read()).hexdigest() == checksum


def test_a_forwarded_port_that_is_closed_says_so(server: LabUnderTest) -> None:
    with forwarded(server, 81) as (url, process):
        with pytest.raises(OSError):
            urllib.request.urlopen(url, timeout=10)
        assert process.stderr is not None
        assert "127.0.0.1:81: connect: connection refused" in process.stderr.readline()


def test_files_are_copied_both_ways(server: LabUnderTest, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    (tmp_path / "there").write_bytes(data)
    server.kubectl("cp", str(tmp_path / "there"), "server:/tmp/there")
    server.kubectl("cp", "server:/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data


def test_a_debug_container_sees_the_pods_processes(server: LabUnderTest) -> None:
    server.kubectl("debug", "server", "--image=busybox", "--target=server", "--container=look", "--", "ps", "ax")
    code = "jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}=0"
    server.kubectl("wait", "pod/server", f"--for={code}", "--timeout=15s")
    assert "/agnhost netexec" in server.kubectl("logs", "server", "-c", "look")


def test_a_secret_is_kept_as_base64_and_text_is_taken(lab: LabUnderTest) -> None:
    lab.kubectl("create", "secret", "generic", "s", "--from-literal=password=s3cret")
    assert lab.kubectl("get", "secret", "s", "-o", "jsonpath={.data.password} {.type}") == "czNjcmV0 Opaque"
    lab.kubectl("patch", "secret", "s", "--type=merge", "-p", '{"stringData": {"user": "me"}}')
    assert lab.kubectl("get", "secret", "s", "-o", "jsonpath={.data}{.stringData}") == (
        '{"password":"czNjcmV0","user":"bWU="}'
    )
    refused = lab.kubectl("patch", "secret", "s", "--type=merge", "-p", '{"data": {"user": "%"}}', code=1)
    assert "illegal base64 data" in refused
    lab.kubectl("delete", "secret", "s")
