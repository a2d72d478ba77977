"""What a new server does with the changes that an earlier one had begun: each is finished, or taken back.

The documents tell of them: a change is stored, in a state such as Creating or Scaling, before its first step, and
settled after its last.
"""

import logging

from slash24.azure.body import mapping, text
from slash24.azure.building import destroy_cluster, destroy_group, settle_new_group
from slash24.azure.cluster_documents import cluster_value, with_state
from slash24.azure.context import Arm
from slash24.azure.documents import vnet_value
from slash24.azure.errors import Json
from slash24.azure.ids import CLUSTERS, GROUPS, VNETS
from slash24.azure.provisioner import Report
from slash24.core.topology import resource_key
from slash24.errors import Slash24Error

log = logging.getLogger(__name__)

_SETTLED = ("Succeeded", "Failed")


async def recover(arm: Arm, report: Report) -> None:
    """Finish or take back what a server that went down had begun."""
    kinds = ((CLUSTERS, _settle_cluster), (GROUPS, _settle_group))
    unsettled = [(settle, entry) for kind, settle in kinds for entry in arm.resources.list(kind) if _state(entry)]
    outcomes: dict[str, str] = {}
    with arm.operations.holding([entry["id"] for _, entry in unsettled], "Recovering"):
        for settle, entry in unsettled:
            try:
                outcomes[resource_key(entry["id"])] = await settle(arm, entry, report)
            except Slash24Error as error:
                log.warning("%s stays half done: %s", entry["id"], error)
                arm.resources.put(_failed(entry))
        for network in arm.resources.list(VNETS):
            await arm.provisioner.ensure_vnet(vnet_value(network))
    for operation in arm.resources.list():
        if operation.get("status") == "InProgress":
            outcome = outcomes.get(resource_key(operation["resourceId"]), "")
            message = f"The lab's server went down while this ran{outcome}."
            failure = {"code": "OperationPreempted", "message": message}
            arm.resources.put({**operation, "status": "Failed", "error": failure})


def _state(entry: Json) -> str:
    """Return the state of a document that a change is under way on, "" if none is."""
    state = text(mapping(entry, "properties"), "provisioningState")
    return "" if state in _SETTLED else state


async def _settle_cluster(arm: Arm, cluster: Json, report: Report) -> str:
    state = _state(cluster)
    if state in ("Creating", "Deleting"):
        report(f"cluster {cluster['name']}: {state.lower()} was cut short, it is removed")
        await destroy_cluster(arm, cluster, report)
        return "; the next server has removed the cluster"
    report(f"cluster {cluster['name']}: {state.lower()} was cut short, it is finished")
    await arm.provisioner.ensure_cluster(cluster_value(cluster), report)
    arm.resources.put(with_state(cluster, "Succeeded"))
    return "; the next server has brought the change to its end"


async def _settle_group(arm: Arm, group: Json, report: Report) -> str:
    if _state(group) == "Deleting":
        report(f"resource group {group['name']}: deleting was cut short, it is finished")
        await destroy_group(arm, group, report)
        return "; the next server has deleted the group"
    settle_new_group(arm, group)
    return ""


def _failed(entry: Json) -> Json:
    if "agentPoolProfiles" in entry["properties"]:
        return with_state(entry, "Failed")
    return {**entry, "properties": {**entry["properties"], "provisioningState": "Failed"}}
