"""Control groups, version 2, for grouping and ending processes."""

import os
import time
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def mount_point() -> Path | None:
    """Return where the version 2 hierarchy is mounted; None where there is none or it can't be written."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if kind == "cgroup2" and os.access(point, os.W_OK):
            return Path(point)
    return None


def create(*names: str) -> Path | None:
    """Make the group `names[0]/names[1]/...`; return its folder, None on a machine without writable groups."""
    root = mount_point()
    if root is None:
        return None
    group = root.joinpath(*names)
    try:
        group.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return group


def join(group: Path | None) -> None:
    """Move this process into `group`."""
    if group is not None:
        with suppress(OSError):
            (group / "cgroup.procs").write_text("0")


def remove(name: str) -> None:
    """Kill everything in the group `name` and below, and remove it. Gone is fine."""
    root = mount_point()
    group = root / name if root else None
    if group is None or not group.is_dir():
        return
    with suppress(OSError):  # kernels before 5.14 lack cgroup.kill; the callers know their processes besides
        (group / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + 5
    while group.is_dir() and time.monotonic() < deadline:
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
        if group.is_dir():
            time.sleep(0.005)
