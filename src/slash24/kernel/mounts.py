"""Mounts of the calling process's mount namespace."""

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

from slash24.errors import Slash24Error

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 0x1000, 0x4000
_MS_PRIVATE = 1 << 18
_MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


class MountError(Slash24Error):
    """A mount could not be made; `errno` says why."""

    def __init__(self, target: Path, what: str, number: int) -> None:
        super().__init__(f"{what} could not be mounted on {target}: {os.strerror(number)}")
        self.errno = number


def mount(source: str, target: Path, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """Mount `source` (a device, a folder with MS_BIND, or a name) on `target`. Raises MountError."""
    encoded = data.encode() if data else None
    done = _libc.mount(source.encode(), str(target).encode(), kind and kind.encode(), ctypes.c_ulong(flags), encoded)
    if done < 0:
        raise MountError(target, kind or source, ctypes.get_errno())


def make_private() -> None:
    """Let no mount of this namespace reach another one, nor the other way round."""
    mount("none", Path("/"), flags=MS_REC | _MS_PRIVATE)


def overlay(target: Path, scratch: Path) -> None:
    """Lay a writable layer, kept below `scratch`, over the folder `target` and what it holds."""
    upper, work = scratch / "upper", scratch / "work"
    upper.mkdir(parents=True)
    work.mkdir()
    mount("overlay", target, "overlay", data=f"lowerdir={target},upperdir={upper},workdir={work}")


@dataclass(frozen=True, slots=True)
class Mounted:
    """One mount: where it is, and its file system's kind; `nsfs` is a namespace's."""

    point: str
    kind: str


def mounted_below(folder: Path, pid: int | str = "self") -> list[Mounted]:
    """Return the mounts below `folder`, as the process `pid` has them."""
    found = []
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        fields, _, source = line.partition(" - ")
        found.append(Mounted(_unescape(fields.split()[4]), source.split()[0]))
    return [mount for mount in found if mount.point.startswith(f"{folder}/")]


def unmount_below(folder: Path) -> int:
    """Unmount everything below `folder`, the deepest first; return how many mounts there were."""
    count = 0
    while True:
        below = [mount.point for mount in mounted_below(folder)]
        if not below:
            return count
        done = [_libc.umount2(point.encode(), _MNT_DETACH) == 0 for point in sorted(below, key=len, reverse=True)]
        if not any(done):
            raise Slash24Error(f"{below[0]} could not be unmounted: {os.strerror(ctypes.get_errno())}")
        count += sum(done)


def _unescape(point: str) -> str:
    # mountinfo writes blanks and the like as \040
    return point.encode().decode("unicode_escape") if "\\" in point else point
