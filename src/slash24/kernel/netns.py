"""Network namespaces: made, named by a bind mount, visited."""

import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from slash24.errors import Slash24Error

_CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_MNT_DETACH = 2
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_OWN = "/proc/thread-self/ns/net"

_libc = ctypes.CDLL(None, use_errno=True)


class NetnsError(Slash24Error):
    """A namespace could not be made, entered or removed; `errno` says why."""

    def __init__(self, what: str, number: int) -> None:
        super().__init__(f"{what}: {os.strerror(number)}")
        self.errno = number


def _check(result: int, what: str) -> None:
    if result < 0:
        raise NetnsError(what, ctypes.get_errno())


def _setns(fd: int, what: str) -> None:
    _check(_libc.setns(fd, _CLONE_NEWNET), what)


def open_fd(path: Path) -> int:
    """Return an open descriptor of the namespace mounted at `path`; the caller closes it."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NetnsError(f"network namespace {path}", error.errno or errno.ENOENT) from error


def current() -> int:
    """Return an open descriptor of the calling thread's namespace; the caller closes it."""
    return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def inside(netns: int | Path | None) -> Iterator[None]:
    """Let this thread sit in a namespace for the length of the block: to open a socket there, or to start a command.

    None changes nothing. The block must not await: another task would run in the wrong namespace.
    """
    if netns is None:
        yield
        return
    target = open_fd(netns) if isinstance(netns, Path) else netns
    home = current()
    try:
        _setns(target, "entering a network namespace")
        try:
            yield
        finally:
            _setns(home, "returning from a network namespace")
    finally:
        os.close(home)
        if isinstance(netns, Path):
            os.close(target)


def create(path: Path) -> None:
    """Make a network namespace, bind-mounted at `path` so that it lives without a process; `lo` is up in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o444)
    home = current()
    try:
        _check(_libc.unshare(_CLONE_NEWNET), "making a network namespace")
        try:
            _check(
                _libc.mount(_OWN.encode(), str(path).encode(), None, ctypes.c_ulong(_MS_BIND), None), f"mounting {path}"
            )
            raise_loopback()
        finally:
            _setns(home, "returning from a new network namespace")
    except NetnsError:
        delete(path)
        raise
    finally:
        os.close(home)


def raise_loopback() -> None:
    """Put `lo` of the caller's namespace up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))


def is_mounted(path: Path) -> bool:
    """Tell whether a namespace is mounted at `path`; a plain file is what a crash before the mount leaves."""
    try:
        return path.stat().st_dev == Path(_OWN).stat().st_dev
    except FileNotFoundError:
        return False


def delete(path: Path) -> None:
    """Unmount and remove the name; the kernel frees the namespace when nothing is in it any more. Gone is fine."""
    while _libc.umount2(str(path).encode(), _MNT_DETACH) == 0:  # mounts on one name stack
        pass
    with suppress(FileNotFoundError):
        path.unlink()
