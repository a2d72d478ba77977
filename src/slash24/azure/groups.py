"""Resource groups."""

import re
from contextlib import suppress

from starlette.responses import Response

from slash24.azure.body import mapping, merged, text
from slash24.azure.building import destroy_group
from slash24.azure.context import Arm, Call, accepted, answer, listing, operations_base
from slash24.azure.documents import group_document
from slash24.azure.errors import ArmError
from slash24.azure.ids import CLUSTERS, GROUPS, VNETS, group_id, name_of
from slash24.azure.provisioner import Report
from slash24.azure.vnets import check_vnet_unused
from slash24.core.topology import resource_key

_NAME = re.compile(r"[\w.()-]{0,89}[\w()-]")


def check_group_name(name: str) -> None:
    """Raise ArmError if a group can't have this name."""
    if not _NAME.fullmatch(name):
        raise ArmError(
            400,
            "InvalidResourceGroup" if len(name) <= 90 else "ResourceGroupNameTooLong",
            f"The provided resource group name '{name}' is not valid: it has 1 to 90 letters, digits, '_', '-', '.', "
            "'(' or ')', and does not end with a period.",
            fix="choose another name",
        )


async def put_group(arm: Arm, call: Call) -> Response:
    name = call.path.group
    check_group_name(name)
    location = text(call.body, "location")
    found = arm.resources.get(group_id(call.path.subscription, name))
    if found is None:
        if not location:
            raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
        document = group_document(call.path.subscription, name, location)
    elif location and location.lower() != str(found["location"]).lower():
        raise ArmError(
            409,
            "InvalidResourceGroupLocation",
            f"Invalid resource group location '{location}'. The Resource group already exists in location "
            f"'{found['location']}'.",
            fix=f"--location {found['location']}",
        )
    else:
        document = found
    document["tags"] = mapping(call.body, "tags") or document.get("tags", {})
    if not call.dry_run:
        arm.resources.put(document)
    return answer(document, 200 if found else 201)


async def patch_group(arm: Arm, call: Call) -> Response:
    document = arm.group(call)
    document["tags"] = merged(document.get("tags", {}), mapping(call.body, "tags"))
    if not call.dry_run:
        arm.resources.put(document)
    return answer(document)


async def get_group(arm: Arm, call: Call) -> Response:
    return answer(arm.group(call))


async def head_group(arm: Arm, call: Call) -> Response:
    found = arm.resources.get(group_id(call.path.subscription, call.path.group))
    return Response(status_code=204 if found else 404)


async def list_groups(arm: Arm, _call: Call) -> Response:
    return listing(arm.resources.list(GROUPS))


async def delete_group(arm: Arm, call: Call) -> Response:
    """Delete a group with all that is in it: clusters first, since they use networks."""
    group = arm.group(call)
    if group.get("managedBy") and arm.resources.get(str(group["managedBy"])):
        raise ArmError(
            409,
            "OperationNotAllowed",
            f"Resource group '{group['name']}' is the node resource group of the cluster {name_of(group['managedBy'])} "
            "and goes with it",
            fix=f"slash24 aks delete -g {_group_of(str(group['managedBy']))} -n {name_of(group['managedBy'])}",
        )
    clusters = arm.resources.list(CLUSTERS, under=group["id"])
    vnets = arm.resources.list(VNETS, under=group["id"])
    for cluster in clusters:
        arm.operations.check_free(cluster["id"])
    leaving = {resource_key(cluster["id"]) for cluster in clusters}
    for vnet in vnets:
        check_vnet_unused(arm, vnet, leaving=leaving)
    if call.dry_run:
        return answer(group)

    async def work(report: Report) -> None:
        try:
            await destroy_group(arm, group, report)
        except Exception:
            arm.resources.put({**group, "properties": {**group["properties"], "provisioningState": "Failed"}})
            raise

    group["properties"]["provisioningState"] = "Deleting"
    arm.resources.put(group)
    busy = [group["id"], *(cluster["id"] for cluster in clusters)]
    base = operations_base(call.path.subscription, "Microsoft.Resources", str(group["location"]))
    return accepted(call, arm.operations.begin(base, "Deleting", work, resource_ids=busy))


def _group_of(resource_id: str) -> str:
    with suppress(ValueError, IndexError):
        parts = resource_id.strip("/").split("/")
        return parts[[part.lower() for part in parts].index("resourcegroups") + 1]
    return ""
