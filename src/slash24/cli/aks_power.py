"""`slash24 aks stop` and `start`."""

import click

from slash24.azure.ids import cluster_id
from slash24.cli.command import Command
from slash24.cli.ui import Ui, common, complete_clusters, dry_run_option, in_group, no_wait_option

_name = click.option("-n", "--name", required=True, shell_complete=complete_clusters, help="Name of the cluster.")


@click.command(cls=Command, examples=["slash24 aks stop -n c1 -g rg"])
@in_group()
@_name
@no_wait_option
@dry_run_option
@common
def stop(ui: Ui, resource_group: str, name: str, no_wait: bool, dry_run: bool) -> None:
    """Stop a cluster: its nodes are drained and go, its control plane ends, what its API holds is kept."""
    _switch(ui, f"{cluster_id(ui.subscription, resource_group, name)}/stop", no_wait=no_wait, dry_run=dry_run)


@click.command(cls=Command, examples=["slash24 aks start -n c1 -g rg"])
@in_group()
@_name
@no_wait_option
@dry_run_option
@common
def start(ui: Ui, resource_group: str, name: str, no_wait: bool, dry_run: bool) -> None:
    """Start a stopped cluster again, with as many nodes as it had."""
    _switch(ui, f"{cluster_id(ui.subscription, resource_group, name)}/start", no_wait=no_wait, dry_run=dry_run)


def _switch(ui: Ui, path: str, *, no_wait: bool, dry_run: bool) -> None:
    if dry_run:
        ui.dry_run("POST", path)
    else:
        ui.change("POST", path, no_wait=no_wait)
