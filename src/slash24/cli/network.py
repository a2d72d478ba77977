"""`slash24 network vnet` and its subnets, in az's words."""

from typing import Any

import click

from slash24.azure.ids import group_id, subnet_id, vnet_id
from slash24.cli.az_shape import network_shape
from slash24.cli.command import Group, Several
from slash24.cli.group import group_location
from slash24.cli.output import Column
from slash24.cli.ui import Ui, common, complete_vnets, dry_run_option, in_group, never_asks, no_wait_option, pairs
from slash24.errors import Slash24Error

VNET_COLUMNS = (
    Column("NAME", "name"),
    Column("RESOURCE GROUP", "resourceGroup"),
    Column("LOCATION", "location"),
    Column("ADDRESS SPACE", "addressSpace.addressPrefixes"),
    Column("SUBNETS", lambda row: [f"{one['name']} {one['addressPrefix']}" for one in row.get("subnets", [])]),
    Column("ID", "id", wide=True),
)
SUBNET_COLUMNS = (
    Column("NAME", "name"),
    Column("RESOURCE GROUP", "resourceGroup"),
    Column("ADDRESS PREFIX", "addressPrefix"),
    Column("STATE", "provisioningState"),
    Column("ID", "id", wide=True),
)
DEFAULT_PREFIX = "10.0.0.0/16"  # az's own default of vnet create
# Options of az whose meaning the fabric doesn't have yet; taking them silently would mislead.
_UNBUILT_OF_SUBNET = (
    "--network-security-group",
    "--route-table",
    "--nat-gateway",
    "--service-endpoints",
    "--delegations",
)

_vnet_name = click.option("-n", "--name", required=True, shell_complete=complete_vnets, help="Name of the VNet.")
_of_vnet = click.option("--vnet-name", required=True, shell_complete=complete_vnets, help="Name of the VNet.")
_subnet_name = click.option("-n", "--name", required=True, help="Name of the subnet.")


