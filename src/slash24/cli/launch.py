"""Starting a lab's server, and waiting for its word."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from io import RawIOBase
from pathlib import Path
from typing import Any

from slash24.errors import Slash24Error, UnsupportedError, UsageError
from slash24.lab.paths import LabPaths
from slash24.lab.patience import read as read_patience
from slash24.lab.patience import write as write_patience

#: From one word of the server to the next.
_PATIENCE_S = 90.0
#: What a lab of some nodes writes within its first minutes; each node adds some 100 KiB.
ROOM_BYTES = 8 << 20


class ServerFailedError(Slash24Error):
    """The lab's server did not come up."""


def start_server(
    paths: LabPaths,
    port: int,
    told: Callable[[str], None],
    *,
    rootless: bool,
    patience: Mapping[str, float | None],
) -> None:
    """Start the server of a lab and return when it serves. Raises what kept it from starting.

    patience: what the user said of the fields of `Patience`; None leaves the lab's own.
    told: called with each step by which it finishes, or undoes, what an earlier server had begun.
    """
    _check_room(paths)
    _make_folder(paths)
    said = {name: value for name, value in patience.items() if value is not None}
    if said:
        write_patience(paths.patience, replace(read_patience(paths.patience), **said))  # type: ignore[arg-type]
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "slash24.cli.server", "--home", str(paths.home), "--lab", paths.name,
               "--port", str(port), "--ready-fd", str(writer), *(["--rootless"] if rootless else [])]  # fmt: skip
    with paths.log.open("ab") as log:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[writer],
            start_new_session=True,  # the terminal's Ctrl-C is not meant for it
            cwd="/",
        )
    os.close(writer)
    try:
        with os.fdopen(reader, "rb", buffering=0) as news:
            while "step" in (answer := _next(news)):
                told(answer["step"])
    except BaseException:
        _end(server)  # interrupted: nobody would know of it yet
        raise
    if not answer:
        _end(server)
        raise ServerFailedError("the lab's server did not start", fix=f"its log is {paths.log}")
    if "error" in answer:
        server.wait()
        error = ServerFailedError(answer["error"], why=answer.get("why", ""), fix=answer.get("fix", ""))
        error.exit_code = int(answer.get("exit", 1))
        raise error


def _make_folder(paths: LabPaths) -> None:
    try:
        paths.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if paths.home.stat().st_uid == os.geteuid():
            paths.home.chmod(0o700)
        paths.log.open("ab").close()
    except OSError as error:
        raise UsageError(
            f"the lab's folder {paths.root} can't be used: {error.strerror}",
            fix="let SLASH24_HOME name a folder that you may write to",
        ) from error


def _next(news: RawIOBase) -> dict[str, Any]:
    """Return the server's next word, {} if it has died or says nothing."""
    import select

    readable, _, _ = select.select([news], [], [], _PATIENCE_S)
    line = news.readline() if readable else b""
    return dict(json.loads(line)) if line else {}


def free_bytes(path: Path) -> int:
    """Return how much may be written below a folder that need not be there yet."""
    folder = next(folder for folder in (path, *path.parents) if folder.is_dir())
    return shutil.disk_usage(folder).free


def _check_room(paths: LabPaths) -> None:
    """Raise UnsupportedError if the disk has too little room for a lab: it would fail in the middle."""
    free = free_bytes(paths.root)
    if free < ROOM_BYTES:
        raise UnsupportedError(
            f"the disk under {paths.home} has {free // 1024} KiB free; a lab needs {ROOM_BYTES >> 20} MiB",
            fix="make room there, or set SLASH24_HOME to a folder elsewhere",
        )


def _end(server: subprocess.Popen[bytes]) -> None:
    """End a server that has not served yet, with what it has forked."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)  # it leads a session of its own
    server.wait()
