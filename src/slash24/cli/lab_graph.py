"""`slash24 lab graph`: a lab's topology as a picture, as text for Mermaid, or as data."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click

from slash24.cli.command import Choice, Command
from slash24.cli.lab_access import pods_of
from slash24.cli.session import find_server
from slash24.cli.ui import Ui, common
from slash24.errors import Slash24Error, UsageError

Json = dict[str, Any]
_FORMATS = ("svg", "png", "mermaid", "json")
_SUFFIXES = {".svg": "svg", ".png": "png", ".mmd": "mermaid", ".mermaid": "mermaid", ".json": "json"}


@click.command(
    cls=Command,
    examples=[
        "slash24 lab graph -w lab.png",
        "slash24 lab graph --format mermaid             text that wikis and code hosts draw",
        "slash24 lab graph --format json --query 'clusters[].nodes[].podCidr'",
    ],
)
@click.option(
    "--format", "form", type=Choice(_FORMATS), help="svg, png, mermaid or json.  [default: by FILE's name, else svg]"
)
@click.option("-w", "--write", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write it into a file.  [default: stdout]")  # fmt: skip
@common
def graph(ui: Ui, form: str | None, file: Path | None) -> None:
    """Draw networks, nodes with their blocks and pods, and what leaves; or give it as data."""
    form = form or (_SUFFIXES.get(file.suffix.lower(), "svg") if file else "svg")
    if form == "png" and file is None and sys.stdout.isatty():
        raise UsageError("a PNG doesn't belong on a terminal", fix="slash24 lab graph -w lab.png")
    status = ui.session().get("/lab/status")
    pods = asyncio.run(_all_pods(ui.lab, status["clusters"]))
    if form == "json" and file is None:
        ui.output = ui.output if ui.output not in ("table", "wide") else "json"
        ui.show(_data(status, pods), ())
        return
    drawn = _draw(form, status, pods)
    if file is None:
        click.echo(drawn, nl=False)
        return
    try:
        file.write_bytes(drawn if isinstance(drawn, bytes) else drawn.encode())
    except OSError as error:
        raise Slash24Error(f"{file} can't be written: {error.strerror}") from error


def _draw(form: str, status: Json, pods: dict[str, list[Json]]) -> str | bytes:
    from slash24.web.mermaid import draw_mermaid
    from slash24.web.topology import draw_topology, to_png

    match form:
        case "json":
            return json.dumps(_data(status, pods), indent=2) + "\n"
        case "mermaid":
            return draw_mermaid(status, pods)
        case "png":
            return to_png(draw_topology(status, pods))
    return draw_topology(status, pods)


def _data(status: Json, pods: dict[str, list[Json]]) -> Json:
    """Return the lab's status with each node's pods in place of their number, and without tokens."""
    clusters = [
        {key: value for key, value in cluster.items() if key not in ("token", "nodes")}
        | {"nodes": [node | {"pods": pods.get(node["name"], [])} for node in cluster["nodes"]]}
        for cluster in status["clusters"]
    ]
    return status | {"clusters": clusters}


async def _all_pods(lab: str, clusters: list[Json]) -> dict[str, list[Json]]:
    """Return the pods of every node by its name: namespace, name, ip (null before there is one) and phase."""
    found: dict[str, list[Json]] = {}
    for cluster in clusters:
        for pod in await pods_of(find_server(lab), cluster):
            metadata, state = pod["metadata"], pod.get("status", {})
            entry = {"namespace": metadata["namespace"], "name": metadata["name"], "ip": state.get("podIP"),
                     "phase": state.get("phase")}  # fmt: skip
            found.setdefault(pod["spec"].get("nodeName", ""), []).append(entry)
    return found
