"""`slash24 migrate`: moving a cluster from one networking model to another."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from slash24.cli.command import Choice, Command, Group
from slash24.cli.output import Column
from slash24.cli.ui import Ui, common
from slash24.core.topology import resource_key
from slash24.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from slash24.plan.iac.inventory import Found
    from slash24.plan.migration import Assessment

TARGETS = [
    "overlay", "cilium", "overlay-cilium", "node-subnet", "pod-subnet", "kubenet", "policy-none", "policy-azure",
    "policy-calico", "pod-cidr", "service-cidr", "max-pods",
]  # fmt: skip
_NEEDS = {"pod-cidr": "pod_cidr", "service-cidr": "service_cidr", "max-pods": "max_pods"}
_COLUMNS = (
    Column("CHECK", "check"),
    Column("RESULT", "result"),
    Column("WHAT", "message"),
    Column("CODE", "code"),
    Column("WHY", "why", wide=True),
    Column("SOURCE", "source", wide=True),
)


@click.group(
    cls=Group,
    examples=["slash24 migrate assess prod.json prod.yaml --vnet vnet.json --iac main.tf"],
)
def migrate() -> None:
    """Move a cluster to another networking model: what blocks it, what it does, in which order."""


@migrate.command(
    cls=Command,
    examples=[
        "az aks show -g rg -n prod -o json > prod.json; az network vnet show -g rg -n v -o json > vnet.json",
        "kubectl get networkpolicy,configmap,service -A -o yaml > prod.yaml",
        "slash24 migrate assess prod.json prod.yaml --vnet vnet.json --iac main.tf",
        "slash24 migrate assess prod.json --to cilium",
        "slash24 migrate assess prod.json --to pod-cidr --pod-cidr 10.244.0.0/14",
    ],
)
@click.argument("cluster", metavar="CLUSTER.json")
@click.argument("manifests", nargs=-1, metavar="MANIFESTS...")
@click.option(
    "--to",
    "target",
    type=Choice(TARGETS),
    default="overlay",
    show_default=True,
    help="What it is to become: " + ", ".join(TARGETS) + ".",
    metavar="TARGET",
)
@click.option("--pod-cidr", default="", metavar="CIDR", help="The pod CIDR that it is to have.")
@click.option("--service-cidr", default="", metavar="CIDR", help="The service CIDR that it is to have.")
@click.option("--max-pods", default=0, metavar="N", help="The pods that a node is to take.")
@click.option("--vnet", "vnets", multiple=True, metavar="FILE", help="What `az network vnet show -o json` printed.")
@click.option("--iac", multiple=True, metavar="FILE|FOLDER", help="Terraform that describes the cluster.")
@click.option("--cluster-name", metavar="NAME", help="The one that is meant, if CLUSTER.json lists several.")
@click.option("--as-of", metavar="DATE", help="Judge by the rules as they stood on that day.  [default: today]")
@common
def assess(
    ui: Ui,
    cluster: str,
    manifests: tuple[str, ...],
    target: str,
    vnets: tuple[str, ...],
    iac: tuple[str, ...],
    cluster_name: str | None,
    as_of: str | None,
    **new: Any,
) -> int:
    """Tell what blocks a move, what else it does, and the commands in their order. Offline; changes nothing.

    Exit code 1 if something blocks it.
    """  # fmt: skip
    from slash24.cli import sources
    from slash24.cli.lint import day_of
    from slash24.plan.iac import manifests as objects
    from slash24.plan.migration import Result, Surroundings, Target, changed, ordered
    from slash24.plan.migration import assess as judge

    needed = _NEEDS.get(target)
    if needed and not new[needed]:
        raise UsageError(f"--to {target} needs --{target}", fix=f"--to {target} --{target} VALUE")
    found = _cluster(sources.read([cluster, *vnets]), cluster, cluster_name)
    listed = objects.read(sources.read(manifests))
    current = replace(found.request, ip_masq=listed.ip_masq, internal_frontends=listed.internal_frontends)
    around = Surroundings(
        group=_group(found), route_table_sharers=_sharers(found) if vnets else None,
        policies=listed.policies if manifests else None,
    )  # fmt: skip
    request = changed(current, Target(target), **new)
    if replace(request, current=None, operation=current.operation) == current:
        raise UsageError(f"{current.name} is that already: {target}", fix="--to another target")
    result = judge(request, around, as_of=day_of(as_of))
    if iac:
        result = replace(result, checks=ordered([*result.checks, *_terraform(sources.read(iac), result)]))
    _show(ui, result, target)
    return 1 if result.count(Result.BLOCKER) else 0


def _cluster(files: Any, name: str, wanted: str | None) -> "Found":
    """Return the cluster of the files. Raises NotFoundError if there is none, UsageError if there are several."""
    from slash24.plan.iac.inventory import Inventory
    from slash24.plan.iac.lint import read

    clusters = Inventory(read(files).resources).clusters()
    if wanted:
        clusters = [one for one in clusters if one.request.name == wanted]
    if not clusters:
        raise NotFoundError(
            f"{name} shows no cluster{f' {wanted}' if wanted else ''}", fix="az aks show -g RG -n NAME -o json"
        )
    if len(clusters) > 1:
        names = ", ".join(str(one.request.name) for one in clusters)
        raise UsageError(f"{name} has several clusters: {names}", fix="--cluster-name NAME")
    return clusters[0]


def _group(found: "Found") -> str:
    group = found.document.get("resourceGroup")
    if group is not None:
        return group.text
    key = found.document.get("id")
    parts = key.text.split("/") if key is not None else []
    return parts[4] if len(parts) > 4 else "<group>"


def _sharers(found: "Found") -> tuple[str, ...]:
    """Return the subnets beside the nodes' own that have their route table."""
    own = {resource_key(pool.subnet_id or "") for pool in found.request.pools}
    tables = {one.route_table for one in found.request.subnets if one.id in own and one.route_table}
    nodes = {one.name for one in found.request.subnets if one.id in own}
    return tuple(one.name for one in found.request.subnets if one.route_table in tables and one.name not in nodes)


