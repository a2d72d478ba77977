"""The zygote: a process that has the imports done and forks nodes and controllers from itself.

A forked agent costs 2 MB and a millisecond; one that starts Python by itself costs 12 MB and 40 ms. The server starts
the zygote before it has threads or an event loop, asks it over a socket, and takes it along when it ends; nodes stay.
After one that was killed comes one that starts as a program of its own, since a fork must not copy an event loop.
"""

import asyncio
import gc
import json
import logging
import os
import select
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slash24.errors import Slash24Error
from slash24.kernel import process
from slash24.lab.node import NodeSpec


class ZygoteError(Slash24Error):
    """A node or controller could not be started."""


@dataclass(frozen=True, slots=True)
class ControllerSpec:
    """What a cluster's controller is started with: the API's URL, a token, the authority's file, and its log."""

    cluster: str
    server: str
    token: str
    ca_file: str
    log: str


class Zygote:
    """The server's end. `locked` is the descriptor that holds the lab's lock, which the zygote holds as well."""

    def __init__(self, locked: int) -> None:
        self._locked = locked
        self._lock = threading.Lock()
        self._controllers: dict[str, ControllerSpec] = {}
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pid = os.fork()
        if self._pid == 0:
            self._socket.close()
            _serve(theirs)
        theirs.close()

    def fileno(self) -> int:
        """Return what becomes readable, while nobody asks, when the zygote has ended."""
        return self._socket.fileno()

    def revive(self) -> None:
        """Start another zygote in the place of one that ended, and the controllers that went with it."""
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        self._socket.close()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = [sys.executable, "-m", "slash24.lab.zygote", str(theirs.fileno())]
            for fd in (theirs.fileno(), self._locked):
                os.set_inheritable(fd, True)
            self._pid = os.posix_spawn(sys.executable, words, os.environ)
            os.set_inheritable(self._locked, False)
        for spec in self._controllers.values():
            self._ask({"controller": asdict(spec)})

    def start_node(self, spec: NodeSpec) -> int:
        """Start a node; return the pid of its first process."""
        return int(self._ask({"node": asdict(spec)}))

    def start_controller(self, spec: ControllerSpec) -> int:
        """Start a cluster's controller, which is started again whenever it ends; return its first pid."""
        self._controllers[spec.cluster] = spec
        return int(self._ask({"controller": asdict(spec)}))

    def stop_controller(self, cluster: str) -> None:
        self._controllers.pop(cluster, None)
        self._ask({"stop": cluster})

    def _ask(self, request: dict[str, Any]) -> Any:
        with self._lock:
            try:
                self._socket.send(json.dumps(request).encode())
                answer = json.loads(self._socket.recv(1 << 16) or b'{"error": "the zygote is gone"}')
            except ConnectionError as error:
                raise ZygoteError("the zygote is gone", fix="try again: another one starts") from error
        if "error" in answer:
            raise ZygoteError(answer["error"])
        return answer["done"]


def _serve(server: socket.socket) -> None:
    process.set_name("slash24-zygote")
    process.adopt_orphans()
    # Imported here, in the zygote, while the server imports its own half.
    from slash24.lab import node

    gc.collect()
    gc.freeze()  # what is shared with the forks stays shared: the collector doesn't touch it
    controllers: dict[str, tuple[int, ControllerSpec]] = {}
    try:
        while True:
            readable, _, _ = select.select([server], [], [], 0.5)
            _reap(controllers)
            if not readable:
                continue
            packet = server.recv(1 << 18)
            if not packet:
                break
            request = json.loads(packet)
            try:
                done: Any = None
                if "node" in request:
                    done = node.start(NodeSpec(**request["node"]))
                elif "controller" in request:
                    spec = ControllerSpec(**request["controller"])
                    if spec.cluster not in controllers:
                        controllers[spec.cluster] = (_fork_controller(spec), spec)
                    done = controllers[spec.cluster][0]
                else:
                    pid, _ = controllers.pop(request["stop"], (0, None))
                    if pid:
                        os.kill(pid, 9)
                answer = {"done": done}
            except (OSError, Slash24Error) as error:
                answer = {"error": str(error)}
            server.send(json.dumps(answer).encode())
    except KeyboardInterrupt:
        pass
    finally:
        os._exit(0)


def _reap(controllers: dict[str, tuple[int, ControllerSpec]]) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            for cluster, (number, spec) in list(controllers.items()):
                if number == pid:
                    time.sleep(0.1)
                    controllers[cluster] = (_fork_controller(spec), spec)


def _fork_controller(spec: ControllerSpec) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        process.die_with_parent()
        process.set_name("slash24-control")
        log = os.open(spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.closerange(3, 1024)
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO, force=True)
        from slash24.controller.main import ControllerConfig, run

        asyncio.run(run(ControllerConfig(server=spec.server, token=spec.token, ca_file=spec.ca_file)))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def log_folder(root: Path) -> Path:
    folder = root / "log"
    folder.mkdir(exist_ok=True)
    return folder


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
