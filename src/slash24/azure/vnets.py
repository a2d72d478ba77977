"""Virtual networks and their subnets. A subnet is kept inside its network's document, as Azure shows it."""

import copy
from collections.abc import Collection

from starlette.responses import Response

from slash24.azure.context import Arm, Call, answer, listing
from slash24.azure.documents import find_subnet, vnet_value
from slash24.azure.errors import ArmError, Json, not_found
from slash24.azure.ids import CLUSTERS, VNETS, subnet_id, vnet_id
from slash24.azure.vnet_reading import judge, read_subnet, read_vnet
from slash24.core.topology import resource_key


async def put_vnet(arm: Arm, call: Call) -> Response:
    group = arm.group(call)
    name = call.path.names[0]
    wanted_id = vnet_id(call.path.subscription, group["name"], name)
    async with arm.lock(wanted_id):
        old = arm.resources.get(wanted_id)
        new = read_vnet(call, old["id"] if old else wanted_id, old, str(group["location"]))
        await _change(arm, old, new, dry_run=call.dry_run)
    return answer(new, 200 if old else 201)


async def get_vnet(arm: Arm, call: Call) -> Response:
    return answer(_vnet(arm, call))


async def list_vnets(arm: Arm, call: Call) -> Response:
    return listing(arm.resources.list(VNETS, under=arm.group(call)["id"] if call.path.group else ""))


async def delete_vnet(arm: Arm, call: Call) -> Response:
    group = arm.group(call)
    document = arm.resources.get(vnet_id(call.path.subscription, group["name"], call.path.names[0]))
    if document is None:
        return answer(None, 204)
    async with arm.lock(document["id"]):
        check_vnet_unused(arm, document)
        if not call.dry_run:
            await remove_vnet(arm, document)
    return answer(None, 204)


async def put_subnet(arm: Arm, call: Call) -> Response:
    old = _vnet(arm, call)
    async with arm.lock(old["id"]):
        old = _vnet(arm, call)
        name = call.path.names[1]
        before = find_subnet(old, name)
        new = copy.deepcopy(old)
        subnet = read_subnet({"name": name, **call.body}, old["id"], before)
        subnets = new["properties"]["subnets"]
        if before is None:
            subnets.append(subnet)
        else:
            subnets[:] = [subnet if one["name"] == before["name"] else one for one in subnets]
        await _change(arm, old, new, dry_run=call.dry_run)
    return answer(subnet, 200 if before else 201)


async def get_subnet(arm: Arm, call: Call) -> Response:
    document, name = _vnet(arm, call), call.path.names[1]
    found = find_subnet(document, name)
    if found is None:
        raise _subnet_missing(document["id"], name)
    return answer(found)


async def list_subnets(arm: Arm, call: Call) -> Response:
    return listing(_vnet(arm, call)["properties"]["subnets"])


async def delete_subnet(arm: Arm, call: Call) -> Response:
    old = _vnet(arm, call)
    async with arm.lock(old["id"]):
        old = _vnet(arm, call)
        before = find_subnet(old, call.path.names[1])
        if before is None:
            return answer(None, 204)
        new = copy.deepcopy(old)
        new["properties"]["subnets"] = [one for one in new["properties"]["subnets"] if one["name"] != before["name"]]
        await _change(arm, old, new, dry_run=call.dry_run)
    return answer(None, 204)


def _vnet(arm: Arm, call: Call) -> Json:
    group = arm.group(call)
    document = arm.resources.get(vnet_id(call.path.subscription, group["name"], call.path.names[0]))
    if document is None:
        raise not_found(
            "Microsoft.Network/virtualNetworks",
            call.path.names[0],
            group["name"],
            fix=f"slash24 network vnet create -g {group['name']} -n {call.path.names[0]}",
        )
    return document


def _subnet_missing(vnet: str, name: str) -> ArmError:
    return ArmError(404, "NotFound", f"Resource {subnet_id(vnet, name)} not found.")


async def _change(arm: Arm, old: Json | None, new: Json, *, dry_run: bool) -> None:
    """Judge the new document, store it and make the lab match; a lab that refuses stays as it was."""
    judge(new)
    if old is not None:
        _check_used_subnets(arm, old, new)
    if dry_run:
        return
    arm.resources.put(new)  # first: a server that dies after this line leaves the rest to the next one
    try:
        await arm.provisioner.ensure_vnet(vnet_value(new))
    except Exception:
        if old is None:
            await remove_vnet(arm, new)
        else:
            arm.resources.put(old)
            await arm.provisioner.ensure_vnet(vnet_value(old))
        raise


def _check_used_subnets(arm: Arm, old: Json, new: Json) -> None:
    """Raise Azure's error if a subnet that is in use would go or change its range."""
    for subnet in old["properties"]["subnets"]:
        kept = find_subnet(new, subnet["name"])
        prefix = subnet["properties"]["addressPrefix"]
        if kept is not None and kept["properties"]["addressPrefix"] == prefix:
            continue
        user = user_of(arm, subnet["id"])
        if not user and arm.provisioner.addresses_used(subnet["id"]) > 0:
            user = f"{subnet['id']}/ipConfigurations/ipconfig1"
        if not user:
            continue
        if kept is None:
            raise _in_use(subnet["name"], user)
        raise ArmError(
            400,
            "InUsePrefixCannotBeDeleted",
            f"IpPrefix {prefix} on Subnet {subnet['name']} has active allocations and cannot be deleted.",
            why=f"used by {user}",
        )


def user_of(arm: Arm, subnet: str, *, leaving: Collection[str] = ()) -> str:
    """Return the id of a cluster that uses a subnet, "" if none does. leaving: keys of clusters that go first."""
    clusters = arm.resources.list(CLUSTERS)
    for cluster in clusters:
        pools = cluster["properties"]["agentPoolProfiles"]
        uses = any(resource_key(pool.get("vnetSubnetID", "")) == resource_key(subnet) for pool in pools)
        if uses and resource_key(cluster["id"]) not in leaving:
            return str(cluster["id"])
    return ""


def check_vnet_unused(arm: Arm, document: Json, *, leaving: Collection[str] = ()) -> None:
    """Raise Azure's error if a subnet of the network is in use by something that stays."""
    for subnet in document["properties"]["subnets"]:
        user = user_of(arm, subnet["id"], leaving=leaving)
        if user:
            raise _in_use(subnet["name"], user)


def _in_use(name: str, user: str) -> ArmError:
    return ArmError(
        400,
        "InUseSubnetCannotBeDeleted",
        f"Subnet {name} is in use by {user} and cannot be deleted. In order to delete the subnet, delete all the "
        "resources within the subnet. See aka.ms/deletesubnet.",
        fix="delete what uses it first",
    )


async def remove_vnet(arm: Arm, document: Json) -> None:
    await arm.provisioner.delete_vnet(document["id"])
    arm.resources.delete(document["id"])
