"""`slash24 aks`: clusters, in az's words."""

import sys
from pathlib import Path
from typing import Any

import click

from slash24.azure.ids import cluster_id, group_id
from slash24.cli.aks_create import create
from slash24.cli.aks_power import start, stop
from slash24.cli.aks_tables import CLUSTER_COLUMNS
from slash24.cli.aks_update import update
from slash24.cli.aks_upgrade import get_upgrades, get_versions, upgrade
from slash24.cli.az_shape import container_shape
from slash24.cli.command import Group
from slash24.cli.nodepool import nodepool
from slash24.cli.ui import Ui, common, complete_clusters, dry_run_option, in_group, no_wait_option, yes_option
from slash24.errors import Slash24Error, UsageError

_name = click.option("-n", "--name", required=True, shell_complete=complete_clusters, help="Name of the cluster.")


@click.group(
    cls=Group,
    examples=[
        "slash24 aks create -n c1 -g rg --node-count 2",
        "slash24 aks get-credentials -n c1 -g rg --file kubeconfig; kubectl --kubeconfig kubeconfig get nodes",
    ],
)
def aks() -> None:
    """Clusters. The options are `az aks`'s."""


for _command in (create, nodepool, update, upgrade, get_upgrades, get_versions, stop, start):
    aks.add_command(_command)


@aks.command(
    examples=["slash24 aks show -n c1 -g rg", "slash24 aks show -n c1 -g rg --query networkProfile.podCidr -o tsv"]
)
@in_group()
@_name
@common
def show(ui: Ui, resource_group: str, name: str) -> None:
    """Show a cluster."""
    found = ui.session().get(cluster_id(ui.subscription, resource_group, name))
    ui.show(container_shape(found), CLUSTER_COLUMNS)


@aks.command("list", examples=["slash24 aks list", "slash24 aks list -g rg --query '[].name' -o tsv"])
@in_group(required=False)
@common
def list_clusters(ui: Ui, resource_group: str | None) -> None:
    """List the clusters, of one group or of all."""
    scope = group_id(ui.subscription, resource_group) if resource_group else f"/subscriptions/{ui.subscription}"
    found = ui.session().list(f"{scope}/providers/Microsoft.ContainerService/managedClusters")
    ui.show([container_shape(document) for document in found], CLUSTER_COLUMNS)


@aks.command(examples=["slash24 aks delete -n c1 -g rg --yes"])
@in_group()
@_name
@yes_option
@no_wait_option
@dry_run_option
@common
def delete(ui: Ui, resource_group: str, name: str, yes: bool, no_wait: bool, dry_run: bool) -> None:
    """Delete a cluster with its nodes, and its managed VNet if it has one."""
    path = cluster_id(ui.subscription, resource_group, name)
    if dry_run:
        ui.dry_run("DELETE", path)
        return
    ui.session().get(path)  # az says when there is nothing to delete; the service doesn't
    ui.confirm(yes)
    ui.change("DELETE", path, no_wait=no_wait)
    if not no_wait:
        ui.forget_deleted_clusters()


@aks.command(examples=["slash24 aks scale -n c1 -g rg --node-count 5"])
@in_group()
@_name
@click.option("-c", "--node-count", type=int, required=True, help="Nodes that the pool shall have.")
@click.option("--nodepool-name", help="The pool, if the cluster has several.")
@no_wait_option
@dry_run_option
@common
def scale(
    ui: Ui, resource_group: str, name: str, node_count: int, nodepool_name: str | None, no_wait: bool, dry_run: bool
) -> None:
    """Give a pool another number of nodes."""
    path = cluster_id(ui.subscription, resource_group, name)
    document = ui.session().get(path)
    pools: list[dict[str, Any]] = document["properties"]["agentPoolProfiles"]
    if len(pools) > 1 and not nodepool_name:
        raise Slash24Error(
            "There are more than one node pool in the cluster. Please specify nodepool name or use az aks nodepool "
            "command to scale node pool",
            fix=f"--nodepool-name {pools[0]['name']}",
        )
    wanted = nodepool_name or pools[0]["name"]
    pool = next((one for one in pools if one["name"] == wanted), None)
    if pool is None:
        raise Slash24Error(
            f"The node pool '{wanted}' was not found.",
            fix=f"one of {', '.join(one['name'] for one in pools)}",
        )
    if pool.get("enableAutoScaling"):
        raise Slash24Error(
            "Cannot scale cluster autoscaler enabled node pool.",
            why=f"the autoscaler keeps {wanted} between {pool.get('minCount')} and {pool.get('maxCount')} nodes",
        )
    pool["count"] = node_count
    if dry_run:
        ui.dry_run("PUT", path, document)
        return
    ui.change("PUT", path, document, no_wait=no_wait)
    ui.show(container_shape(ui.session().get(path)), CLUSTER_COLUMNS)


@aks.command(
    "get-credentials",
    examples=[
        "slash24 aks get-credentials -n c1 -g rg --file kubeconfig",
        "slash24 aks get-credentials -n c1 -g rg --file - | less",
    ],
)
@in_group()
@_name
@click.option("-f", "--file", help="Kubeconfig to write into; - is stdout.  [default: KUBECONFIG, else the lab's own]")
@click.option("-a", "--admin", is_flag=True, help="The administrator's credentials.")
@click.option("--overwrite-existing", is_flag=True, help="Replace entries of the same name.")
@click.option("--context", help="Name of the context.  [default: the cluster's]")
@click.option("--merge", is_flag=True, help="Write into ~/.kube/config.")
@click.option("--format", hidden=True)
@click.option("--public-fqdn", is_flag=True, hidden=True)
@dry_run_option
@common
def get_credentials(
    ui: Ui,
    resource_group: str,
    name: str,
    file: str | None,
    admin: bool,
    overwrite_existing: bool,
    context: str | None,
    merge: bool,
    dry_run: bool,
    **_taken: Any,
) -> None:
    """Write the kubeconfig of a cluster. Other entries of the file stay."""
    import base64

    from slash24.cli.kubeconfig import default_file, merge_into, renamed

    if merge and file:
        raise UsageError("--merge and --file exclude each other", fix="leave one out")
    action = "listClusterAdminCredential" if admin else "listClusterUserCredential"
    path = f"{cluster_id(ui.subscription, resource_group, name)}/{action}"
    target = Path.home() / ".kube/config" if merge else Path(file) if file else default_file(ui.lab)
    if dry_run:
        click.echo(f"POST {path}\nwrite: {'stdout' if file == '-' else target}")
        return
    _, answer, _ = ui.session().request("POST", path)
    text = base64.b64decode(answer["kubeconfigs"][0]["value"]).decode()
    if context:
        text = renamed(text, context)
    if file == "-":
        sys.stdout.write(text)
        return
    current = merge_into(target, text, overwrite=overwrite_existing)
    ui.note(f'Merged "{current}" as current context in {target}')
    if not file and not merge:
        ui.note(f"use it: export KUBECONFIG={target}")
