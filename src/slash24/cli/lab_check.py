"""`slash24 lab check`: whether a cluster is whole, and with that whether a fault of `lab break` is repaired."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict

import click

from slash24.cli.command import Command
from slash24.cli.lab_access import choose_cluster, client_of
from slash24.cli.output import Column
from slash24.cli.session import Server, Session, find_server
from slash24.cli.ui import Ui, common
from slash24.errors import Slash24Error
from slash24.lab.connectivity.bed import Bed, Cluster
from slash24.lab.faults.catalogue import find
from slash24.lab.faults.health import Finding, examine
from slash24.lab.faults.place import Place
from slash24.lab.faults.record import read_injected, write_injected
from slash24.lab.paths import LabPaths, home

_FINDING_COLUMNS = (
    Column("RESULT", lambda row: "ok" if row["ok"] else "FAILED"),
    Column("NODE", "node"),
    Column("LOOK", "look"),
    Column("EXPECTED", "expected"),
    Column("SEEN", "seen"),
)
_AGAIN_S = 0.2
_AT_ONCE = 8


@contextmanager
def open_places(lab: str, server: Server, key: str) -> Iterator[list[Place]]:
    """Open the nodes of the cluster `key`, each with the next one as its peer; none if there is no such cluster."""
    with closing(Session(lab, server=server)) as session:
        status = next((entry for entry in session.get("/lab/status")["clusters"] if entry["key"] == key), None)
    if status is None:
        yield []
        return
    cluster = Cluster(status, client_of(server, status))
    nodes = [node["name"] for node in status["nodes"]]
    if len(nodes) < 2:
        raise Slash24Error(
            f"cluster {cluster.name} has {len(nodes)} node(s)",
            why="most of what can be broken shows between two",
            fix=f"slash24 aks scale -n {cluster.name} -g GROUP --node-count 2",
        )
    paths = LabPaths(home(), lab)
    with closing(Bed(paths)) as bed:
        yield [Place(paths, bed, cluster, node, peer) for node, peer in zip(nodes, [*nodes[1:], nodes[0]], strict=True)]


@click.command(
    cls=Command,
    examples=["slash24 lab check", "slash24 lab check --timeout 0 -o json --query 'findings[?!ok]'"],
)
@click.option("--timeout", type=float, default=5.0, show_default=True,
              help="Seconds in which what fails is looked at again.")  # fmt: skip
@click.option("-g", "--resource-group", help="The cluster's group, if the lab has several clusters.")
@click.option("-n", "--name", help="The cluster, if the lab has several.")
@common
def check(ui: Ui, timeout: float, resource_group: str | None, name: str | None) -> int:
    """Look whether a cluster is whole, by each node's state and by packets; exit code 1 if it isn't."""
    server = find_server(ui.lab)
    key = choose_cluster(ui.session().get("/lab/status"), resource_group, name)
    ui.go_inside()
    deadline = time.monotonic() + timeout
    while True:
        with open_places(ui.lab, server, key) as places, ThreadPoolExecutor(_AT_ONCE) as pool:
            findings = [one for found in pool.map(lambda place: list(examine(place)), places) for one in found]
            cluster = places[0].cluster
        whole = all(finding.ok for finding in findings)
        if whole or time.monotonic() > deadline:
            break
        time.sleep(_AGAIN_S)  # what was repaired just now is still being proven
    _tell(ui, cluster, findings)
    if whole:
        _forget(ui, cluster)
    return 0 if whole else 1


def _tell(ui: Ui, cluster: Cluster, findings: list[Finding]) -> None:
    failed = sum(not finding.ok for finding in findings)
    rows = [asdict(finding) for finding in findings]
    if ui.output not in ("table", "wide"):
        ui.show({"cluster": cluster.name, "whole": not failed, "findings": rows}, ())
        return
    if failed or ui.output == "wide":
        ui.show([row for row in rows if not row["ok"] or ui.output == "wide"], _FINDING_COLUMNS)
    nodes = len({finding.node for finding in findings})
    words = f"{failed} of {len(findings)} looks at its {nodes} nodes failed" if failed else "it is whole"
    click.echo(f"cluster {cluster.name}: {words}")


def _forget(ui: Ui, cluster: Cluster) -> None:
    """Tell what was repaired, now that it is no secret any more."""
    paths = LabPaths(home(), ui.lab)
    injected = read_injected(paths)
    for entry in injected:
        if entry.cluster == cluster.status["key"]:
            ui.note(f"repaired: {entry.fault} on node {entry.node}: {find(entry.fault).what}")
    if injected:
        write_injected(paths, [entry for entry in injected if entry.cluster != cluster.status["key"]])
