"""Processes and the namespaces they are born in."""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path

from slash24.errors import Slash24Error

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
_ESTABLISHED = "01"  # TCP_ESTABLISHED, as /proc/net/tcp writes it
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 4, 15, 36

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Give this process new namespaces (with CLONE_NEWPID: its next child)."""
    if _libc.unshare(flags) < 0:
        raise Slash24Error(f"new namespaces were refused: {os.strerror(ctypes.get_errno())}")


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Let orphaned descendants become children of this process, which reaps them."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def be_inspectable() -> None:
    """Let the user's other processes look into this one's /proc folder, which a change of namespaces ends."""
    _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


def set_name(name: str) -> None:
    """Name this process, as `ps` shows it; the kernel keeps 15 bytes."""
    _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def started_at(pid: int) -> int | None:
    """Return when process `pid` started, in clock ticks after boot; None if it is gone or a zombie.

    A pid with this number beside it names one process for good: the number tells a reused pid apart.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def children(parent: int) -> dict[str, int]:
    """Return the running children of a process, name -> pid; the name is that of `set_name`, of 15 bytes at most."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid, _, rest = path.read_text().partition(" (")
            name, _, fields = rest.rpartition(") ")
            if int(fields.split()[1]) == parent and fields[0] not in "ZX":
                found[name] = int(pid)
    return found


def connections(pid: int) -> set[tuple[IPv4Address, int]]:
    """Return the far ends (address, port) of a process's established TCP connections over IPv4."""
    sockets = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            sockets.add(str(path.readlink()))
    found = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        _, _, far, state, *rest = line.split()
        if state == _ESTABLISHED and f"socket:[{rest[5]}]" in sockets:
            address, port = far.split(":")
            found.add((IPv4Address(int(address, 16).to_bytes(4, sys.byteorder)), int(port, 16)))
    return found


def end(pid: int, started: int, *, grace_s: float = 0.0) -> None:
    """End the process that started at `started`: SIGTERM, and after `grace_s` seconds SIGKILL. Gone is fine."""
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        if number == signal.SIGTERM and not grace_s:
            continue
        if started_at(pid) != started:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + wait_s
        while started_at(pid) == started and time.monotonic() < deadline:
            time.sleep(0.002)


def kill_session(pid: int, started: int) -> None:
    """Kill the process that started at `started` and leads a session, with all of its process group. Gone is fine."""
    if started_at(pid) == started:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while started_at(pid) == started and time.monotonic() < deadline:
        time.sleep(0.002)


def in_namespaces(inodes: set[int]) -> list[int]:
    """Return the pids of the processes whose network namespace has one of these inode numbers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if (entry / "ns/net").stat().st_ino in inodes:
                    found.append(int(entry.name))
    return found
