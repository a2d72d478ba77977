"""`slash24 lab node`: the power of a lab's nodes."""

import time
from typing import Any

import click

from slash24.cli.command import Group
from slash24.cli.output import Column
from slash24.cli.ui import Ui, common, no_wait_option
from slash24.errors import NotFoundError, Slash24Error, TimeoutExpiredError
from slash24.web.topology import node_state

Json = dict[str, Any]

_COLUMNS = (
    Column("CLUSTER", "cluster"),
    Column("NODE", "name"),
    Column("POWER", "power"),
    Column("STATUS", node_state),
    Column("ADDRESS", "address"),
    Column("BLOCK", "podCidr"),
    Column("PODS", "pods", right=True),
    Column("BOOT ID", "bootId", wide=True),
)
_DONE = {"stop": "stopped", "start": "started", "reboot": "rebooted"}
_LOOK_S = 0.1


def _nodes(ui: Ui) -> list[Json]:
    return [
        {"cluster": cluster["name"], **node}
        for cluster in ui.session().get("/lab/status")["clusters"]
        for node in cluster["nodes"]
    ]


def _find(ui: Ui, name: str) -> Json:
    nodes = _nodes(ui)
    for entry in nodes:
        if entry["name"] == name:
            return entry
    names = ", ".join(entry["name"] for entry in nodes) or "none"
    raise NotFoundError(f"the lab has no node {name!r}", why=f"its nodes: {names}", fix="slash24 lab node list")


def complete_nodes(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of the lab's nodes that begin so."""
    from slash24.cli.session import lab_name

    try:
        names = [str(entry["name"]) for entry in _nodes(Ui(lab=lab_name(ctx.params.get("lab"))))]
    except Slash24Error:
        return []
    return [name for name in names if name.startswith(incomplete)]


_name = click.argument("name", shell_complete=complete_nodes)
_dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done.")
_timeout = click.option("--timeout", type=click.FloatRange(0), default=60.0, show_default=True,
                        help="Seconds to wait until the node is Ready.")  # fmt: skip


@click.group(
    cls=Group,
    examples=[
        "slash24 lab node list",
        "slash24 lab node stop aks-nodepool1-12345678-vmss000001      as if its power were cut",
        "slash24 lab node start aks-nodepool1-12345678-vmss000001",
    ],
)
def node() -> None:
    """Nodes of the lab: stop, start and reboot them."""


@node.command("list", examples=["slash24 lab node list", "slash24 lab node list --query '[].name' -o tsv"])
@common
def list_nodes(ui: Ui) -> None:
    """List the lab's nodes, and whether they have power."""
    ui.show(_nodes(ui), _COLUMNS)


@node.command(examples=["slash24 lab node stop aks-nodepool1-12345678-vmss000001"])
@_name
@_dry_run
@common
def stop(ui: Ui, name: str, dry_run: bool) -> None:
    """Cut a node's power; its disk, its address and its Node object stay.

    All its processes and namespaces end at once, nothing is drained. It stays off until it is started.
    """
    _switch(ui, name, "stop", dry_run=dry_run)


@node.command(examples=["slash24 lab node start aks-nodepool1-12345678-vmss000001"])
@_name
@no_wait_option
@_timeout
@_dry_run
@common
def start(ui: Ui, name: str, no_wait: bool, timeout: float, dry_run: bool) -> None:
    """Boot a node that is off, and wait until it is Ready."""
    _switch(ui, name, "start", dry_run=dry_run, wait_s=0 if no_wait else timeout)


@node.command(examples=["slash24 lab node reboot aks-nodepool1-12345678-vmss000001"])
@_name
@no_wait_option
@_timeout
@_dry_run
@common
def reboot(ui: Ui, name: str, no_wait: bool, timeout: float, dry_run: bool) -> None:
    """Cut a node's power, boot it again, and wait until it is Ready."""
    _switch(ui, name, "reboot", dry_run=dry_run, wait_s=0 if no_wait else timeout)


def _switch(ui: Ui, name: str, action: str, *, dry_run: bool, wait_s: float = 0) -> None:
    from slash24.cli.progress import Progress

    before = _find(ui, name)
    if dry_run:
        click.echo(f"would {action}: node {name}, which is {before['power']} and has {before['pods']} pods")
        return
    began = time.monotonic()
    _, answer, _ = ui.session().request("POST", f"/lab/nodes/{name}/{action}")
    if not answer["changed"]:
        ui.note(f"node {name} is {_DONE['stop'] if action == 'stop' else 'running'} already")
    if wait_s:
        _wait_until_ready(ui, name, wait_s, other_boot=before["bootId"] if answer["changed"] else None)
    if answer["changed"]:
        Progress(quiet=ui.quiet or ui.only_errors).done(f"node {name} {_DONE[action]}", time.monotonic() - began)
    if ui.output not in ("table", "wide"):
        ui.show(_find(ui, name), _COLUMNS)


def _wait_until_ready(ui: Ui, name: str, wait_s: float, *, other_boot: str | None) -> None:
    """Return when the node is Ready in another boot than that one; until then the API has the old boot's word."""
    deadline = time.monotonic() + wait_s
    while True:
        entry = _find(ui, name)
        if entry["ready"] and entry["bootId"] != other_boot:
            return
        if time.monotonic() > deadline:
            raise TimeoutExpiredError(
                f"node {name} is not Ready after {wait_s:g} s: {entry['reason'] or 'its kubelet has not registered'}",
                fix=f"its logs are in {entry['logs']}",
            )
        time.sleep(_LOOK_S)
