"""`slash24 test`: named checks with real packets."""

import asyncio
import json
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click

from slash24.azure.ids import cluster_id, group_id
from slash24.cli.command import Group
from slash24.cli.output import Column
from slash24.cli.session import Session, find_server
from slash24.cli.ui import Ui, common
from slash24.errors import NotFoundError
from slash24.kube.client import KubeClient
from slash24.lab.connectivity.run import NAMES, CheckResult, run, select
from slash24.lab.connectivity.speed import Speed
from slash24.lab.paths import LabPaths, home

_GROUP = "slash24-test"
_COLUMNS = (
    Column("CHECK", "name"),
    Column("CLUSTER", "cluster"),
    Column("TRANSPORT", "transport"),
    Column("RESULT", lambda row: "ok" if row["ok"] else "FAILED"),
    Column("MS", "ms", right=True),
    Column("EXPECTED", "expected"),
    Column("SEEN", "seen"),
)


@click.group(cls=Group, examples=["slash24 test connectivity", "slash24 test connectivity --test path-mtu -o json"])
def test() -> None:
    """Named checks with real packets: what was expected and what was seen."""


class _LabAccess:
    """The lab's public APIs, as the checks use them; each thread has a session of its own."""

    def __init__(self, ui: Ui) -> None:
        self._ui = ui
        self._server = find_server(ui.lab)
        self._local = threading.local()

    def _session(self) -> Session:
        if not hasattr(self._local, "session"):
            self._local.session = Session(self._ui.lab, server=self._server)
        session: Session = self._local.session
        return session

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self._session().get("/lab/status")
        return found

    def client(self, key: str) -> KubeClient:
        cluster = next(cluster for cluster in self.status()["clusters"] if cluster["key"] == key)
        return KubeClient(f"{self._server.url}/clusters/{key}", cluster["token"], self._server.ca_file)

    def create_cluster(
        self, name: str, *, transport: str, pod_cidr: str, block_prefix: int, subnet_id: str, nodes: int
    ) -> str:
        group = group_id(self._ui.subscription, _GROUP)
        self._session().change("PUT", group, {"location": "northeurope"})
        pool = {"name": "nodepool1", "count": nodes, "mode": "System", "vnetSubnetID": subnet_id}
        profile = {"networkPlugin": "azure", "networkPluginMode": "overlay", "podCidr": pod_cidr,
                   "slash24": {"transport": transport, "blockPrefix": block_prefix}}  # fmt: skip
        body = {"location": "northeurope", "properties": {"agentPoolProfiles": [pool], "networkProfile": profile}}
        path = cluster_id(self._ui.subscription, _GROUP, name)
        self._session().change("PUT", path, body)
        return str(next(cluster["key"] for cluster in self.status()["clusters"] if cluster["name"] == name))

    def scale_cluster(self, name: str, nodes: int) -> None:
        path = cluster_id(self._ui.subscription, _GROUP, name)
        document = self._session().get(path)
        document["properties"]["agentPoolProfiles"][0]["count"] = nodes
        self._session().change("PUT", path, document)

    def delete_clusters(self) -> None:
        self._session().change("DELETE", group_id(self._ui.subscription, _GROUP))


