"""`slash24 plan`: addresses and networking models, before Azure is asked. Offline, without root, without a lab."""

import os
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import click

from slash24.cli.command import Group
from slash24.cli.output import Column
from slash24.cli.plan_options import Plan, plan_of_file, planned, write_file
from slash24.cli.ui import Ui, common
from slash24.errors import UsageError


def _room(row: dict[str, Any]) -> str:
    """Return how a model fits into the subnet that the user has."""
    if row["free"] is None:
        return ""
    if row["free"] < 0:
        return "no"
    used = row["node_addresses_at_peak"]
    return f"ok, {round(100 * used / (used + row['free']))} %"


_SIZE = (
    Column("MODEL", "title"),
    Column("VNET IPS", "vnet_addresses", right=True),
    Column("AT PEAK", "vnet_addresses_at_peak", right=True),
    Column("SMALLEST", "smallest_subnet"),
    Column("POD BLOCKS", "pod_blocks", right=True, wide=True),
    Column("IN YOURS", _room),
    Column("VERDICT", "verdict"),
    Column("RULES", "rules"),
)
_CANDIDATES = (
    Column("RANGE", "what"),
    Column("CIDR", "prefix"),
    Column("OK", lambda row: "ok" if row["ok"] else "NO"),
    Column("WHY", "why"),
    Column("RULE", "code"),
)
_FINDINGS = (
    Column("CLUSTER", "cluster", wide=True),
    Column("SEVERITY", "severity"),
    Column("CODE", "code"),
    Column("MESSAGE", "message"),
    Column("FIX", "fix"),
    Column("WHY", "why", wide=True),
    Column("AZURE", "azure", wide=True),
)


@click.group(
    cls=Group,
    examples=[
        "slash24 plan advise --vnet 10.20.0.0/16 --subnet 10.20.4.0/24 --nodes 40 --max-pods 110 \\\n"
        "    --known hub=10.10.0.0/16 on-prem=10.128.0.0/9",
        "slash24 plan size --nodes 10 --max-pods 30        the models side by side",
        "slash24 plan check --pod-cidr 10.0.0.0/16         what AKS would refuse",
    ],
)
def plan() -> None:
    """Plan a cluster's addresses: sizes, proposals, checks. Offline; needs neither root nor a lab."""


@plan.command(
    "size", examples=["slash24 plan size --nodes 10 --max-pods 30", "slash24 plan size --max-count 40 -o json"]
)
@planned
@common
def size_models(ui: Ui, plan: Plan) -> None:
    """Show what the same pools take of the VNet in each networking model."""
    from slash24.plan.sizing import size, sizes_as_data

    models = list(sizes_as_data(size(plan.one, as_of=plan.as_of)))
    if ui.output in ("table", "wide") and not ui.query:
        ui.show(models, _SIZE)
    else:
        ui.show({"models": models}, ())


@plan.command(
    examples=[
        "slash24 plan advise --vnet 10.20.0.0/16 --subnet 10.20.4.0/24 --nodes 40 --max-pods 110 \\\n"
        "    --known hub=10.10.0.0/16 on-prem=10.128.0.0/9"
    ]
)
@planned
@common
def advise(ui: Ui, plan: Plan) -> int:
    """Compare the models, and propose a pod CIDR and a service CIDR that are free."""
    from slash24.plan.advice import advise, passes
    from slash24.plan.sizing import sizes_as_data

    found = advise(plan.one, as_of=plan.as_of)
    candidates = [
        {"what": what, "prefix": str(one.prefix), "ok": one.ok, "why": one.why, "code": one.code}
        for what, group in (("Pod CIDR", found.pod_cidrs), ("Service CIDR", found.service_cidrs))
        for one in group
    ]
    proposed = found.request
    data: dict[str, Any] = {
        "models": list(sizes_as_data(found.sizes)),
        "ranges": candidates,
        "pod_cidr": proposed.pod_ranges[0] if proposed else None,
        "service_cidr": proposed.service_ranges[0] if proposed else None,
        "dns_service_ip": proposed.dns_service_ip if proposed else None,
        "reasons": [{"question": question, "answer": answer} for question, answer in found.reasons],
    }
    if ui.output in ("table", "wide") and not ui.query:
        _show_advice(ui, plan, data)
    else:
        ui.show(data, ())
    return 0 if passes(found) else 1


