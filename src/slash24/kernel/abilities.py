"""What this kernel can do, found out by trying it in namespaces that are thrown away."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from slash24.errors import Slash24Error, UnsupportedError
from slash24.kernel import mounts, netlink, netns, nft, process, userns


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing that slash24 needs of the kernel; `problem` is empty if it is there."""

    name: str
    needed_for: str
    problem: str
    fix: str


def _veth() -> None:
    with netlink.Netlink() as link:
        link.send(netlink.add_veth("probe0", "probe1"))


def _vxlan() -> None:
    with netlink.Netlink() as link:
        link.send(
            netlink.add_vxlan(
                "probe2", vni=1, local=IPv4Address("127.0.0.1"), device=1, mtu=1450, mac="02:24:7f:00:00:01"
            )
        )


def _nftables() -> None:
    nft.apply_script(
        "table ip probe {\n chain nat {\n type nat hook postrouting priority srcnat;\n"
        " ip saddr 10.0.0.0/8 masquerade fully-random\n }\n chain raw {\n type filter hook prerouting priority raw;\n"
        " fib saddr . iif oif 0 counter drop\n udp dport 4789 notrack\n }\n}\n"
    )


def _overlay() -> None:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        mounts.mount("tmpfs", scratch, "tmpfs")
        mounts.overlay(Path("/etc"), scratch / "etc")
        mounts.unmount_below(Path(folder))


_PROBES: tuple[tuple[str, str, Callable[[], None], str], ...] = (
    ("veth", "every link of a pod or a node", _veth, "a kernel with CONFIG_VETH"),
    ("vxlan", "the encapsulated transport", _vxlan, "modprobe vxlan, or a kernel with CONFIG_VXLAN"),
    ("nftables", "translation, anti-spoofing, policies", _nftables,
     "modprobe nf_tables nft_masq nft_fib_ipv4, or a kernel with CONFIG_NF_TABLES and its NAT, FIB and CT parts"),
    ("overlayfs", "the nodes' and pods' own files", _overlay, "modprobe overlay, or a kernel with CONFIG_OVERLAY_FS"),
)  # fmt: skip


def probe(*, rootless: bool = False) -> list[Ability]:
    """Try every ability in a child with namespaces of its own; return them all, the missing ones with their problem.

    rootless: as root of a user namespace. Raises UserNamespaceError if there is none to be had.
    """
    reader, writer = os.pipe()
    with os.fdopen(reader) as answers:
        try:
            child = userns.fork_first(lambda: _try_all(writer)) if rootless else _fork(lambda: _try_all(writer))
        finally:
            os.close(writer)
        text = answers.read()
    with suppress(ChildProcessError):  # the first of a user namespace is another's
        os.waitpid(child, 0)
    problems: dict[str, str] = json.loads(text) if text else {"namespaces": "the probe died"}
    found = [Ability("namespaces", "everything", problems.get("namespaces", ""), "run as root, or with --rootless")]
    return found + [Ability(name, need, problems.get(name, ""), fix) for name, need, _, fix in _PROBES]


def user_namespaces() -> Ability:
    """Tell whether a lab without root can have namespaces; if not, the problem says what forbids them."""
    name, needed_for = "user namespaces", "a lab without root"
    try:
        userns.fork_first(lambda: None)
    except userns.UserNamespaceError as error:
        return Ability(name, needed_for, error.message + (f" ({error.why})" if error.why else ""), error.fix)
    return Ability(name, needed_for, "", "")


def _fork(run: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        run()
    return child


def _try_all(writer: int) -> None:
    problems: dict[str, str] = {}
    try:
        own = netns.current()
        with netns.inside(own):  # whoever may not come back home can't visit others
            pass
        process.unshare(process.CLONE_NEWNET | process.CLONE_NEWNS)
        mounts.make_private()
        for name, _, attempt, _ in _PROBES:
            try:
                attempt()
            except (Slash24Error, OSError, subprocess.SubprocessError) as error:
                problems[name] = str(error)
    except Slash24Error as error:
        problems["namespaces"] = str(error)
    finally:
        os.write(writer, json.dumps(problems).encode())
        os._exit(0)


def require_all(*, rootless: bool) -> None:
    """Raise UnsupportedError, which names the first thing that this machine lacks for a lab."""
    for program, package in (("nft", "nftables"),):
        if shutil.which(program) is None:
            raise UnsupportedError(f"the program {program} is missing", fix=f"apt-get install {package}")
    for ability in probe(rootless=rootless):
        if ability.problem:
            raise UnsupportedError(
                f"this kernel lacks {ability.name}: {ability.problem}",
                why=f"it is needed for {ability.needed_for}",
                fix=ability.fix,
            )
