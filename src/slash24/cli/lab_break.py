"""`slash24 lab break`: a fault put into a lab, to be found and repaired; `slash24 lab check` tells whether it is."""

import random
from dataclasses import asdict, replace
from typing import Any

import click

from slash24.cli.command import Command
from slash24.cli.lab_access import choose_cluster
from slash24.cli.lab_check import open_places
from slash24.cli.lab_node import complete_nodes
from slash24.cli.output import Column
from slash24.cli.session import Server, find_server
from slash24.cli.ui import Ui, common
from slash24.core.topology import Transport
from slash24.errors import NotFoundError, Slash24Error, UsageError
from slash24.lab.faults.catalogue import FAULTS, Fault, find
from slash24.lab.faults.place import Place
from slash24.lab.faults.record import Injected, read_injected, write_injected
from slash24.lab.paths import LabPaths, home

_FAULT_COLUMNS = (
    Column("N", "number", right=True),
    Column("FAULT", "name"),
    Column("WHAT IS WRONG", "what"),
    Column("WHAT ONE SEES", "seen", wide=True),
    Column("WHY IT STAYS", "stays", wide=True),
    Column("REPAIR", "repair", wide=True),
)
_TOLD_COLUMNS = (Column("NODE", "node"), Column("PEER", "peer"), *_FAULT_COLUMNS[1:3], _FAULT_COLUMNS[5])


def _complete_faults(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in ("list", *(fault.name for fault in FAULTS)) if name.startswith(incomplete)]


@click.command(
    "break",
    cls=Command,
    examples=[
        "slash24 lab break list                  the catalogue; -o wide with what one sees, and the repair",
        "slash24 lab break 3                     put one in; `slash24 lab check` tells when it is repaired",
        "slash24 lab break --random              put one in that nobody knows of",
        "slash24 lab break --reveal              what is in, and how to repair it",
        "slash24 lab break --undo                repair it for me",
    ],
)
@click.argument("fault", required=False, shell_complete=_complete_faults)
@click.option("--random", "any_fault", is_flag=True, help="Choose a fault, and don't say which.")
@click.option("--node", shell_complete=complete_nodes, help="The node to break.  [default: any]")
@click.option("--reveal", is_flag=True, help="Tell what is in, and how to repair it.")
@click.option("--undo", is_flag=True, help="Take out again what is in.")
@click.option("-g", "--resource-group", help="The cluster's group, if the lab has several clusters.")
@click.option("-n", "--name", help="The cluster, if the lab has several.")
@click.option("--dry-run", is_flag=True, help="Say what would be put in, and put in nothing.")
@common
def break_lab(
    ui: Ui, fault: str | None, any_fault: bool, node: str | None, reveal: bool, undo: bool, resource_group: str | None,
    name: str | None, dry_run: bool,
) -> None:  # fmt: skip
    """Break a lab on purpose, to find out what is wrong and repair it.

    FAULT is a name or a number of the list.
    """
    if sum(map(bool, (fault, any_fault, reveal, undo))) != 1:
        raise UsageError(
            "one of a fault, --random, --reveal and --undo is needed",
            fix="slash24 lab break list, or slash24 lab break --random",
        )
    if fault == "list":
        ui.show([{"number": i, **_told(one)} for i, one in enumerate(FAULTS, 1)], _FAULT_COLUMNS)
        return
    paths = LabPaths(home(), ui.lab)
    if reveal:
        ui.show([asdict(entry) | _told(find(entry.fault)) for entry in read_injected(paths)], _TOLD_COLUMNS)
        return
    server = find_server(ui.lab)
    key = "" if undo else choose_cluster(ui.session().get("/lab/status"), resource_group, name)
    ui.go_inside()
    if undo:
        _undo(ui, server, paths)
        return
    with open_places(ui.lab, server, key) as places:
        place = _choose_place(places, node)
        chosen = find(fault) if fault else random.choice([one for one in FAULTS if _fits(one, place)])  # noqa: S311
        if not _fits(chosen, place):
            raise Slash24Error(
                f"{chosen.name} needs a tunnel, and cluster {place.cluster.name} is routed",
                fix="a cluster with --transport encapsulated, or another fault",
            )
        entry = Injected(chosen.name, place.cluster.status["key"], place.name, place.peer)
        if dry_run:
            ui.show([asdict(entry) | _told(chosen)], _TOLD_COLUMNS)
            return
        injected = read_injected(paths)
        if any((one.fault, one.node) == (chosen.name, place.name) for one in injected):
            raise Slash24Error("that fault is in already", fix="slash24 lab check, or slash24 lab break --undo")
        write_injected(paths, [*injected, entry])  # first, so that a fault that is in is never unknown
        try:
            chosen.damage.inject(place)
        except Slash24Error:
            write_injected(paths, injected)
            raise
    ui.note(f"something is broken in cluster {place.cluster.name} now; `slash24 lab check` tells when it is repaired")


def _told(fault: Fault) -> dict[str, Any]:
    return {key: getattr(fault, key) for key in ("name", "what", "seen", "stays", "repair")}


def _fits(fault: Fault, place: Place) -> bool:
    return not fault.encapsulated or place.cluster.transport is Transport.ENCAPSULATED


def _choose_place(places: list[Place], node: str | None) -> Place:
    if node is None:
        return random.choice(places)  # noqa: S311  nobody's secret
    for place in places:
        if place.name == node:
            return place
    raise NotFoundError(f"the cluster has no node {node!r}", fix=f"choose from: {', '.join(p.name for p in places)}")


def _undo(ui: Ui, server: Server, paths: LabPaths) -> None:
    injected = read_injected(paths)
    if not injected:
        ui.note("nothing is in that could be undone")
    for entry in injected:
        with open_places(ui.lab, server, entry.cluster) as places:
            place = next((place for place in places if place.name == entry.node), None)
            if place is not None:  # a node that is gone took its fault along
                find(entry.fault).damage.undo(replace(place, peer=entry.peer))
        write_injected(paths, [one for one in read_injected(paths) if one != entry])
        ui.note(f"undone: {entry.fault} on node {entry.node}")