def _show_advice(ui: Ui, plan: Plan, data: dict[str, Any]) -> None:
    for line in _subnet_lines(plan.one):
        click.echo(line)
    ui.show(data["models"], _SIZE)
    click.echo()
    ui.show(data["ranges"], _CANDIDATES)
    click.echo()
    ui.show(data["reasons"], (Column("QUESTION", "question"), Column("ANSWER", "answer")))
    if data["pod_cidr"]:
        ui.note(
            f"Next: az aks create --network-plugin azure --network-plugin-mode overlay --pod-cidr {data['pod_cidr']} "
            f"--service-cidr {data['service_cidr']} --dns-service-ip {data['dns_service_ip']} ..."
        )


def _subnet_lines(request: Any) -> list[str]:
    from slash24.core.addresses import AZURE_RESERVED, usable_addresses

    nodes = sum(pool.peak for pool in request.pools)
    surge = sum(pool.surge for pool in request.pools)
    return [
        f"Subnet {subnet.name} {subnet.prefix}: {usable_addresses(subnet.prefix)} usable (Azure keeps "
        f"{AZURE_RESERVED}). "
        f"Peak {nodes} nodes + {surge} surge.\n"
        for subnet in request.subnets[:1]
    ]


@plan.command(
    examples=[
        "slash24 plan check --subnet 10.20.4.0/24 --nodes 40 --service-cidr 10.20.0.0/16",
        "slash24 plan check --operation upgrade --nodes 250",
        "slash24 plan check -f slash24.toml --as-of 2024-03-30",
    ]
)
@planned
@common
def check(ui: Ui, plan: Plan) -> int:
    """Say what AKS would refuse, and what it would take though it can't work. Exit code 1 if there is an error."""
    from slash24.plan import examine

    reports = [(request, examine(request, as_of=plan.as_of)) for request in plan.requests]
    findings = [
        {
            "cluster": request.name, "code": one.code, "severity": str(one.severity), "message": one.message,
            "why": one.why, "fix": one.fix, "azure": one.azure, "azure_text": one.azure_text, "target": one.target,
            "as_of": one.as_of.isoformat(), "source": one.source,
        }
        for request, report in reports
        for one in report.findings
    ]  # fmt: skip
    unchecked = [
        {"cluster": request.name, "code": one.code, "title": one.title, "fact": one.fact}
        for request, report in reports
        for one in report.unchecked
    ]
    if ui.output in ("table", "wide") and not ui.query:
        if findings:
            ui.show(findings, _FINDINGS)
        ui.note(_summary(findings, unchecked))
    else:
        ui.show({"findings": findings, "unchecked": unchecked}, ())
    return 0 if all(report.passes for _, report in reports) else 1


def _summary(findings: list[dict[str, Any]], unchecked: list[dict[str, Any]]) -> str:
    errors = sum(one["severity"] == "error" for one in findings)
    warnings = len(findings) - errors
    facts = sorted({one["fact"] for one in unchecked})
    rest = f"; not checked, because unknown: {', '.join(facts)}" if facts else ""
    return f"{_count(errors, 'error')}, {_count(warnings, 'warning')}{rest}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@plan.command(
    examples=[
        "slash24 plan find --prefix 16 --known on-prem=10.128.0.0/9          free pod CIDRs",
        "slash24 plan find --within 10.0.0.0/8 --prefix 24 --known ipam.csv  the first free /24",
        "slash24 plan find --subnet 10.20.4.0/24 --max-pods 110              how many nodes fit there",
    ]
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


@plan.command(
    "forecast",
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


@plan.command(examples=["slash24 plan diff today.toml tomorrow.toml"])
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


@plan.command(
    "map",
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
