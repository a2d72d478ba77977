"""One server a lab: a lock that a server and its zygote hold as long as either of them lives.

A zygote outlives a killed server for a moment, in which it may still start a node. Who waits for the lock finds what
stands on the machine complete.
"""

import fcntl
import os
import time
from contextlib import suppress

from slash24.errors import Slash24Error
from slash24.kernel import process
from slash24.lab.paths import LabPaths

_PATIENCE_S = 10.0


class LabLockedError(Slash24Error):
    """Another server of the lab lives."""


def take(paths: LabPaths) -> int:
    """Take the lab for this process and those that it forks; return the descriptor that holds it.

    Waits for what a server that was killed has left to end. Raises LabLockedError.
    """
    file = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _lock(file):
        os.close(file)
        raise LabLockedError(
            f'another server of the lab "{paths.name}" is starting, or has not ended yet',
            fix="try again, or remove the lab by `slash24 lab down`",
        )
    sign(file, os.getpid())
    return file


def sign(file: int, pid: int) -> None:
    """Say that this process, which the machine knows by `pid`, is the lab's server."""
    os.truncate(file, 0)
    os.pwrite(file, f"{pid} {process.started_at(os.getpid())}".encode(), 0)


def holder(paths: LabPaths) -> tuple[int, int] | None:
    """Return (pid, start time) of the lab's server, also of one that is only starting; None if none lives."""
    try:
        pid, started = map(int, paths.lock.read_text().split())
    except (OSError, ValueError):
        return None
    return (pid, started) if process.started_at(pid) == started else None


def wait_until_free(paths: LabPaths) -> None:
    """Return when neither a server nor a zygote of the lab lives, after ten seconds in any case."""
    with suppress(FileNotFoundError):
        file = os.open(paths.lock, os.O_RDWR | os.O_CLOEXEC)
        _lock(file)
        os.close(file)


def _lock(file: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
