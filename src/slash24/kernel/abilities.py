"""What this kernel can do, found out by trying it in namespaces that are thrown away."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from slash24.errors import Slash24Error, UnsupportedError
from slash24.kernel import mounts, netlink, nft, process

_CLONE_NEWNET = 0x40000000


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


def probe() -> list[Ability]:
    """Try every ability in a child with namespaces of its own; return them all, the missing ones with their problem."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _try_all(writer)
    os.close(writer)
    with os.fdopen(reader) as answers:
        text = answers.read()
    os.waitpid(child, 0)
    problems: dict[str, str] = json.loads(text) if text else {"namespaces": "the probe died"}
    found = [Ability("namespaces", "everything", problems.get("namespaces", ""), "run as root")]
    return found + [Ability(name, need, problems.get(name, ""), fix) for name, need, _, fix in _PROBES]


def _try_all(writer: int) -> None:
    problems: dict[str, str] = {}
    try:
        process.unshare(_CLONE_NEWNET | process.CLONE_NEWNS)
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


def require_all() -> None:
    """Raise UnsupportedError, which names the first thing that this machine lacks for a lab."""
    if os.geteuid() != 0:
        raise UnsupportedError(
            "a lab needs root on this version of slash24",
            why="it makes network namespaces, mounts and nodes",
            fix="run the same command with sudo",
        )
    for program, package in (("nft", "nftables"),):
        if shutil.which(program) is None:
            raise UnsupportedError(f"the program {program} is missing", fix=f"apt-get install {package}")
    for ability in probe():
        if ability.problem:
            raise UnsupportedError(
                f"this kernel lacks {ability.name}: {ability.problem}",
                why=f"it is needed for {ability.needed_for}",
                fix=ability.fix,
            )
