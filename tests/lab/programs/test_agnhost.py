"""agnhost's stand-in: commands, flags, answers."""

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from slash24 import programs

HOST = socket.gethostname()


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Served:
    """A running agnhost."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen([programs.path("agnhost"), *words], stdout=subprocess.DEVNULL)

    def wait_for(self, port: int) -> None:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.005)
        raise AssertionError("agnhost does not listen")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(5)


@pytest.fixture(scope="module")
def netexec() -> Iterator[tuple[int, int]]:
    http, udp = free_port(), free_port(socket.SOCK_DGRAM)
    served = Served(
        "netexec", f"--http-port={http}", "--udp-port", str(udp), "--http-override=/x", "--tls-cert-file=no"
    )
    served.wait_for(http)
    yield http, udp
    assert served.stop() == 0


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return str(answer.read().decode())


def ask(port: int, text: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(2)
        probe.sendto(text.encode(), ("127.0.0.1", port))
        return probe.recv(4096).decode()


def connect(*words: str) -> tuple[int, str]:
    done = subprocess.run([programs.path("agnhost"), "connect", *words], capture_output=True, text=True, timeout=10)
    assert done.stdout == ""
    return done.returncode, done.stderr.strip()


def test_netexec_answers_over_http(netexec: tuple[int, int]) -> None:
    http, _ = netexec
    assert get(http, "/hostname") == get(http, "/hostName") == HOST
    assert get(http, "/clientip").startswith("127.0.0.1:")
    assert get(http, "/echo?msg=a%20b+c%2F") == "a b c/"
    assert get(http, "/healthz") == ""
    assert get(http, "/").startswith("NOW: ")
    assert json.loads(get(http, "/shell?cmd=echo+hi;exit+3")) == {"error": "exit status 3", "output": "hi\n"}
    with pytest.raises(urllib.error.HTTPError) as error:
        get(http, "/nope")
    error.value.close()
    assert error.value.code == 404


def test_netexec_answers_over_udp(netexec: tuple[int, int]) -> None:
    _, udp = netexec
    assert ask(udp, "hostname") == HOST
    assert ask(udp, "echo hello there") == "hello there"
    assert ask(udp, "clientip").startswith("127.0.0.1:")


def test_netexec_dials_others(netexec: tuple[int, int]) -> None:
    http, udp = netexec

    def dial(query: str) -> Any:
        return json.loads(get(http, f"/dial?host=127.0.0.1&{query}"))

    assert dial(f"port={http}&request=echo?msg=x&tries=2") == {"responses": ["x", "x"]}
    assert dial(f"port={udp}&protocol=udp&request=hostname") == {"responses": [HOST]}
    (error,) = dial(f"port={free_port()}&request=hostname")["errors"]
    assert "refused" in error


def test_a_connection_serves_several_requests(netexec: tuple[int, int]) -> None:
    http, _ = netexec
    with socket.create_connection(("127.0.0.1", http)) as probe:
        for _ in range(3):
            probe.sendall(b"POST /hostname HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
            assert probe.recv(4096).endswith(b"\r\n\r\n" + HOST.encode())


def test_connect_says_how_it_went(netexec: tuple[int, int]) -> None:
    http, udp = netexec
    assert connect(f"127.0.0.1:{http}", "--timeout=2s") == (0, "")
    assert connect("--protocol", "udp", "--timeout", "2s", f"127.0.0.1:{udp}") == (0, "")
    assert connect(f"127.0.0.1:{free_port()}") == (1, "REFUSED")
    assert connect(f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}", "--protocol=udp", "--timeout=1s") == (1, "REFUSED")
    code, text = connect("no.such.name.invalid:80")
    assert (code, text[:5]) == (1, "DNS: ")
    code, text = connect("127.0.0.1")
    assert (code, text[:5]) == (1, "DNS: ")


def test_connect_gives_up_in_time() -> None:
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())  # takes the only place: the next one hears nothing
        assert connect(f"127.0.0.1:{full.getsockname()[1]}", "--timeout=200ms") == (1, "TIMEOUT")


def test_exit_ends_the_server_with_that_code() -> None:
    port = free_port()
    served = Served("netexec", f"--http-port={port}", f"--udp-port={free_port(socket.SOCK_DGRAM)}")
    served.wait_for(port)
    get(port, "/exit?code=4")
    assert served.process.wait(5) == 4


def test_serve_hostname_by_each_protocol() -> None:
    tcp, udp, http = free_port(), free_port(socket.SOCK_DGRAM), free_port()
    every = [
        Served("serve-hostname", "--tcp", "--http=false", "--close", f"--port={tcp}"),
        Served("serve-hostname", "--udp", f"--port={udp}"),
        Served("serve-hostname", "--port", str(http)),
    ]
    try:
        every[0].wait_for(tcp)
        every[2].wait_for(http)
        with socket.create_connection(("127.0.0.1", tcp)) as probe:
            assert probe.makefile().read() == HOST
        assert ask(udp, "x") == HOST
        assert get(http, "/whatever") == HOST
    finally:
        assert [one.stop() for one in every] == [0, 0, 0]


def test_pause_reaps_and_leaves_when_told() -> None:
    served = Served("pause")
    time.sleep(0.05)
    assert served.stop() == 0


def test_an_unknown_command_is_an_error() -> None:
    done = subprocess.run([programs.path("agnhost"), "nope"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "unknown command" in done.stderr
