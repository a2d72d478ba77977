"""The kubelet's door for `kubectl exec`, `attach`, `port-forward` and `logs`: a unix socket that speaks frames.

A client sends one JSON line, the request; then both sides send frames: four bytes of length (big-endian) and a payload,
whose first byte is the channel of Kubernetes' v5 stream protocol. The C program `pod` speaks them too: for exec and
attach the connection itself is handed to it, and no byte of a stream passes through Python.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from slash24.errors import Slash24Error
from slash24.lab.kubelet import forwarding, logs
from slash24.lab.kubelet.container import Run, StartError
from slash24.lab.kubelet.keeper import Keeper
from slash24.lab.kubelet.launcher import Launcher
from slash24.lab.kubelet.messages import failure
from slash24.lab.kubelet.worker import Worker

log = logging.getLogger(__name__)

Json = dict[str, Any]

_STDOUT, _STATUS = 1, 3
_WANTS = {"stdin": 1, "stdout": 2, "stderr": 4}
_LINE = 1 << 20  # longest request


class RequestError(Slash24Error):
    """A request that can't be served; `code` and `reason` are the Status' own."""

    def __init__(self, message: str, status: int = 400, reason: str = "BadRequest") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Server:
    """Serves the socket at `path`. `find`: the worker of (namespace, pod name, uid or "")."""

    def __init__(self, path: Path, launcher: Launcher, find: Callable[[str, str, str], Worker | None]) -> None:
        self._path = path
        self._launcher = launcher
        self._find = find
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve for ever."""
        loop = asyncio.get_running_loop()
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with listener:
            listener.bind(str(self._path))
            self._path.chmod(0o600)
            listener.listen(64)
            listener.setblocking(False)
            while True:
                client, _ = await loop.sock_accept(listener)
                task = loop.create_task(self._serve(client))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: socket.socket) -> None:
        client.setblocking(False)
        try:
            request = await _request_line(client)
            await self._answer(client, request)
        except RequestError as error:
            await _send(client, _STATUS, json.dumps(failure(error.message, error.status, error.reason)).encode())
        except (OSError, ValueError) as error:
            log.info("a client went away: %s", error)
        except Exception:
            log.exception("a request failed")  # it ends this request, not the kubelet
        finally:
            client.close()

    async def _answer(self, client: socket.socket, request: Json) -> None:
        namespace, name = str(request.get("namespace", "")), str(request.get("pod", ""))
        worker = self._find(namespace, name, str(request.get("uid") or ""))
        if worker is None:
            raise RequestError(f'pod "{name}" not found on this node', 404, "NotFound")
        if request.get("verb") == "portforward":
            await self._forward(client, request, worker)
            return
        container = worker.find(str(request.get("container") or ""))
        if container is None:
            raise RequestError(f"container {request.get('container')} is not valid for pod {name}")
        verb = request.get("verb")
        if verb == "logs":
            await self._logs(client, request, worker, container)
        elif verb == "exec":
            await self._exec(client, request, container)
        elif verb == "attach":
            await self._attach(client, request, container)
        else:
            raise RequestError(f"unknown verb {verb}")

    # exec, attach

    async def _exec(self, client: socket.socket, request: Json, container: Keeper) -> None:
        run = _living(container)
        words = [str(word) for word in request.get("command") or ()]
        if not words:
            raise RequestError("you must specify at least one command for the container")
        env, options = container.entry(tty=bool(request.get("tty")))
        try:
            process = await self._launcher.exec(run, words, env, client.fileno(), _wants(request), options)
        except StartError as error:
            raise RequestError(
                "Internal error occurred: error executing command in container: failed to exec in container: failed to "
                "start exec: OCI runtime exec failed: exec failed: unable to start container process: "
                f"{error}: unknown",
                500,
                "InternalError",
            ) from error
        client.close()  # it is the program's now
        await process.wait()

    async def _attach(self, client: socket.socket, request: Json, container: Keeper) -> None:
        run = _living(container)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as runner:
            runner.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(runner, str(self._launcher.socket(run.id)))
                socket.send_fds(runner, [bytes([_wants(request)])], [client.fileno()])
            except OSError as error:
                raise RequestError(f"container not running: {error}", 500, "InternalError") from error

    # port-forward

    async def _forward(self, client: socket.socket, request: Json, worker: Worker) -> None:
        """Connect, say so in one frame; then bytes go both ways as they are."""
        port = str(request.get("port", ""))
        if worker.sandbox is None or not port.isdecimal() or not 0 < int(port) < 65536:
            raise RequestError(
                f"port {port} can't be forwarded: pod {request.get('pod')} has no network, or no such port"
            )
        try:
            connection = await forwarding.connect(worker.sandbox, int(port))
        except forwarding.ForwardError as error:
            raise RequestError(error.message, 500, "InternalError") from error
        with connection:
            await _send(client, _STATUS, b'{"status": "Success"}')
            await forwarding.carry(client, connection)

    # logs

    async def _logs(self, client: socket.socket, request: Json, worker: Worker, container: Keeper) -> None:
        name, pod = container.name, worker.pod["metadata"]["name"]
        run, path = container.run, None
        if request.get("previous"):
            path = container.log_of(container.state.restarts - 1) if container.state.restarts else None
            if path is None or not path.exists():
                raise RequestError(f'previous terminated container "{name}" in pod "{pod}" not found')
            run = None
        elif run is not None:
            path = run.log
        if path is None or not path.exists():
            waiting = container.state.waiting or ("ContainerCreating", "")
            why = "trying and failing to pull image" if "Image" in waiting[0] else f"waiting to start: {waiting[0]}"
            raise RequestError(f'container "{name}" in pod "{pod}" is {why}')
        wanted = logs.Wanted(
            follow=bool(request.get("follow")),
            tail=request.get("tailLines"),
            since_s=request.get("sinceSeconds"),
            timestamps=bool(request.get("timestamps")),
            limit_bytes=request.get("limitBytes"),
        )
        gone = asyncio.ensure_future(_until_closed(client))
        try:
            async for piece in logs.read(path, wanted, lambda: run is not None and run.alive and not gone.done()):
                await _send(client, _STDOUT, piece)
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await gone