@test.command(
    examples=[
        "slash24 test connectivity",
        "slash24 test connectivity --test across-nodes --test largest-packet",
        "slash24 test connectivity --test '!block-reused' --junit connectivity.xml",
        "slash24 test connectivity --test across-nodes --perf",
    ]
)
@click.option(
    "--test", "wanted", multiple=True, metavar="NAME", help=f"A check; !NAME leaves one out. {', '.join(NAMES)}."
)
@click.option("-g", "--resource-group", help="The cluster's group, if the lab has several clusters.")
@click.option("-n", "--name", help="The cluster, if the lab has several.")
@click.option("--perf", is_flag=True, help="Tell besides how fast packets go, between nodes and between pods.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write a JUnit file as well.")
@common
def connectivity(
    ui: Ui, wanted: tuple[str, ...], resource_group: str | None, name: str | None, perf: bool, junit: Path | None
) -> int:
    """Send packets through a cluster and compare what is seen with what must be."""
    names = select(wanted)
    access = _LabAccess(ui)
    ui.go_inside()
    key = _choose(access.status(), resource_group, name)
    began = time.monotonic()
    speeds: list[Speed] = []
    measured = _speed_teller(ui, speeds) if perf else None
    results = asyncio.run(run(LabPaths(home(), ui.lab), access, key, names, _teller(ui), measured))
    seconds = time.monotonic() - began
    failed = sum(not result.ok for result in results)
    summary = {"passed": len(results) - failed, "failed": failed, "seconds": round(seconds, 1)}
    if ui.output in ("table", "wide"):
        click.echo(f"\n{summary['passed']} of {len(results)} checks passed in {seconds:.1f} s")
    else:
        told = {"performance": [_speed_entry(speed) for speed in speeds]} if perf else {}
        ui.show({"checks": [asdict(result) for result in results], **told, **summary}, _COLUMNS)
    if junit:
        junit.write_text(_junit(results, seconds))
    return 1 if failed else 0


def _choose(status: dict[str, Any], group: str | None, name: str | None) -> str:
    """Return the key of the cluster that is meant. Raises NotFoundError if there is none, or more than one."""
    found = [
        cluster
        for cluster in status["clusters"]
        if (name is None or cluster["name"] == name)
        and (group is None or f"/resourcegroups/{group}/".lower() in cluster["id"].lower())
    ]
    if len(found) == 1:
        key: str = found[0]["key"]
        return key
    named = ", ".join(cluster["name"] for cluster in status["clusters"])
    if not found:
        raise NotFoundError("the lab has no such cluster", fix=f"choose from: {named}" if named else "slash24 lab up")
    raise NotFoundError(f"the lab has several clusters: {named}", fix="name one with -g GROUP -n NAME")


def _teller(ui: Ui) -> Any:
    """Return what tells a result at once: as a line of the table, or of JSON on stderr nothing."""
    if ui.output not in ("table", "wide"):
        return lambda _result: None

    def tell(result: CheckResult) -> None:
        good = "ok    " if result.ok else "FAILED"
        click.echo(f"{good}  {result.name:<26}{result.cluster} ({result.transport}), {result.ms} ms")
        click.echo(f"        expected  {result.expected}\n        seen      {result.seen}")
        sys.stdout.flush()

    return tell


def _speed_entry(speed: Speed) -> dict[str, Any]:
    if speed.problem:
        return {"way": speed.way, "problem": speed.problem}
    return {"way": speed.way, "gbitPerSecond": speed.gbit_per_s, "roundTripMicroseconds": speed.round_trip_us}


def _speed_teller(ui: Ui, speeds: list[Speed]) -> Any:
    """Return what keeps a way's figures in `speeds`, and tells them where a table is wanted."""

    def tell(speed: Speed) -> None:
        speeds.append(speed)
        if ui.output in ("table", "wide"):
            figures = f"{speed.gbit_per_s:.2f} Gbit/s by TCP, {speed.round_trip_us} us a round trip"
            click.echo(f"speed   {speed.way:<26}{f'not measured: {speed.problem}' if speed.problem else figures}")
            sys.stdout.flush()

    return tell


def _junit(results: list[CheckResult], seconds: float) -> str:
    failed = sum(not result.ok for result in results)
    suite = ElementTree.Element(
        "testsuite", name="slash24 connectivity", tests=str(len(results)), failures=str(failed), time=f"{seconds:.3f}"
    )
    for result in results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"connectivity.{result.cluster}",
            name=result.name,
            time=f"{result.ms / 1000:.3f}",
        )
        if not result.ok:
            message = f"expected {result.expected}; seen {result.seen}"
            ElementTree.SubElement(case, "failure", message=message).text = json.dumps(asdict(result), indent=2)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
