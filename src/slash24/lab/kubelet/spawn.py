"""Child processes for an event loop: started by posix_spawn, watched through a pidfd.

asyncio's own subprocesses cost a thread or a signal handler each, and several times the CPU; a node starts hundreds.
"""

import asyncio
import fcntl
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from slash24.errors import Slash24Error

#: The descriptor on which a program of ours reports: `pid N`, or `error TEXT`.
REPORT_FD = 3
_F_ADD_SEALS, _ALL_SEALS = 1033, 0xF
_RESET = [signal.SIGPIPE, signal.SIGXFSZ]  # Python ignores them, and a child would inherit that


class ProcessError(Slash24Error):
    """A program could not be started."""


class Process:
    """A process of the node, named for good by its pidfd: one that we started, or one that an earlier kubelet did."""

    def __init__(self, pid: int) -> None:
        """Raises ProcessLookupError if there is no such process."""
        self.pid = pid
        self.code: int | None = None
        self._pidfd = os.pidfd_open(pid)
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._pidfd, self._on_end)

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        with suppress(ChildProcessError):  # adopted: the node's first process reaps it
            result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
            if result is not None:
                self.code = result.si_status if result.si_code == os.CLD_EXITED else 128 + result.si_status
        os.close(self._pidfd)
        self._pidfd = -1
        if not self.ended.done():
            self.ended.set_result(None)

    def signal(self, number: int) -> None:
        """Send a signal; gone is fine."""
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Return whether the process ended within the time."""
        if not self.ended.done():
            await asyncio.wait({self.ended}, timeout=timeout_s)
        return self.ended.done()

    def forget(self) -> None:
        """Stop watching; the process goes on."""
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
            self.ended.cancel()


def start(program: str, words: Sequence[str], env: Mapping[str, str], fds: Mapping[int, int]) -> Process:
    """Start `program`; `fds` maps the child's descriptors to ours, all others are closed or /dev/null.

    Raises ProcessError.
    """
    actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3) if fd not in fds
    ]
    actions += [(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in fds.items()]
    try:
        pid = os.posix_spawn(program, list(words), env, file_actions=actions, setsigdef=_RESET)
    except OSError as error:
        raise ProcessError(f"{words[0]} could not be started: {error.strerror}") from error
    return Process(pid)


def sealed(path: str) -> str:
    """Return a path by which this process can start a copy of the program at `path` that nobody can change.

    What a container runs is for a moment still our program, and its root could write to it through /proc/PID/exe
    (CVE-2019-5736); a sealed copy in memory takes no writes.
    """
    fd = os.memfd_create(Path(path).name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(path, "rb") as program:
        os.sendfile(fd, program.fileno(), 0, os.fstat(program.fileno()).st_size)
    os.fchmod(fd, 0o555)
    fcntl.fcntl(fd, _F_ADD_SEALS, _ALL_SEALS)
    return f"/proc/self/fd/{fd}"


async def report(fd: int) -> str:
    """Return all that comes from a pipe until its writers close it; closes `fd`."""
    loop = asyncio.get_running_loop()
    os.set_blocking(fd, False)
    parts: list[bytes] = []
    done: asyncio.Future[None] = loop.create_future()

    def read() -> None:
        try:
            part = os.read(fd, 65536)
        except BlockingIOError:
            return
        if part:
            parts.append(part)
        elif not done.done():
            done.set_result(None)

    loop.add_reader(fd, read)
    try:
        await done
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    return b"".join(parts).decode(errors="replace")
