"""The embedded API over TLS, in a thread of its own: the real kubectl against it, one cluster a test."""

import asyncio
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.routing import Mount

from slash24.errors import Slash24Error
from slash24.kube.client import KubeClient
from slash24.lab.authority import issue
from slash24.lab.kubeapi.app import create_app
from slash24.lab.kubeapi.sockets import WebSockets
from slash24.lab.kubeapi.streams import read_frame, write_frame
from slash24.lab.kubeapi.verbs import prepare_cluster
from slash24.store.objects import ClusterObjects, ObjectStore

T = TypeVar("T")
Object = dict[str, Any]
TOKEN = "secret"
KUBECTL = Path(sys.executable).parent / "kubectl"


class FakeKubelets:
    """Stand where the nodes' kubelets would: a shell that knows three words, and a log."""

    def __init__(self) -> None:
        self.requests: list[Object] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, cluster: str, node: str, request: Object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if node == "dead":
            raise Slash24Error("the kubelet of node dead can't be reached")
        self.requests.append(request | {"cluster": cluster, "node": node})
        ours, theirs = socket.socketpair()
        task = asyncio.create_task(self._serve(ours, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.open_connection(sock=theirs)

    async def _serve(self, end: socket.socket, request: Object) -> None:
        reader, writer = await asyncio.open_connection(sock=end)
        if request["verb"] == "logs":
            await self._logs(writer, request)
        else:
            await self._exec(reader, writer, request)
        writer.close()

    @staticmethod
    async def _logs(writer: asyncio.StreamWriter, request: Object) -> None:
        if request["previous"]:
            message = f'previous terminated container "{request["container"]}" in pod "{request["pod"]}" not found'
            refusal = {"status": "Failure", "reason": "BadRequest", "code": 400, "message": message}
            write_frame(writer, b"\3" + json.dumps(refusal).encode())
            return
        for line in ["one\n", "two\n", "three\n"][-(request["tailLines"] or 0) :]:
            write_frame(writer, b"\1" + line.encode())
        if request["follow"]:
            await writer.drain()
            await asyncio.sleep(0.3)
            write_frame(writer, b"\1late\n")

    @staticmethod
    async def _exec(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Object) -> None:
        code, words = 0, request["command"]
        if words[:1] == ["cat"]:
            while (frame := await read_frame(reader)) is not None and frame[0] != 255:
                if frame[0] == 0:
                    write_frame(writer, b"\1" + frame[1:])
        elif words[:1] == ["fail"]:
            write_frame(writer, b"\2sorry\n")
            code = int(words[1])
        else:
            write_frame(writer, b"\1" + " ".join(words[1:]).encode() + b"\n")
        status: Object = {"metadata": {}, "status": "Success"}
        if code:
            causes = [{"reason": "ExitCode", "message": str(code)}]
            status = {"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes},
                      "message": f"command terminated with non-zero exit code: exit status {code}"}  # fmt: skip
        write_frame(writer, b"\3" + json.dumps(status).encode())


@dataclass(slots=True)
class ApiServer:
    """The server: its URL and authority, and a way to do things in its thread."""

    folder: Path
    store: ObjectStore
    kubelets: FakeKubelets
    url: str = ""
    ca_file: Path = Path()
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def call(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Call `function` in the server's thread."""

        async def work() -> T:
            return function(*arguments, **named)

        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(10)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("kubeapi")
    server = ApiServer(folder, ObjectStore(folder / "lab.db"), FakeKubelets(), ca_file=folder / "ca.pem")
    keys = folder / "server.pem"
    issue(
        server.ca_file, keys, server.ca_file.with_name("ca-expired.pem"), names=("localhost",), addresses=("127.0.0.1",)
    )
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    server.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(
        server.store,
        authenticate=lambda cluster, token: "admin" if token == TOKEN else None,
        nodes=server.kubelets,
    )
    config = uvicorn.Config(
        Starlette(routes=[Mount("/clusters/{cluster}", app)]),
        ssl_certfile=keys, ssl_keyfile=keys, log_config=None, access_log=False, lifespan="off",
        ws=WebSockets, timeout_graceful_shutdown=1,
    )  # fmt: skip
    uvicorn_server = uvicorn.Server(config)

    def serve() -> None:
        asyncio.set_event_loop(server.loop)
        server.loop.run_until_complete(uvicorn_server.serve(sockets=[listener]))

    thread = threading.Thread(target=serve)
    thread.start()
    while not uvicorn_server.started and thread.is_alive():
        threading.Event().wait(0.01)
    yield server
    uvicorn_server.should_exit = True
    thread.join(10)
    server.store.close()
    server.loop.close()


@dataclass(slots=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def table(self) -> list[list[str]]:
        """Return the cells of what `kubectl get` printed, its head first."""
        return [re.split(r"\s{2,}", line.strip()) for line in self.out.splitlines()]


@dataclass(slots=True)
class Cluster:
    """One test's cluster: `kubectl(...)` runs the real one, `objects` is the store (only by `server.call`)."""

    server: ApiServer
    key: str
    home: Path
    objects: ClusterObjects

    @property
    def url(self) -> str:
        return f"{self.server.url}/clusters/{self.key}"

    def environment(self) -> dict[str, str]:
        return {"HOME": str(self.home), "KUBECONFIG": str(self.home / "config"), "PATH": os.environ["PATH"]}

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        command = [str(KUBECTL), *arguments]
        return subprocess.Popen(command, env=self.environment(), text=True, **options)

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = 15) -> Done:
        done = subprocess.run(
            [str(KUBECTL), *arguments],
            env=self.environment(), text=True, capture_output=True, input=stdin, timeout=timeout, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> Done:
        """Run kubectl; it must succeed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.code == 0, f"kubectl {' '.join(arguments)}: {done.out}{done.err}"
        return done

    def apply(self, *documents: Object) -> Done:
        return self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))

    def create(self, plural: str, item: Object) -> Object:
        return self.server.call(self.objects.create, plural, item)

    def change(self, plural: str, name: str, namespace: str = "default", **fields: Any) -> Object:
        """Change top-level fields of an object, as another client would."""
        return self.server.call(self.objects.update, plural, name, lambda item: item | fields, namespace=namespace)


@pytest.fixture
def cluster(api_server: ApiServer, tmp_path: Path) -> Iterator[Cluster]:
    key = f"t-{secrets.token_hex(4)}"
    made = Cluster(api_server, key, tmp_path, api_server.call(api_server.store.cluster, key))
    api_server.call(prepare_cluster, made.objects)
    cluster_entry = {"server": made.url, "certificate-authority": str(api_server.ca_file)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster_entry}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    yield made
    api_server.call(api_server.store.drop_cluster, key)


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[KubeClient]:
    made = KubeClient(cluster.url, TOKEN, str(cluster.server.ca_file))
    yield made
    await made.close()


def pod(name: str, *, node: str = "", phase: str = "Pending", **spec: Any) -> Object:
    """Return a pod as the API has it after its defaults."""
    container = {"name": "main", "image": "agnhost"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container]} | ({"nodeName": node} if node else {}) | spec,
        "status": {"phase": phase},
    }


def node(name: str, *, ready: str = "True") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"podCIDR": "10.244.0.0/24"},
        "status": {
            "conditions": [{"type": "Ready", "status": ready, "reason": "KubeletReady", "message": "posting"}],
            "addresses": [{"type": "InternalIP", "address": "10.224.0.4"}],
            "allocatable": {"pods": "250"},
            "capacity": {"pods": "250"},
            "nodeInfo": {
                "kubeletVersion": "v1.37.0", "osImage": "Debian", "kernelVersion": "6.1", "machineID": "",
                "containerRuntimeVersion": "slash24://1", "architecture": "amd64", "bootID": "", "systemUUID": "",
                "operatingSystem": "linux", "kubeProxyVersion": "",
            },
        },
    }  # fmt: skip
