"""`slash24 plan size|advise|check`: the models side by side, proposals, and what AKS would say."""

from typing import Any

import click

from slash24.cli.command import Command
from slash24.cli.output import Column
from slash24.cli.plan_options import Plan, planned
from slash24.cli.ui import Ui, common


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


@click.command(
    "size",
    cls=Command,
    examples=["slash24 plan size --nodes 10 --max-pods 30", "slash24 plan size --max-count 40 -o json"],
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


@click.command(
    cls=Command,
    examples=[
        "slash24 plan advise --vnet 10.20.0.0/16 --subnet 10.20.4.0/24 --nodes 40 --max-pods 110 \\\n"
        "    --known hub=10.10.0.0/16 on-prem=10.128.0.0/9"
    ],
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


@click.command(
    cls=Command,
    examples=[
        "slash24 plan check --subnet 10.20.4.0/24 --nodes 40 --service-cidr 10.20.0.0/16",
        "slash24 plan check --operation upgrade --nodes 250",
        "slash24 plan check -f slash24.toml --as-of 2024-03-30",
    ],
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
