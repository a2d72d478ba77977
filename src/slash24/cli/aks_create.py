"""`slash24 aks create`: az's options in, one ARM document out."""

import re
from typing import Any

import click

from slash24.azure.ids import cluster_id, is_resource_id
from slash24.cli.aks_options import (
    CREATE_KEPT,
    CREATE_UNBUILT,
    check_addons,
    not_built,
    place_kept,
    with_kept,
    with_unbuilt,
)
from slash24.cli.aks_tables import CLUSTER_COLUMNS
from slash24.cli.az_shape import container_shape
from slash24.cli.command import Choice, Command, Several
from slash24.cli.group import group_location
from slash24.cli.pool_options import profile_option, read_profile_option
from slash24.cli.ui import Ui, common, dry_run_option, in_group, no_wait_option, pairs
from slash24.errors import Slash24Error
from slash24.plan.rules.names import CLUSTER_NAME_TEXT, az_count_fault, az_pool_name_fault
from slash24.plan.rules.plugins import NO_OVERLAY_TEXT

ARTICLE = (
    "slash24 aks create -n aks-cni-01 -g rg-aks-cni --location northeurope --network-plugin azure \\\n"
    "    --network-plugin-mode overlay --pod-cidr 192.168.0.0/16 --generate-ssh-keys --node-count 2 \\\n"
    "    --node-vm-size Standard_DS2_v2 --enable-cluster-autoscaler --min-count 2 --max-count 10 \\\n"
    "    --vnet-subnet-id $AKS_SUBNET_ID"
)
_EPILOG = """Every other option of `az aks create` is taken: those that have nothing to do with networking are kept in
the cluster's document and do nothing; those that concern networking and are not built yet are refused by name."""
_TRANSPORT_HELP = (
    "How pods reach other nodes; slash24's own option. encapsulated is VXLAN, routed what Azure's fabric does.  "
    "[default: encapsulated]"
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")


@click.command(
    cls=Command,
    examples=[
        "slash24 aks create -n c1 -g rg                           Azure CNI Overlay with AKS' defaults",
        ARTICLE,
        "slash24 aks create -n c1 -g rg --node-count 2 --transport routed --dry-run",
    ],
    epilog=_EPILOG,
)
@in_group()
@click.option("-n", "--name", required=True, help="Name of the cluster.")
@click.option("-l", "--location", help="Location.  [default: the group's]")
@click.option("-c", "--node-count", type=int, default=3, show_default=True, help="Nodes of the first pool.")
@click.option("--nodepool-name", default="nodepool1", show_default=True, help="Name of the first pool.")
@click.option("--nodepool-labels", cls=Several, help="Labels of its nodes: key=value.")
@click.option("--nodepool-taints", help="Taints of its nodes: key=value:Effect,...")
@click.option("--nodepool-tags", cls=Several, hidden=True)
@click.option("-m", "--max-pods", type=int, help="Pods a node takes, 10 to 250.  [default: 250]")
@click.option("--enable-cluster-autoscaler", is_flag=True, help="Let the first pool grow and shrink.")
@click.option("--min-count", type=int, help="Fewest nodes of the autoscaler.")
@click.option("--max-count", type=int, help="Most nodes of the autoscaler.")
@click.option("--network-plugin", type=Choice(["kubenet", "azure", "none"]), help="azure; nothing means Overlay.")
@click.option("--network-plugin-mode", type=Choice(["overlay"]), help="overlay.")
@click.option("--pod-cidr", help="Range of the pods.  [default: 10.244.0.0/16]")
@click.option("--pod-cidrs", help="The same as a list of one.", hidden=True)
@click.option("--service-cidr", help="Range of the Services.  [default: 10.0.0.0/16]")
@click.option("--service-cidrs", help="The same as a list of one.", hidden=True)
@click.option("--dns-service-ip", help="Address of the cluster's DNS.  [default: the tenth of the Services' range]")
@click.option("--vnet-subnet-id", help="Subnet of the nodes.  [default: a managed VNet 10.224.0.0/12]")
@click.option("--transport", type=Choice(["encapsulated", "routed"]), help=_TRANSPORT_HELP)
@click.option("--block-prefix", type=int, help="Prefix length of a node's block: slash24's own.  [default: 24]")
@profile_option
@click.option("--tags", cls=Several, help="Tags: key=value.")
@with_kept(CREATE_KEPT)
@with_unbuilt(CREATE_UNBUILT)
@no_wait_option
@dry_run_option
@common
def create(ui: Ui, resource_group: str, name: str, no_wait: bool, dry_run: bool, **given: Any) -> None:
    """Create an Overlay cluster. Nodes are ready when it returns."""
    check_arguments(name, given)
    check_addons(given["enable_addons"])
    location = given["location"] or group_location(ui, resource_group)
    path, body = cluster_id(ui.subscription, resource_group, name), create_body(location, given)
    if dry_run:
        ui.dry_run("PUT", path, body)
        return
    if ui.session().get_or_none(path) is not None:
        raise Slash24Error(
            f"The cluster '{name}' under resource group '{resource_group}' already exists. Please use command "
            "'az aks update' to update the existing cluster, or select a different cluster name to create a new "
            "cluster.",
            fix="another --name, or `slash24 aks delete` first",
        )
    ui.change("PUT", path, body, no_wait=no_wait)
    ui.show(container_shape(ui.session().get(path)), CLUSTER_COLUMNS)


def check_arguments(name: str, given: dict[str, Any]) -> None:
    """Raise what az says of these options before it sends anything, word for word; then what isn't built."""
    fault = _name_fault(name) or _az_fault(given)
    if fault:
        raise Slash24Error(fault)
    plugin, mode = given["network_plugin"], given["network_plugin_mode"]
    if plugin in ("kubenet", "none"):
        raise not_built(f"--network-plugin {plugin}", "--network-plugin")
    if plugin == "azure" and mode is None:
        raise Slash24Error(
            "--network-plugin azure without --network-plugin-mode overlay is not implemented yet",
            code="S24-120",
            why="AKS takes the plugin alone for node subnet, where pods use the VNet's addresses",
            fix="add --network-plugin-mode overlay, or leave --network-plugin out",
        )
    for option in ("pod_cidrs", "service_cidrs"):
        if "," in (given[option] or ""):
            raise not_built(f"--{option.replace('_', '-')} with two ranges (dual-stack)", "the second range")


def _name_fault(name: str) -> str:
    return "" if _NAME.fullmatch(name) else CLUSTER_NAME_TEXT


def _az_fault(given: dict[str, Any]) -> str:
    if given["network_plugin"] == "azure" and given["pod_cidr"] and given["network_plugin_mode"] is None:
        return NO_OVERLAY_TEXT
    subnet = given["vnet_subnet_id"]
    if subnet and not is_resource_id(subnet):
        return "--vnet-subnet-id is not a valid Azure resource ID."
    version = given["kubernetes_version"]
    if version and not _VERSION.fullmatch(version):
        return (
            "--kubernetes-version should be the full version number or major.minor version number, such as "
            '"1.7.12" or "1.7"'
        )
    return az_pool_name_fault(given["nodepool_name"]) or az_count_fault(
        autoscale=given["enable_cluster_autoscaler"],
        count=given["node_count"],
        min_count=given["min_count"],
        max_count=given["max_count"],
    )


def create_body(location: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the ARM document that the options ask for; what is left out the service fills in."""
    profile: dict[str, Any] = {}
    for option, key in (
        ("network_plugin", "networkPlugin"),
        ("network_plugin_mode", "networkPluginMode"),
        ("dns_service_ip", "dnsServiceIP"),
    ):
        if given[option]:
            profile[key] = given[option]
    for one, many, key in (("pod_cidr", "pod_cidrs", "podCidr"), ("service_cidr", "service_cidrs", "serviceCidr")):
        if given[one] or given[many]:
            profile[key] = given[one] or given[many]
    own = {"transport": given["transport"], "blockPrefix": given["block_prefix"]}
    if any(value is not None for value in own.values()):
        profile["slash24"] = {key: value for key, value in own.items() if value is not None}
    pool = pool_fields(given, given["nodepool_labels"], given["nodepool_taints"], given["nodepool_tags"])
    pool |= {"name": given["nodepool_name"], "mode": "System"}
    body: dict[str, Any] = {
        "location": location,
        "tags": pairs(given["tags"]),
        "identity": {"type": "SystemAssigned"},
        "properties": {"networkProfile": profile},
    }
    settings = read_profile_option(given["cluster_autoscaler_profile"])
    if settings:
        body["properties"]["autoScalerProfile"] = settings
    place_kept(CREATE_KEPT, given, body, pool)
    body["properties"]["agentPoolProfiles"] = [pool]
    return body


def pool_fields(
    given: dict[str, Any], labels: tuple[str, ...], taints: str | None, tags: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the fields of a pool that `create` and `nodepool add` share."""
    pool: dict[str, Any] = {"count": given["node_count"]}
    if given["enable_cluster_autoscaler"]:
        pool |= {"enableAutoScaling": True, "minCount": given["min_count"], "maxCount": given["max_count"]}
    if given["max_pods"]:  # az, too, takes 0 for "not given"
        pool["maxPods"] = given["max_pods"]
    if given["vnet_subnet_id"]:
        pool["vnetSubnetID"] = given["vnet_subnet_id"]
    if labels:
        pool["nodeLabels"] = pairs(labels)
    if taints:
        pool["nodeTaints"] = [taint.strip() for taint in taints.split(",") if taint.strip()]
    if tags:
        pool["tags"] = pairs(tags)
    return pool
