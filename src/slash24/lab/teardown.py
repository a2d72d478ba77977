"""Removal of a lab, also of what a crash left: by what stands on the machine, not by what a server remembers."""

import json
import os
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from slash24.kernel import cgroup, mounts, process
from slash24.lab import holder, lock
from slash24.lab.paths import LabPaths


@dataclass(frozen=True, slots=True)
class Removed:
    """How much of a lab there was."""

    namespaces: int
    processes: int
    mounts: int


def server_process(paths: LabPaths) -> tuple[int, int] | None:
    """Return (pid, start time) of the lab's running server; None if none runs."""
    try:
        entry = json.loads(paths.server.read_text())
    except (OSError, ValueError):
        return None
    pid, started = entry.get("pid"), entry.get("started")
    return (pid, started) if isinstance(pid, int) and process.started_at(pid) == started else None


def remove(paths: LabPaths) -> Removed:
    """Remove every process, namespace, mount, control group and file of a lab. What is gone already is fine."""
    running = lock.holder(paths)
    first = holder.find(paths)
    inside = (0, 0)
    if first:
        inside = first.mounts(paths)
        first.end()
    elif running:
        # With its zygote and controllers, at once: nothing that they hold outlives this function.
        process.kill_session(*running)
    lock.wait_until_free(paths)
    cgroup.remove(paths.slug)
    spaces = _namespaces(paths.namespaces)
    killed = _kill_inside(spaces)
    count = mounts.unmount_below(paths.root) if paths.root.is_dir() else 0
    _remove_tree(paths.root)
    for folder in (paths.root.parent, paths.home):
        with suppress(OSError):  # other labs live there
            folder.rmdir()
    return Removed(len(spaces) + inside[0], killed + (1 if running else 0), count + inside[1])


def _remove_tree(folder: Path) -> None:
    """Remove a folder with all in it, also what pods have closed to its owner, who may open it again."""
    opened: set[str] = set()
    while kept := set(_try_to_remove(folder)) - opened:
        for path in map(Path, kept):
            for closed in (path.parent, path):
                with suppress(OSError):
                    # What a link leads to is not ours, nor is the folder that ours is in.
                    if closed.is_relative_to(folder) and closed.is_dir() and not closed.is_symlink():
                        closed.chmod(0o700)
        opened |= kept


def _try_to_remove(folder: Path) -> list[str]:
    """Remove what can be removed; return the paths that could not."""
    kept: list[str] = []
    shutil.rmtree(folder, onerror=lambda _call, path, _error: kept.append(path))
    return kept


def _namespaces(folder: Path) -> set[int]:
    """Return the inode numbers of the network namespaces mounted in `folder`."""
    own = Path("/proc/self/ns/net").stat()
    found = set()
    for path in folder.iterdir() if folder.is_dir() else ():
        entry = path.stat()
        if entry.st_dev == own.st_dev and entry.st_ino != own.st_ino:  # nsfs: a namespace, not a left-over file
            found.add(entry.st_ino)
    return found


def _kill_inside(spaces: set[int]) -> int:
    """Kill the processes in these namespaces; those of pods go with their node's first process."""
    killed = set()
    deadline = time.monotonic() + 5
    while spaces and time.monotonic() < deadline:
        pids = [pid for pid in process.in_namespaces(spaces) if process.started_at(pid) is not None]
        if not pids:
            break
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed.update(pids)
        time.sleep(0.005)
    return len(killed)
