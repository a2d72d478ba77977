"""The lab's server: the process behind `slash24 lab up`, in which the lab's parts are wired together.

It serves three APIs on one port, by path: `/clusters/<key>` the Kubernetes API of each cluster, `/subscriptions` ARM's,
and `/lab` the lab's own. It listens on loopback for users, and on an address of the fabric's internet for nodes.
Without root it moves into the namespaces of the lab's holder, once it listens where the user is.
"""

import argparse
import asyncio
import json
import logging
import os
import secrets
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from slash24.errors import Slash24Error, UsageError
from slash24.kernel import netns, process
from slash24.lab import holder, lock
from slash24.lab.paths import LabPaths
from slash24.lab.zygote import Zygote

_NODE_PORT = 443


def main() -> None:
    """Run the server until SIGTERM. Its start is told to `--ready-fd` in lines of JSON, or what prevents it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--lab", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ready-fd", type=int, required=True)
    parser.add_argument("--rootless", action="store_true")
    options = parser.parse_args()
    paths = LabPaths(options.home, options.lab)
    os.umask(0o077)  # tokens and keys are the owner's alone
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    process.set_name("slash24-lab")
    try:
        os.set_inheritable(options.ready_fd, False)
        listeners = [_listen(options.port)]
        locked = lock.take(paths)  # till the end of this process and of its zygote
        pid = os.getpid()
        if options.rootless:
            pid = (holder.find(paths) or holder.start(paths)).move_in()
            # Once more, inside: for the controllers, and for users' commands that go inside.
            listeners.append(_listen(listeners[0].getsockname()[1]))
        lock.sign(locked, pid)
        zygote = Zygote(locked)  # before threads and the event loop, which a fork must not copy
        asyncio.run(_serve(paths, listeners, zygote, pid, options.ready_fd))
    except Slash24Error as error:
        _tell(options.ready_fd, {"error": error.message, "why": error.why, "fix": error.fix, "exit": error.exit_code})
        sys.exit(error.exit_code)
    except Exception as error:
        traceback.print_exc()
        _tell(options.ready_fd, {"error": f"the lab's server died: {error!r}", "exit": 70})
        sys.exit(70)


def _tell(fd: int, news: dict[str, object]) -> None:
    with suppress(OSError):  # nobody waits any more
        os.write(fd, json.dumps(news).encode() + b"\n")


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        raise UsageError(
            f"port {port} of 127.0.0.1 can't be used: {error.strerror}",
            why="another program listens there" if port >= 1024 else "",
            fix="name another --port, or leave it out: a free one is chosen then",
        ) from error
    listener.listen(512)
    return listener


async def _serve(paths: LabPaths, listeners: list[socket.socket], zygote: Zygote, pid: int, ready_fd: int) -> None:
    import uvicorn

    from slash24.azure.app import create_arm
    from slash24.azure.recovery import recover
    from slash24.cli.wiring import build_app
    from slash24.lab.authority import issue
    from slash24.lab.fabric import API_SERVER
    from slash24.lab.kubeapi.sockets import WebSockets
    from slash24.lab.lab import Lab
    from slash24.store.objects import ObjectStore
    from slash24.store.resources import Resources

    port = listeners[0].getsockname()[1]
    keys = paths.root / "server.pem"
    issue(paths.ca, keys, paths.expired_ca, names=("localhost",), addresses=("127.0.0.1", str(API_SERVER)))
    url = f"https://127.0.0.1:{port}"
    store = ObjectStore(paths.database)
    lab = Lab(paths, store=store, zygote=zygote, url=url, ca_pem=paths.ca.read_text())
    token = _token(paths)
    with netns.inside(lab.internet.fd):
        for_nodes = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        for_nodes.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for_nodes.bind((str(API_SERVER), _NODE_PORT))
        for_nodes.listen(1024)
    arm = create_arm(Resources(paths.database), lab)
    config = uvicorn.Config(
        build_app(lab, store, arm, token),
        ssl_certfile=keys,
        ssl_keyfile=keys,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws=WebSockets,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[*listeners, for_nodes]))
    while not server.started:
        await asyncio.sleep(0.002)
        if serving.done():
            await serving
            raise Slash24Error("the lab's server could not listen")
    await lab.start()
    await recover(arm, report=lambda title: _tell(ready_fd, {"step": title}))
    await lab.start_nodes()
    entry = {"pid": pid, "started": process.started_at(os.getpid()), "url": url, "token": token,
             "ca_file": str(paths.ca)}  # fmt: skip
    _write(paths.server, json.dumps(entry))
    _tell(ready_fd, {"ready": True})
    os.close(ready_fd)
    await serving
    await lab.stop()
    paths.server.unlink(missing_ok=True)


def _token(paths: LabPaths) -> str:
    """Return the lab's token for users, the same for every server of this lab."""
    file = paths.root / "token"
    if not file.exists():
        _write(file, secrets.token_urlsafe(24))
    return file.read_text()


def _write(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)  # a reader sees the old file or the new one, never half


if __name__ == "__main__":
    main()
