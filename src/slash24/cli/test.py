"""`slash24 test`: named checks with real packets."""

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click

from slash24.cli.command import Group
from slash24.cli.lab_access import LabAccess, choose_cluster
from slash24.cli.output import Column
from slash24.cli.ui import Ui, common
from slash24.lab.connectivity.run import NAMES, CheckResult, run, select
from slash24.lab.connectivity.speed import Speed
from slash24.lab.paths import LabPaths, home

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
    access = LabAccess(ui)
    ui.go_inside()
    key = choose_cluster(access.status(), resource_group, name)
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
