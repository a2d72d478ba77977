"""`slash24 aks nodepool`: node pools, in az's words."""

from typing import Any

import click

from slash24.azure.ids import cluster_id, is_resource_id
from slash24.cli import nodepool_change
from slash24.cli.aks_options import ADD_KEPT, ADD_UNBUILT, place_kept, with_kept, with_unbuilt
from slash24.cli.aks_tables import POOL_COLUMNS
from slash24.cli.az_shape import container_shape
from slash24.cli.command import Choice, Group, Several
from slash24.cli.nodepool_change import cluster_option, pool_option, pool_path
from slash24.cli.pool_options import upgrade_options, upgrade_settings
from slash24.cli.ui import Ui, common, dry_run_option, in_group, never_asks, no_wait_option
from slash24.errors import NotFoundError, Slash24Error
from slash24.plan.rules.names import az_count_fault, az_pool_name_fault


@click.group(cls=Group, examples=["slash24 aks nodepool add -g rg --cluster-name c1 -n apps --node-count 2"])
def nodepool() -> None:
    """Node pools of a cluster."""


for _command in (
    nodepool_change.update,
    nodepool_change.upgrade,
    nodepool_change.get_upgrades,
    nodepool_change.stop,
    nodepool_change.start,
):
    nodepool.add_command(_command)


@nodepool.command(
    examples=[
        "slash24 aks nodepool add -g rg --cluster-name c1 -n apps --node-count 2",
        "slash24 aks nodepool add -g rg --cluster-name c1 -n apps \\\n"
        "    --labels team=shop --node-taints only=shop:NoSchedule",
    ]
)
@in_group()
@cluster_option
@pool_option
@click.option("-c", "--node-count", type=int, default=3, show_default=True, help="Nodes.")
@click.option("--mode", type=Choice(["System", "User"]), default="User", show_default=True, help="Kind of pool.")
@click.option("-m", "--max-pods", type=int, help="Pods a node takes, 10 to 250.  [default: 250]")
@click.option("-e", "--enable-cluster-autoscaler", is_flag=True, help="Let the pool grow and shrink.")
@click.option("--min-count", type=int, help="Fewest nodes of the autoscaler.")
@click.option("--max-count", type=int, help="Most nodes of the autoscaler.")
@click.option("--labels", cls=Several, help="Labels of the nodes: key=value.")
@click.option("--node-taints", help="Taints of the nodes: key=value:Effect,...")
@click.option("--vnet-subnet-id", help="Subnet of the nodes.  [default: the first pool's]")
@upgrade_options
@with_kept(ADD_KEPT)
@with_unbuilt(ADD_UNBUILT)
@no_wait_option
@dry_run_option
@common
def add(ui: Ui, resource_group: str, cluster_name: str, name: str, no_wait: bool, dry_run: bool, **given: Any) -> None:
    """Add a node pool."""
    from slash24.cli.aks_create import pool_fields

    fault = az_pool_name_fault(name) or az_count_fault(
        autoscale=given["enable_cluster_autoscaler"],
        count=given["node_count"],
        min_count=given["min_count"],
        max_count=given["max_count"],
        system=given["mode"] == "System",
    )
    subnet = given["vnet_subnet_id"]
    if subnet and not is_resource_id(subnet):
        fault = "--vnet-subnet-id is not a valid Azure resource ID."
    if fault:
        raise Slash24Error(fault)
    pool = pool_fields(given, given["labels"], given["node_taints"]) | {"mode": given["mode"]}
    settings = upgrade_settings(given)
    if settings:
        pool["upgradeSettings"] = settings
    place_kept(ADD_KEPT, given, {}, pool)
    path = pool_path(ui, resource_group, cluster_name, name)
    if dry_run:
        ui.dry_run("PUT", path, {"properties": pool})
        return
    pools = ui.session().list(path.rpartition("/")[0])
    if any(one["name"] == name for one in pools):
        raise Slash24Error(
            f"Node pool {name} already exists, please try a different name, use 'aks nodepool list' to get current "
            "list of node pool"
        )
    ui.change("PUT", path, {"properties": pool}, no_wait=no_wait)
    ui.show(container_shape(ui.session().get(path)), POOL_COLUMNS)


@nodepool.command("list", examples=["slash24 aks nodepool list -g rg --cluster-name c1"])
@in_group()
@cluster_option
@common
def list_pools(ui: Ui, resource_group: str, cluster_name: str) -> None:
    """List the node pools of a cluster."""
    found = ui.session().list(f"{cluster_id(ui.subscription, resource_group, cluster_name)}/agentPools")
    ui.show([container_shape(document) for document in found], POOL_COLUMNS)


@nodepool.command(examples=["slash24 aks nodepool show -g rg --cluster-name c1 -n nodepool1 -o json"])
@in_group()
@cluster_option
@pool_option
@common
def show(ui: Ui, resource_group: str, cluster_name: str, name: str) -> None:
    """Show a node pool."""
    ui.show(container_shape(ui.session().get(pool_path(ui, resource_group, cluster_name, name))), POOL_COLUMNS)


@nodepool.command(examples=["slash24 aks nodepool scale -g rg --cluster-name c1 -n apps --node-count 5"])
@in_group()
@cluster_option
@pool_option
@click.option("-c", "--node-count", type=int, default=3, show_default=True, help="Nodes that the pool shall have.")
@no_wait_option
@dry_run_option
@common
def scale(
    ui: Ui, resource_group: str, cluster_name: str, name: str, node_count: int, no_wait: bool, dry_run: bool
) -> None:
    """Give a node pool another number of nodes."""
    path = pool_path(ui, resource_group, cluster_name, name)
    pool = ui.session().get(path)
    if pool["properties"].get("enableAutoScaling"):
        raise Slash24Error("Cannot scale cluster autoscaler enabled node pool.")
    if pool["properties"]["count"] == node_count:
        raise Slash24Error("The new node count is the same as the current node count.")
    pool["properties"]["count"] = node_count
    if dry_run:
        ui.dry_run("PUT", path, pool)
        return
    ui.change("PUT", path, pool, no_wait=no_wait)
    ui.show(container_shape(ui.session().get(path)), POOL_COLUMNS)


@nodepool.command(examples=["slash24 aks nodepool delete -g rg --cluster-name c1 -n apps"])
@in_group()
@cluster_option
@pool_option
@never_asks
@no_wait_option
@dry_run_option
@common
def delete(ui: Ui, resource_group: str, cluster_name: str, name: str, no_wait: bool, dry_run: bool) -> None:
    """Delete a node pool with its nodes. As az, it doesn't ask."""
    path = pool_path(ui, resource_group, cluster_name, name)
    if dry_run:
        ui.dry_run("DELETE", path)
        return
    pools = ui.session().list(path.rpartition("/")[0])
    if not any(one["name"].lower() == name.lower() for one in pools):
        raise NotFoundError(f"Node pool {name} doesnt exist, use 'aks nodepool list' to get current node pool list")
    ui.change("DELETE", path, no_wait=no_wait)
