"""One connection to a lab's server, kept between requests."""

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from slash24.cli.session import NoLabError, Session
from slash24.kernel.process import started_at
from slash24.lab.paths import LabPaths


class Server:
    """Answers some requests, and hangs up after each, as a server does with a connection that is idle."""

    def __init__(self, answers: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.requests = 0
        self.thread = threading.Thread(target=self._serve, args=(answers,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def _serve(self, answers: int) -> None:
        for _ in range(answers):
            peer, _ = self.listener.accept()
            with peer:
                peer.recv(65536)
                self.requests += 1
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        self.listener.close()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("SLASH24_HOME", str(tmp_path))
    server = Server(2)
    paths = LabPaths(tmp_path, "default")
    paths.server.parent.mkdir(parents=True)
    entry = {"pid": os.getpid(), "started": started_at(os.getpid()), "url": server.url, "token": "t", "ca_file": ""}
    paths.server.write_text(json.dumps(entry))
    return server


def test_a_connection_that_the_server_closed_meanwhile_is_made_anew(lab: Server) -> None:
    session = Session("default")
    assert session.get("/one") == {}
    assert session.get("/two") == {}  # the first connection is gone
    assert lab.requests == 2
    lab.thread.join()
    with pytest.raises(NoLabError, match="no lab named"):
        session.get("/three")
    session.close()
