"""`slash24 group`: resource groups, in az's words."""

import os

import click

from slash24.azure.ids import group_id
from slash24.cli.command import Group, Several
from slash24.cli.output import Column
from slash24.cli.ui import (
    DEFAULT_LOCATION,
    Ui,
    common,
    complete_groups,
    dry_run_option,
    no_wait_option,
    pairs,
    yes_option,
)

COLUMNS = (
    Column("NAME", "name"),
    Column("LOCATION", "location"),
    Column("STATE", "properties.provisioningState"),
    Column("MANAGED BY", lambda row: str(row.get("managedBy") or "").rsplit("/", 1)[-1], wide=True),
)
_name = click.option(
    "-n", "--name", "--resource-group", "-g", "name", required=True, envvar="AZURE_DEFAULTS_GROUP",
    shell_complete=complete_groups, help="Name of the resource group.",
)  # fmt: skip


@click.group(cls=Group, examples=["slash24 group create -n rg-aks-cni -l northeurope", "slash24 group list"])
def group() -> None:
    """Resource groups. The options are `az group`'s."""


@group.command(examples=["slash24 group create -n rg-aks-cni -l northeurope"])
@_name
@click.option("-l", "--location", envvar="AZURE_DEFAULTS_LOCATION", help=f"Location.  [default: {DEFAULT_LOCATION}]")
@click.option("--tags", cls=Several, help="Tags: key=value, several apart by blanks.")
@click.option("--managed-by", hidden=True)
@dry_run_option
@common
def create(
    ui: Ui, name: str, location: str | None, tags: tuple[str, ...], managed_by: str | None, dry_run: bool
) -> None:
    """Create a resource group."""
    path, body = group_id(ui.subscription, name), {"location": location or DEFAULT_LOCATION, "tags": pairs(tags)}
    if managed_by:
        body["managedBy"] = managed_by
    if dry_run:
        ui.dry_run("PUT", path, body)
        return
    ui.change("PUT", path, body)
    ui.show(ui.session().get(path), COLUMNS)


@group.command(examples=["slash24 group show -n rg-aks-cni -o json"])
@_name
@common
def show(ui: Ui, name: str) -> None:
    """Show a resource group."""
    ui.show(ui.session().get(group_id(ui.subscription, name)), COLUMNS)


@group.command("list", examples=["slash24 group list", "slash24 group list --query '[].name' -o tsv"])
@common
def list_groups(ui: Ui) -> None:
    """List the resource groups."""
    ui.show(ui.session().list(f"/subscriptions/{ui.subscription}/resourcegroups"), COLUMNS)


@group.command(examples=["slash24 group delete -n rg-aks-cni --yes"])
@_name
@yes_option
@no_wait_option
@dry_run_option
@common
def delete(ui: Ui, name: str, yes: bool, no_wait: bool, dry_run: bool) -> None:
    """Delete a resource group with all that is in it."""
    path = group_id(ui.subscription, name)
    if dry_run:
        ui.dry_run("DELETE", path)
        return
    ui.confirm(yes)
    ui.change("DELETE", path, no_wait=no_wait)
    if not no_wait:
        ui.forget_deleted_clusters()


def group_location(ui: Ui, name: str) -> str:
    """Return where a new thing goes that names no place: AZURE_DEFAULTS_LOCATION, its group's, or northeurope."""
    chosen = os.environ.get("AZURE_DEFAULTS_LOCATION")
    if chosen:
        return chosen
    from slash24.cli.session import lab_runs

    found = ui.session().get_or_none(group_id(ui.subscription, name)) if lab_runs(ui.lab) else None
    return str(found["location"]) if found else DEFAULT_LOCATION