def _unbuilt(function: Any) -> Any:
    """Give a command the options that it refuses by name."""

    def refuse(_ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value:
            raise Slash24Error(f"{param.opts[0]} is not implemented yet", fix=f"leave {param.opts[0]} out")

    for name in _UNBUILT_OF_SUBNET:
        function = click.option(
            name, hidden=True, expose_value=False, callback=refuse, cls=Several
        )(function)  # fmt: skip
    return function


@click.group(cls=Group, examples=["slash24 network vnet list"])
def network() -> None:
    """Networks. The options are `az network`'s."""


@network.group(
    cls=Group,
    examples=[
        "slash24 network vnet create -g rg-aks-cni -n vnet-aks --address-prefixes 10.20.0.0/16 \\\n"
        "    --subnet-name aks-subnet --subnet-prefixes 10.20.4.0/24"
    ],
)
def vnet() -> None:
    """Virtual networks."""


@vnet.command(
    examples=[
        "slash24 network vnet create -g rg-aks-cni -n vnet-aks --address-prefixes 10.20.0.0/16 \\\n"
        "    --subnet-name aks-subnet --subnet-prefixes 10.20.4.0/24"
    ]
)
@in_group()
@_vnet_name
@click.option("-l", "--location", help="Location.  [default: the group's]")
@click.option(
    "--address-prefixes", "--address-prefix", cls=Several, help=f"Address space.  [default: {DEFAULT_PREFIX}]"
)
@click.option("--subnet-name", help="Name of a first subnet.")
@click.option("--subnet-prefixes", "--subnet-prefix", cls=Several, help="Prefix of the first subnet.")
@click.option("--tags", cls=Several, help="Tags: key=value.")
@no_wait_option
@dry_run_option
@common
def create(
    ui: Ui,
    resource_group: str,
    name: str,
    location: str | None,
    address_prefixes: tuple[str, ...],
    subnet_name: str | None,
    subnet_prefixes: tuple[str, ...],
    tags: tuple[str, ...],
    no_wait: bool,
    dry_run: bool,
) -> None:
    """Create a VNet, with a first subnet if one is named."""
    prefixes = list(address_prefixes) or [DEFAULT_PREFIX]
    properties: dict[str, Any] = {"addressSpace": {"addressPrefixes": prefixes}}
    if subnet_prefixes and not subnet_name:
        raise Slash24Error("--subnet-prefixes needs --subnet-name", fix="--subnet-name aks-subnet")
    if subnet_name:
        # az gives the first subnet a /24 of the space, or the whole space if that is smaller.
        address, _, length = prefixes[0].partition("/")
        first = f"{address}/24" if length.isdecimal() and int(length) < 24 else prefixes[0]
        properties["subnets"] = [{"name": subnet_name, "properties": _prefixes(subnet_prefixes or (first,))}]
    path = vnet_id(ui.subscription, resource_group, name)
    body = {"location": location or group_location(ui, resource_group), "tags": pairs(tags), "properties": properties}
    if dry_run:
        ui.dry_run("PUT", path, body)
        return
    ui.change("PUT", path, body, no_wait=no_wait)
    ui.show(network_shape(ui.session().get(path)), VNET_COLUMNS)


def _prefixes(prefixes: tuple[str, ...]) -> dict[str, Any]:
    return {"addressPrefix": prefixes[0]} if len(prefixes) == 1 else {"addressPrefixes": list(prefixes)}


@vnet.command(examples=["slash24 network vnet show -g rg-aks-cni -n vnet-aks --query id -o tsv"])
@in_group()
@_vnet_name
@common
def show(ui: Ui, resource_group: str, name: str) -> None:
    """Show a VNet."""
    ui.show(network_shape(ui.session().get(vnet_id(ui.subscription, resource_group, name))), VNET_COLUMNS)


@vnet.command("list", examples=["slash24 network vnet list", "slash24 network vnet list -g rg-aks-cni -o json"])
@in_group(required=False)
@common
def list_vnets(ui: Ui, resource_group: str | None) -> None:
    """List the VNets, of one group or of all."""
    scope = group_id(ui.subscription, resource_group) if resource_group else f"/subscriptions/{ui.subscription}"
    found = ui.session().list(f"{scope}/providers/Microsoft.Network/virtualNetworks")
    ui.show([network_shape(document) for document in found], VNET_COLUMNS)


@vnet.command(examples=["slash24 network vnet delete -g rg-aks-cni -n vnet-aks"])
@in_group()
@_vnet_name
@never_asks
@no_wait_option
@dry_run_option
@common
def delete(ui: Ui, resource_group: str, name: str, no_wait: bool, dry_run: bool) -> None:
    """Delete a VNet in which nothing is left. As az, it doesn't ask."""
    path = vnet_id(ui.subscription, resource_group, name)
    if dry_run:
        ui.dry_run("DELETE", path)
        return
    ui.change("DELETE", path, no_wait=no_wait)


@vnet.group(
    cls=Group,
    examples=["slash24 network vnet subnet create -g rg --vnet-name vnet-aks -n apps --address-prefixes 10.20.5.0/24"],
)
def subnet() -> None:
    """Subnets of a VNet."""


@subnet.command(
    "create",
    examples=["slash24 network vnet subnet create -g rg --vnet-name vnet-aks -n apps --address-prefixes 10.20.5.0/24"],
)
@in_group()
@_of_vnet
@_subnet_name
@click.option("--address-prefixes", "--address-prefix", cls=Several, required=True, help="Prefix of the subnet.")
@_unbuilt
@no_wait_option
@dry_run_option
@common
def create_subnet(
    ui: Ui,
    resource_group: str,
    vnet_name: str,
    name: str,
    address_prefixes: tuple[str, ...],
    no_wait: bool,
    dry_run: bool,
) -> None:
    """Create a subnet."""
    path = subnet_id(vnet_id(ui.subscription, resource_group, vnet_name), name)
    body = {"name": name, "properties": _prefixes(address_prefixes)}
    if dry_run:
        ui.dry_run("PUT", path, body)
        return
    ui.change("PUT", path, body, no_wait=no_wait)
    ui.show(network_shape(ui.session().get(path)), SUBNET_COLUMNS)


@subnet.command(
    "show", examples=["slash24 network vnet subnet show -g rg --vnet-name vnet-aks -n apps --query id -o tsv"]
)
@in_group()
@_of_vnet
@_subnet_name
@common
def show_subnet(ui: Ui, resource_group: str, vnet_name: str, name: str) -> None:
    """Show a subnet."""
    path = subnet_id(vnet_id(ui.subscription, resource_group, vnet_name), name)
    ui.show(network_shape(ui.session().get(path)), SUBNET_COLUMNS)


@subnet.command("list", examples=["slash24 network vnet subnet list -g rg --vnet-name vnet-aks"])
@in_group()
@_of_vnet
@common
def list_subnets(ui: Ui, resource_group: str, vnet_name: str) -> None:
    """List the subnets of a VNet."""
    found = ui.session().list(f"{vnet_id(ui.subscription, resource_group, vnet_name)}/subnets")
    ui.show([network_shape(document) for document in found], SUBNET_COLUMNS)


@subnet.command("delete", examples=["slash24 network vnet subnet delete -g rg --vnet-name vnet-aks -n apps"])
@in_group()
@_of_vnet
@_subnet_name
@never_asks
@no_wait_option
@dry_run_option
@common
def delete_subnet(
    ui: Ui,
    resource_group: str,
    vnet_name: str,
    name: str,
    no_wait: bool,
    dry_run: bool,
) -> None:
    """Delete a subnet in which nothing is left. As az, it doesn't ask."""
    path = subnet_id(vnet_id(ui.subscription, resource_group, vnet_name), name)
    if dry_run:
        ui.dry_run("DELETE", path)
        return
    ui.change("DELETE", path, no_wait=no_wait)
