"""`slash24 plan find|forecast|diff|map`: room that is left, growth, changes, and the picture of it all."""

import os
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import click

from slash24.cli.command import Command
from slash24.cli.output import Column
from slash24.cli.plan_options import Plan, plan_of_file, planned, write_file
from slash24.cli.ui import Ui, common
from slash24.errors import UsageError


@click.command(
    cls=Command,
    examples=[
        "slash24 plan find --prefix 16 --known on-prem=10.128.0.0/9          free pod CIDRs",
        "slash24 plan find --within 10.0.0.0/8 --prefix 24 --known ipam.csv  the first free /24",
        "slash24 plan find --subnet 10.20.4.0/24 --max-pods 110              how many nodes fit there",
    ],
)
@click.option("--within", metavar="CIDR", help="Look in this range.  [default: private space]")
@click.option("--prefix", type=click.IntRange(8, 32), metavar="LENGTH", help="Length of the range to find, as in 24.")
@click.option("--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many ranges.")
@planned
@common
def find(ui: Ui, plan: Plan, within: str | None, prefix: int | None, count: int) -> int:
    """Find free ranges of a length; or, with --subnet alone, how many nodes fit into it in each model."""
    request = plan.one
    if prefix is None:
        if not request.subnets:
            raise UsageError("neither --prefix nor --subnet is given", fix="--prefix 16, or --subnet 10.20.4.0/24")
        ui.show(list(_most_nodes(request)), (Column("MODEL", "title"), Column("NODES", "nodes", right=True),
                                             Column("PODS", "pods", right=True)))  # fmt: skip
        return 0
    from slash24.plan.document import prefix_of
    from slash24.plan.propose import free_ranges

    spaces = (prefix_of(within, "--within"),) if within else None
    taken = [*request.vnet_prefixes, *(subnet.prefix for subnet in request.subnets)]
    ranges = free_ranges(prefix, taken, request.known, within=spaces, count=count)
    ui.show([{"prefix": str(one), "addresses": one.num_addresses} for one in ranges],
            (Column("PREFIX", "prefix"), Column("ADDRESSES", "addresses", right=True)))  # fmt: skip
    if not ranges:
        ui.note(f"no /{prefix} is free there")
    return 0 if ranges else 1


def _most_nodes(request: Any) -> Iterator[dict[str, Any]]:
    from slash24.plan.sizing import VARIANTS, as_variant, largest

    for variant in VARIANTS:
        nodes = largest(request, variant, request.subnets[0].prefix.prefixlen)
        asked = as_variant(request, variant)
        yield {
            "model": variant.name,
            "title": variant.title,
            "nodes": nodes,
            "pods": nodes * asked.max_pods(asked.pools[0]),
        }


@click.command(
    "forecast",
    cls=Command,
    examples=["slash24 plan forecast --nodes 40 --growth 3", "slash24 plan forecast --nodes 40 --growth 0.5 -o json"],
)
@click.option("--growth", type=float, required=True, metavar="N", help="Nodes that are added each week.")
@click.option(
    "--from", "start", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The first day.  [default: today]"
)
@planned
@common
def forecast_growth(ui: Ui, plan: Plan, growth: float, start: datetime | None) -> int:
    """Say on which day pod CIDR, subnet and limits are full at a growth. Exit code 1 if one is within a year."""
    from slash24.plan.forecast import forecast

    if growth <= 0:
        raise UsageError(f"--growth {growth:g} is no growth", fix="--growth 3")
    first = start.date() if start else date.today()
    found = forecast(plan.one, nodes_a_week=growth, start=first)
    rows = [{"what": one.what, "nodes": one.most, "full": one.full.isoformat() if one.full else None} for one in found]
    ui.show(rows, (Column("WHAT", "what"), Column("NODES", "nodes", right=True), Column("FULL ON", "full")))
    return int(any(one.full and one.full <= first + timedelta(days=365) for one in found))


@click.command(cls=Command, examples=["slash24 plan diff today.toml tomorrow.toml"])
@click.argument("before", type=click.Path())
@click.argument("after", type=click.Path())
@click.option("--cluster", metavar="NAME", help="The one cluster of the plans that is meant.")
@common
def diff(ui: Ui, before: str, after: str, cluster: str | None) -> int:
    """Compare two plan files; say what AKS makes of the change. Exit code 1 if they differ."""
    from slash24.plan.difference import compare

    old, new = (plan_of_file(name, cluster).one for name in (before, after))
    found = compare(old, new)
    changes = [{"setting": one.setting, "before": one.before, "after": one.after} for one in found.changes]
    errors = [{"code": one.code, "message": one.message, "fix": one.fix} for one in found.findings]
    if ui.output in ("table", "wide") and not ui.query:
        if changes:
            ui.show(changes, (Column("SETTING", "setting"), Column("BEFORE", "before"), Column("AFTER", "after")))
            ui.note("AKS changes it in place" if found.in_place else "AKS can't change it in place:")
        for one in errors:
            ui.note(f"  {one['code']}: {one['message']}; {one['fix']}")
    else:
        ui.show({"changes": changes, "findings": errors, "in_place": found.in_place}, ())
    return int(bool(changes))


@click.command(
    "map",
    cls=Command,
    examples=[
        "slash24 plan map --vnet 10.20.0.0/16 --nodes 40 --known on-prem=10.128.0.0/9",
        "slash24 plan map --svg map.svg --png map.png",
    ],
)
@click.option("--svg", type=click.Path(), metavar="FILE", help="Write the map as SVG.")
@click.option("--png", type=click.Path(), metavar="FILE", help="Write the map as PNG.")
@planned
@common
def draw(ui: Ui, plan: Plan, svg: str | None, png: str | None) -> None:
    """Draw the address space: strips of the private ranges, and the node blocks as a grid."""
    from slash24.cli.plan_map import map_lines
    from slash24.plan.address_map import areas_of, node_blocks_in_use

    request = plan.one
    if svg or png:
        from slash24.web.address_map import draw_map
        from slash24.web.topology import to_png

        picture = draw_map(request)
        for name, content in ((svg, picture.encode()), (png, to_png(picture) if png else b"")):
            if name:
                write_file(name, content)
                ui.note(f"written to {name}")
    elif ui.output in ("table", "wide"):
        ascii_only = bool(os.environ.get("SLASH24_ASCII")) or (sys.stdout.encoding or "").lower() not in (
            "utf-8",
            "utf8",
        )
        for line in map_lines(request, ascii_only=ascii_only):
            click.echo(line)
    else:
        ui.show(
            {
                "areas": [
                    {"kind": str(one.kind), "name": one.name, "prefix": str(one.prefix)} for one in areas_of(request)
                ],
                "blocks": [{"prefix": str(one.prefix), "use": one.use} for one in node_blocks_in_use(request)],
            },
            (),
        )