def _wants(request: Json) -> int:
    given = sum(bit for stream, bit in _WANTS.items() if request.get(stream))
    return given & ~_WANTS["stderr"] if request.get("tty") else given


def _living(container: Keeper) -> Run:
    run = container.run
    if run is None or not run.alive:
        name = container.name
        raise RequestError(
            f'Internal error occurred: unable to upgrade connection: container not found ("{name}")', 500
        )
    return run


async def _request_line(client: socket.socket) -> Json:
    """Read exactly one line: what follows belongs to whoever the connection is handed to."""
    loop = asyncio.get_running_loop()
    line = bytearray()
    while not line.endswith(b"\n"):
        if len(line) > _LINE:
            raise RequestError("the request is too long")
        await _readable(loop, client)
        seen = client.recv(65536, socket.MSG_PEEK)
        if not seen:
            raise RequestError("the request ended early")
        end = seen.find(b"\n")
        line += client.recv(end + 1 if end >= 0 else len(seen))
    request = json.loads(line)
    if not isinstance(request, dict):
        raise RequestError("the request is not an object")
    return request


async def _readable(loop: asyncio.AbstractEventLoop, client: socket.socket) -> None:
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(client.fileno(), lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(client.fileno())


async def _until_closed(client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while await loop.sock_recv(client, 4096):
        pass


async def _send(client: socket.socket, channel: int, payload: bytes) -> None:
    frame = (len(payload) + 1).to_bytes(4, "big") + bytes([channel]) + payload
    with suppress(OSError):
        await asyncio.get_running_loop().sock_sendall(client, frame)
