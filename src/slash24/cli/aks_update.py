"""`slash24 aks update`: the autoscaler, its profile, tags."""

from typing import Any

import click

from slash24.azure.ids import cluster_id
from slash24.cli.aks_tables import CLUSTER_COLUMNS
from slash24.cli.az_shape import container_shape
from slash24.cli.command import Command, Several
from slash24.cli.pool_options import (
    autoscaler_options,
    change_autoscaler,
    profile_option,
    read_profile_option,
    require_something,
)
from slash24.cli.ui import Ui, common, complete_clusters, dry_run_option, in_group, never_asks, no_wait_option, pairs
from slash24.errors import Slash24Error


@click.command(
    cls=Command,
    examples=[
        "slash24 aks update -n c1 -g rg --enable-cluster-autoscaler --min-count 1 --max-count 5",
        "slash24 aks update -n c1 -g rg --update-cluster-autoscaler --min-count 2 --max-count 9",
        "slash24 aks update -n c1 -g rg --cluster-autoscaler-profile scale-down-unneeded-time=10m expander=most-pods",
        'slash24 aks update -n c1 -g rg --cluster-autoscaler-profile ""     back to the defaults',
    ],
)
@in_group()
@click.option("-n", "--name", required=True, shell_complete=complete_clusters, help="Name of the cluster.")
@autoscaler_options
@profile_option
@click.option("--tags", cls=Several, help="Tags, instead of those that it has: key=value.")
@never_asks
@no_wait_option
@dry_run_option
@common
def update(ui: Ui, resource_group: str, name: str, no_wait: bool, dry_run: bool, **given: Any) -> None:
    """Change the autoscaler of a cluster with one pool, the profile of all pools, or tags."""
    require_something(given, "--enable-cluster-autoscaler, --cluster-autoscaler-profile, --tags")
    path = cluster_id(ui.subscription, resource_group, name)
    settings = read_profile_option(given["cluster_autoscaler_profile"])
    document = ui.session().get(path)
    properties = document["properties"]
    pools = properties["agentPoolProfiles"]
    flags = [key for key in given if key.endswith("_cluster_autoscaler") and given[key]]
    if flags and len(pools) > 1:
        raise Slash24Error(
            'There is more than one node pool in the cluster. Please use "az aks nodepool" command to update per node '
            "pool auto scaler settings",
            fix=f"slash24 aks nodepool update -g {resource_group} --cluster-name {name} -n {pools[0]['name']} ...",
        )
    warning = change_autoscaler(pools[0], given)
    if warning:
        ui.note(warning)
        return
    if given["cluster_autoscaler_profile"]:
        kept = properties.get("autoScalerProfile") or {}
        properties["autoScalerProfile"] = {**kept, **settings} if settings else dict.fromkeys(kept)
    if given["tags"]:
        document["tags"] = pairs(given["tags"])
    if dry_run:
        ui.dry_run("PUT", path, document)
        return
    ui.change("PUT", path, document, no_wait=no_wait)
    ui.show(container_shape(ui.session().get(path)), CLUSTER_COLUMNS)
