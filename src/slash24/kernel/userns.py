"""User namespaces: a user without rights becomes root of namespaces of his own, and of nothing else.

One user is mapped, the caller, as root: more would take the helper newuidmap and entries in /etc/subuid.
"""

import ctypes
import os
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from slash24.errors import Slash24Error, UnsupportedError
from slash24.kernel import mounts, netns, process, sysctl

_CLONE_NEWUSER = 0x10000000
_ALL = (
    _CLONE_NEWUSER | process.CLONE_NEWNET | process.CLONE_NEWNS | process.CLONE_NEWUTS | process.CLONE_NEWIPC
    | process.CLONE_NEWPID
)  # fmt: skip

#: Settings that forbid user namespaces: name, forbidding value, whose it is, what allows them
#: (docs/sources.md#user-namespaces).
_SWITCHES = (
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "AppArmor, as Ubuntu sets it up since 23.10", "0"),
    ("kernel.unprivileged_userns_clone", "0", "a switch that Debian's and Arch's kernels have", "1"),
    ("user.max_user_namespaces", "0", "the limit of user namespaces", "15000"),
)

_libc = ctypes.CDLL(None, use_errno=True)


class UserNamespaceError(UnsupportedError):
    """This machine gives a user without rights no namespaces of his own; `why` and `fix` say what forbids them."""


def owns_all_users() -> bool:
    """Tell whether every user of the machine exists here; in a user namespace only those that are mapped do."""
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]


def fork_first(run: Callable[[], object]) -> int:
    """Fork the first process of new user, mount, network, process, IPC and host name namespaces; return its pid.

    It carries out `run` as their root, with /proc, /sys and `lo` of its own. All that is in them ends with it. It is
    not a child of the caller, who must have no threads. Raises UserNamespaceError.
    """
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        _start_first(run, writer)
    os.close(writer)
    with os.fdopen(reader) as answers:
        pid, error = answers.readline().strip(), answers.read().strip()
    os.waitpid(parent, 0)
    if error or not pid:
        raise _refusal(error or "their first process died")
    return int(pid)


def _start_first(run: Callable[[], object], writer: int) -> NoReturn:
    try:
        unshare(_ALL)
        first = os.fork()
        if first == 0:
            _be_first(run, writer)
        os.write(writer, f"{first}\n".encode())
    except Exception as error:
        os.write(writer, f"\n{error}".encode())
    os._exit(0)


def unshare(kinds: int) -> None:
    """Make this process, which must have no threads, root of a new user namespace and of new ones of these kinds."""
    uid, gid = os.geteuid(), os.getegid()
    process.unshare(_CLONE_NEWUSER | kinds)
    Path("/proc/self/setgroups").write_text("deny")  # else the kernel refuses the map of groups
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def _be_first(run: Callable[[], object], writer: int) -> NoReturn:
    try:
        mounts.mount("proc", Path("/proc"), "proc", mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC)
        # The machine's /sys shows the machine's network and control groups, neither of which is ours.
        mounts.mount("sysfs", Path("/sys"), "sysfs", mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC)
        netns.raise_loopback()
    except Exception as error:
        os.write(writer, f"\n{error}".encode())
        os._exit(1)
    os.close(writer)
    try:
        run()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def enter(pid: int) -> None:
    """Move this process into the namespaces of `pid`, whose owner the caller is; into its process namespace: children.

    Paths lead to the same places as far as those are mounted there. The caller must have no threads. Raises
    Slash24Error if the process is gone, or another user's.
    """
    here = Path.cwd()
    try:
        target = os.pidfd_open(pid)
        try:
            if _libc.setns(target, _ALL) < 0:
                raise OSError(ctypes.get_errno(), "")
        finally:
            os.close(target)
    except OSError as error:
        problem = os.strerror(error.errno or 0)
        raise Slash24Error(f"the namespaces of process {pid} can't be entered: {problem}") from error
    with suppress(OSError):  # a mount that is not there leaves the root directory
        os.chdir(here)


def _refusal(problem: str) -> UserNamespaceError:
    why, fix = why_refused()
    ways = f"{fix}, or run the same command with sudo" if fix else "run the same command with sudo"
    return UserNamespaceError(f"this machine gives no user namespaces: {problem}", why=why, fix=ways)


def why_refused() -> tuple[str, str]:
    """Return what forbids user namespaces here and the command that allows them; "" where nothing is found."""
    for name, forbidding, whose, allowing in _SWITCHES:
        with suppress(sysctl.SysctlError):  # this kernel has no such switch
            if sysctl.read(name) == forbidding:
                return f"{name} is {forbidding}: {whose}", f"sudo sysctl -w {name}={allowing}"
    if not Path("/proc/self/ns/user").exists():
        return "the kernel was built without them (CONFIG_USER_NS)", ""
    if _is_filtered():
        return (
            "a filter of system calls is on (seccomp), as in a container of Docker's",
            "docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined",
        )
    return "", ""


def _is_filtered() -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    return any(line.split() == ["Seccomp:", "2"] for line in lines)
