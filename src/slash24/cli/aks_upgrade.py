"""`slash24 aks upgrade`, `get-upgrades` and `get-versions`."""

import re
from typing import Any

import click

from slash24.azure.ids import cluster_id
from slash24.cli.aks_tables import CLUSTER_COLUMNS
from slash24.cli.az_shape import container_shape
from slash24.cli.command import Command
from slash24.cli.output import Column
from slash24.cli.ui import Ui, common, complete_clusters, dry_run_option, in_group, no_wait_option, yes_option
from slash24.errors import Slash24Error, UsageError

Json = dict[str, Any]

CONFLICT = (
    "Conflicting flags. Upgrading the Kubernetes version will also upgrade node image version. If you only want to "
    'upgrade the node version please use the "--node-image-only" option only.'
)
UPGRADE_COLUMNS = (
    Column("NAME", "name"),
    Column("VERSION", lambda row: (row.get("controlPlaneProfile") or row).get("kubernetesVersion")),
    Column("UPGRADES", lambda row: _versions((row.get("controlPlaneProfile") or row).get("upgrades"))),
)
_VERSION_COLUMNS = (
    Column("KUBERNETES VERSION", "version"),
    Column("UPGRADES", "upgrades"),
    Column("DEFAULT", lambda row: "yes" if row["isDefault"] else ""),
)
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
_name = click.option("-n", "--name", required=True, shell_complete=complete_clusters, help="Name of the cluster.")


def _versions(entries: list[Json] | None) -> list[str]:
    return [entry["kubernetesVersion"] for entry in entries or ()]


def check_version(version: str | None, *, node_image_only: bool) -> None:
    """Raise what az says of these options before it sends anything."""
    if version and node_image_only:
        raise Slash24Error(CONFLICT)
    if version and not _VERSION.fullmatch(version):
        raise Slash24Error(
            "--kubernetes-version should be the full version number or major.minor version number, such as "
            '"1.7.12" or "1.7"'
        )
    if not version and not node_image_only:
        raise UsageError(
            "neither a version nor --node-image-only was given", fix="--kubernetes-version 1.37.1, see get-upgrades"
        )


@click.command(
    cls=Command,
    examples=[
        "slash24 aks upgrade -n c1 -g rg --kubernetes-version 1.37.1 --yes",
        "slash24 aks upgrade -n c1 -g rg -k 1.37.1 --control-plane-only --yes",
        "slash24 aks upgrade -n c1 -g rg --node-image-only --yes",
    ],
)
@in_group()
@_name
@click.option("-k", "--kubernetes-version", help="The version to go to: the next minor at most.")
@click.option("--control-plane-only", is_flag=True, help="Leave the node pools as they are.")
@click.option("--node-image-only", is_flag=True, help="Give all nodes a new image; the version stays.")
@yes_option
@no_wait_option
@dry_run_option
@common
def upgrade(
    ui: Ui,
    resource_group: str,
    name: str,
    kubernetes_version: str | None,
    control_plane_only: bool,
    node_image_only: bool,
    yes: bool,
    no_wait: bool,
    dry_run: bool,
) -> None:
    """Upgrade a cluster: its control plane, then its nodes, each drained and replaced with a surge node at hand."""
    check_version(kubernetes_version, node_image_only=node_image_only)
    path = cluster_id(ui.subscription, resource_group, name)
    document = ui.session().get(path)
    if node_image_only:
        changes: list[tuple[str, str, Json | None]] = [
            ("POST", f"{path}/agentPools/{pool['name']}/upgradeNodeImageVersion", None)
            for pool in document["properties"]["agentPoolProfiles"]
        ]
    else:
        _plan(ui, document, str(kubernetes_version), control_plane_only=control_plane_only)
        changes = [("PUT", path, document)]
    if dry_run:
        for method, target, body in changes:
            ui.dry_run(method, target, body)
        return
    ui.confirm(yes)
    for number, (method, target, body) in enumerate(changes):
        ui.change(method, target, body, no_wait=no_wait and number == len(changes) - 1)
    ui.show(container_shape(ui.session().get(path)), CLUSTER_COLUMNS)


def _plan(ui: Ui, document: Json, version: str, *, control_plane_only: bool) -> None:
    """Put the version into the document that is to be sent, as az does."""
    properties = document["properties"]
    if properties["currentKubernetesVersion"] == version:
        ui.note(
            f"The cluster is already on version {version} and is not in a failed state. No operations will occur when "
            "upgrading to the same version if the cluster is not in a failed state."
        )
    properties["kubernetesVersion"] = version
    for pool in () if control_plane_only else properties["agentPoolProfiles"]:
        pool["orchestratorVersion"] = version


@click.command("get-upgrades", cls=Command, examples=["slash24 aks get-upgrades -n c1 -g rg"])
@in_group()
@_name
@common
def get_upgrades(ui: Ui, resource_group: str, name: str) -> None:
    """Show the versions that a cluster can be upgraded to."""
    path = f"{cluster_id(ui.subscription, resource_group, name)}/upgradeProfiles/default"
    ui.show(container_shape(ui.session().get(path)), UPGRADE_COLUMNS)


@click.command("get-versions", cls=Command, examples=["slash24 aks get-versions -l northeurope"])
@click.option("-l", "--location", required=True, help="Any location; a lab has the same versions everywhere.")
@common
def get_versions(ui: Ui, location: str) -> None:
    """List the versions of Kubernetes that there are."""
    path = f"/subscriptions/{ui.subscription}/providers/Microsoft.ContainerService/locations/{location}"
    found = ui.session().get(f"{path}/kubernetesVersions")
    if ui.output not in ("table", "wide"):
        ui.show(found, ())
        return
    rows = [
        {
            "version": version,
            "upgrades": patch["upgrades"],
            "isDefault": minor["isDefault"] and version == list(minor["patchVersions"])[-1],
        }
        for minor in found["values"]
        for version, patch in minor["patchVersions"].items()
    ]
    ui.show(rows[::-1], _VERSION_COLUMNS)
