"""`slash24 aks nodepool update`, `upgrade`, `get-upgrades`, `stop` and `start`."""

from typing import Any

import click

from slash24.azure.ids import cluster_id
from slash24.cli.aks_tables import POOL_COLUMNS
from slash24.cli.aks_upgrade import UPGRADE_COLUMNS, check_version
from slash24.cli.az_shape import container_shape
from slash24.cli.command import Choice, Command, Several
from slash24.cli.pool_options import (
    autoscaler_options,
    change_autoscaler,
    require_something,
    upgrade_options,
    upgrade_settings,
)
from slash24.cli.ui import (
    Ui,
    common,
    complete_clusters,
    dry_run_option,
    in_group,
    never_asks,
    no_wait_option,
    pairs,
    yes_option,
)

Json = dict[str, Any]

cluster_option = click.option(
    "--cluster-name", required=True, shell_complete=complete_clusters, help="Name of the cluster.", metavar="CLUSTER"
)
pool_option = click.option("-n", "--name", "--nodepool-name", "name", required=True, help="Name of the node pool.")


def pool_path(ui: Ui, group: str, cluster: str, pool: str) -> str:
    return f"{cluster_id(ui.subscription, group, cluster)}/agentPools/{pool}"


def _send(ui: Ui, path: str, pool: Json, *, no_wait: bool, dry_run: bool) -> None:
    if dry_run:
        ui.dry_run("PUT", path, pool)
        return
    ui.change("PUT", path, pool, no_wait=no_wait)
    ui.show(container_shape(ui.session().get(path)), POOL_COLUMNS)


@click.command(
    cls=Command,
    examples=[
        "slash24 aks nodepool update -g rg --cluster-name c1 -n apps --enable-cluster-autoscaler \\\n"
        "    --min-count 0 --max-count 5",
        "slash24 aks nodepool update -g rg --cluster-name c1 -n apps --max-surge 33%",
    ],
)
@in_group()
@cluster_option
@pool_option
@autoscaler_options
@upgrade_options
@click.option("--mode", type=Choice(["System", "User"]), help="Kind of pool.")
@click.option("--tags", cls=Several, help="Tags, instead of those that it has: key=value.")
@never_asks
@no_wait_option
@dry_run_option
@common
def update(
    ui: Ui, resource_group: str, cluster_name: str, name: str, no_wait: bool, dry_run: bool, **given: Any
) -> None:
    """Change how a node pool scales and how it is upgraded."""
    require_something(given, "--enable-cluster-autoscaler, --update-cluster-autoscaler, --max-surge, --mode")
    path = pool_path(ui, resource_group, cluster_name, name)
    settings = upgrade_settings(given)
    pool = ui.session().get(path)
    fields = pool["properties"]
    warning = change_autoscaler(fields, given)
    if warning:
        ui.note(warning)
        return
    fields["upgradeSettings"] = {**fields["upgradeSettings"], **settings}
    if given["mode"]:
        fields["mode"] = given["mode"]
    if given["tags"]:
        fields["tags"] = pairs(given["tags"])
    _send(ui, path, pool, no_wait=no_wait, dry_run=dry_run)


@click.command(
    cls=Command,
    examples=[
        "slash24 aks nodepool upgrade -g rg --cluster-name c1 -n apps -k 1.37.1 --max-surge 50% --yes",
        "slash24 aks nodepool upgrade -g rg --cluster-name c1 -n apps --node-image-only --yes",
    ],
)
@in_group()
@cluster_option
@pool_option
@click.option("-k", "--kubernetes-version", help="The version to go to: the control plane's at most.")
@click.option("--node-image-only", is_flag=True, help="Give the nodes a new image; the version stays.")
@upgrade_options
@yes_option
@no_wait_option
@dry_run_option
@common
def upgrade(
    ui: Ui,
    resource_group: str,
    cluster_name: str,
    name: str,
    kubernetes_version: str | None,
    node_image_only: bool,
    yes: bool,
    no_wait: bool,
    dry_run: bool,
    **given: Any,
) -> None:
    """Upgrade the nodes of a pool: each is drained and replaced, with surge nodes at hand."""
    check_version(kubernetes_version, node_image_only=node_image_only)
    settings = upgrade_settings(given)
    path = pool_path(ui, resource_group, cluster_name, name)
    pool = ui.session().get(path)
    if not dry_run:
        ui.confirm(yes)
    if node_image_only:
        target = f"{path}/upgradeNodeImageVersion"
        if dry_run:
            ui.dry_run("POST", target)
            return
        ui.change("POST", target, no_wait=no_wait)
        ui.show(container_shape(ui.session().get(path)), POOL_COLUMNS)
        return
    fields = pool["properties"]
    fields["orchestratorVersion"] = kubernetes_version
    fields["upgradeSettings"] = {**fields["upgradeSettings"], **settings}
    _send(ui, path, pool, no_wait=no_wait, dry_run=dry_run)


@click.command(
    "get-upgrades", cls=Command, examples=["slash24 aks nodepool get-upgrades -g rg --cluster-name c1 -n apps"]
)
@in_group()
@cluster_option
@pool_option
@common
def get_upgrades(ui: Ui, resource_group: str, cluster_name: str, name: str) -> None:
    """Show the versions that a node pool can be upgraded to."""
    path = f"{pool_path(ui, resource_group, cluster_name, name)}/upgradeProfiles/default"
    ui.show(container_shape(ui.session().get(path)), UPGRADE_COLUMNS)


@click.command(cls=Command, examples=["slash24 aks nodepool stop -g rg --cluster-name c1 -n apps"])
@in_group()
@cluster_option
@pool_option
@no_wait_option
@dry_run_option
@common
def stop(ui: Ui, resource_group: str, cluster_name: str, name: str, no_wait: bool, dry_run: bool) -> None:
    """Stop a node pool: its nodes are drained and go, its count stays."""
    path = pool_path(ui, resource_group, cluster_name, name)
    _switch(ui, path, "Stopped", no_wait=no_wait, dry_run=dry_run)


@click.command(cls=Command, examples=["slash24 aks nodepool start -g rg --cluster-name c1 -n apps"])
@in_group()
@cluster_option
@pool_option
@no_wait_option
@dry_run_option
@common
def start(ui: Ui, resource_group: str, cluster_name: str, name: str, no_wait: bool, dry_run: bool) -> None:
    """Start a stopped node pool again, with as many nodes as it had."""
    path = pool_path(ui, resource_group, cluster_name, name)
    _switch(ui, path, "Running", no_wait=no_wait, dry_run=dry_run)


def _switch(ui: Ui, path: str, code: str, *, no_wait: bool, dry_run: bool) -> None:
    pool = ui.session().get(path)
    pool["properties"]["powerState"] = {"code": code}
    _send(ui, path, pool, no_wait=no_wait, dry_run=dry_run)