def _terraform(files: Any, result: "Assessment") -> Any:
    from slash24.plan.iac import terraform_drift
    from slash24.plan.iac.inventory import Inventory
    from slash24.plan.iac.lint import read

    clusters = Inventory(read(files).resources).clusters()
    if not clusters:
        raise NotFoundError("--iac names no file that makes a cluster", fix="--iac main.tf, or its folder")
    same = [one for one in clusters if one.request.name == result.before.name] or clusters[:1]
    return [check for one in same for check in terraform_drift.judge(one, result.before, result.after)]


def _show(ui: Ui, result: "Assessment", target: str) -> None:
    from slash24.plan.migration import Result

    checks = [{key: str(value) for key, value in asdict(one).items()} for one in result.checks]
    steps = [asdict(one) for one in result.steps]
    if ui.output not in ("table", "wide") or ui.query:
        ui.show({"cluster": result.before.name, "from": str(result.before.model), "to": target, "checks": checks,
                 "steps": steps}, ())  # fmt: skip
        return
    nodes = sum(pool.count or 0 for pool in result.before.pools)
    click.echo(
        f"{result.before.name}: {result.before.model} -> {target}, pools: {len(result.before.pools)}, nodes: {nodes}\n"
    )
    ui.show(checks, _COLUMNS)
    for one in result.checks:
        if one.fix and one.result is not Result.OK:
            click.echo(f"\n{one.result} {one.check}\n  fix:   {one.fix}")
    if result.steps:
        click.echo("\nin this order:")
        for number, step in enumerate(result.steps, 1):
            click.echo(f"{number:>3}. {step.command}\n     # {step.why}")
    words = (
        (Result.BLOCKER, "blocker"),
        (Result.DANGER, "danger"),
        (Result.WARNING, "warning"),
        (Result.UNKNOWN, "unknown"),
    )
    counts = ", ".join(
        f"{result.count(kind)} {word}{'s' * (result.count(kind) != 1 and word != 'unknown')}" for kind, word in words
    )
    ui.note(counts)
