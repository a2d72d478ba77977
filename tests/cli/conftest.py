"""A lab that is only remembered, served over HTTP on loopback, for tests of the command line."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from slash24.azure.app import create_app, create_arm
from slash24.azure.context import Arm
from slash24.cli.main import main
from slash24.kernel.process import started_at
from slash24.store.resources import Resources
from tests.azure.fake import FakeProvisioner

TOKEN = "secret"


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `slash24` in this process."""

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        code = main(arguments)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, and none of the user's settings."""
    for name in [name for name in os.environ if name.startswith(("SLASH24_", "AZURE_", "KUBECONFIG"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLASH24_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    return tmp_path / "home"


class LoopServer:
    """One HTTP server for all tests, in a thread; each test gives it an app of its own."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        # asyncio sets it on sockets with a protocol number only; without it each answer after the first waits 40 ms.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ready = threading.Event()
        self._app: Starlette | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._app is not None
        await self._app(scope, receive, send)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        config = uvicorn.Config(
            self._dispatch, interface="asgi3", log_config=None, lifespan="off", ws="none", access_log=False
        )
        self._server = uvicorn.Server(config)
        task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started:
            await asyncio.sleep(0.001)
        self._ready.set()
        await task

    def open(self, database: Path, provisioner: FakeProvisioner) -> Arm:
        async def make() -> Arm:  # in the server's thread, where SQLite will be used
            arm = create_arm(Resources(database), provisioner)
            self._app = create_app(arm, authenticate=lambda token: "user" if token == TOKEN else None)
            return arm

        return asyncio.run_coroutine_threadsafe(make(), self._loop).result(5)

    def close_app(self, arm: Arm) -> None:
        async def close() -> None:
            self._app = None
            await arm.operations.close()
            arm.resources.close()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(5)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(5)


@pytest.fixture(scope="session")
def loop_server() -> Iterator[LoopServer]:
    server = LoopServer()
    yield server
    server.stop()


@pytest.fixture
def lab(home: Path, tmp_path: Path, loop_server: LoopServer) -> Iterator[FakeProvisioner]:
    """A running lab named default; what it yields is its memory."""
    provisioner = FakeProvisioner()
    arm = loop_server.open(tmp_path / "lab.db", provisioner)
    folder = home / "labs" / "default"
    folder.mkdir(parents=True)
    entry = {
        "pid": os.getpid(),
        "started": started_at(os.getpid()),
        "url": loop_server.url,
        "token": TOKEN,
        "ca_file": "",
    }
    (folder / "server.json").write_text(json.dumps(entry))
    yield provisioner
    loop_server.close_app(arm)
