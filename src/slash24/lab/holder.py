"""The holder: the first process of a lab without root, in whose namespaces everything of the lab lives.

It does nothing but be there and reap. Server, nodes and pods are processes in its namespaces, and the kernel ends them
all with it; the server may die and another one move in (docs/decisions/0010-a-holder-for-labs-without-root.md).
"""

import json
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from slash24 import programs
from slash24.errors import Slash24Error
from slash24.kernel import mounts, process, userns
from slash24.lab.paths import LabPaths

_END_S = 10.0


@dataclass(frozen=True, slots=True)
class Holder:
    """A holder that runs: its pid as the machine sees it, and when it started."""

    pid: int
    started: int

    def move_in(self) -> int:
        """Go on in the lab's namespaces, as a child of the holder; the process that called ends.

        Returns the pid by which the machine knows the process that goes on.
        """
        machine = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        userns.enter(self.pid)
        # Two forks: the first process born inside would be a child of this one, and of init after that, which the
        # holder's end then waits for; an orphan of the inside is the holder's.
        between = os.fork()
        if between:
            os.waitpid(between, 0)
            os._exit(0)
        if os.fork():
            os._exit(0)
        process.be_inspectable()
        pid = int(os.readlink("self", dir_fd=machine))
        os.close(machine)
        return pid

    def visit(self) -> None:
        """Go on in the lab's namespaces in a child; the process that called waits, and ends as the child does."""
        userns.enter(self.pid)
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            process.die_with_parent()
            process.be_inspectable()
            return
        for number in (signal.SIGINT, signal.SIGQUIT):  # the terminal sends them to both
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: os.kill(child, number))
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)

    def end(self) -> None:
        """End the lab's processes and namespaces. Gone is fine."""
        with suppress(ProcessLookupError):
            pidfd = os.pidfd_open(self.pid)
            try:
                if process.started_at(self.pid) == self.started:
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                    # The kernel tells its end when the last process inside is gone.
                    if not select.select([pidfd], [], [], _END_S)[0]:
                        raise Slash24Error(f"the lab's processes don't end; their first one is {self.pid}")
            finally:
                os.close(pidfd)

    def mounts(self, paths: LabPaths) -> tuple[int, int]:
        """Return how many (namespaces, mounts) of the lab stand inside."""
        found = mounts.mounted_below(paths.root, self.pid)
        return sum(mount.kind == "nsfs" for mount in found), len(found)


def find(paths: LabPaths) -> Holder | None:
    """Return the lab's holder; None if none runs, as in a lab of root's."""
    try:
        entry = json.loads(paths.holder.read_text())
        holder = Holder(int(entry["pid"]), int(entry["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return holder if process.started_at(holder.pid) == holder.started else None


def start(paths: LabPaths) -> Holder:
    """Start the holder of a lab and write it down. Raises UserNamespaceError if this machine refuses."""
    reader, writer = os.pipe()
    pid = userns.fork_first(_wait_then_hold(paths, reader, writer))
    os.close(reader)
    holder = Holder(pid, process.started_at(pid) or 0)
    new = paths.holder.with_suffix(".new")
    new.write_text(json.dumps({"pid": holder.pid, "started": holder.started}))
    new.replace(paths.holder)
    os.write(writer, b"!")
    os.close(writer)
    return holder


def _wait_then_hold(paths: LabPaths, reader: int, writer: int) -> Callable[[], None]:
    """Return what the holder does: it waits for the word that it is written down, and ends if none comes."""

    def run() -> None:
        os.close(writer)
        os.setsid()
        if os.read(reader, 1):
            os.chdir("/")
            os.closerange(3, 1024)
            name = f"slash24: the holder of {paths.root}"
            os.execv(programs.path("agnhost"), [name, "pause"])  # noqa: S606

    return run
