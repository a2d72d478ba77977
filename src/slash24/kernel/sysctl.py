"""Kernel settings of a network namespace, by their dotted names."""

from pathlib import Path

from slash24.errors import Slash24Error
from slash24.kernel.netns import inside


class SysctlError(Slash24Error):
    """A setting could not be read or written."""


def _path(name: str) -> Path:
    return Path("/proc/sys", *name.split("."))


def read(name: str, netns: int | None = None) -> str:
    """Return a setting's value, as text."""
    try:
        with inside(netns):
            return _path(name).read_text().strip()
    except OSError as error:
        raise SysctlError(f"sysctl {name} could not be read: {error.strerror}") from error


def forget_path_mtus(netns: int | None = None) -> None:
    """Let a namespace forget the path MTUs that it has learned; the kernel itself keeps each for ten minutes."""
    name = "net.ipv4.route.flush"
    try:
        with inside(netns):
            _path(name).write_text("1")  # it acts, and can't be read
    except OSError as error:
        raise SysctlError(f"sysctl {name} could not be written: {error.strerror}") from error


def write(name: str, value: str | int, netns: int | None = None) -> None:
    """Set `name`, and read it back: some settings take a write in a namespace and ignore it."""
    try:
        with inside(netns):
            _path(name).write_text(str(value))
            seen = _path(name).read_text().strip()
    except OSError as error:
        raise SysctlError(f"sysctl {name} could not be set to {value}: {error.strerror}") from error
    if seen != str(value):
        raise SysctlError(f"sysctl {name} is {seen} after it was set to {value}")
