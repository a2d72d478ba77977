"""Managed clusters: create, change, delete, and their credentials."""

import base64
from typing import Any

from starlette.responses import Response

from slash24.azure.body import mapping
from slash24.azure.building import MANAGED_SUBNET, build_cluster, destroy_cluster, managed_network
from slash24.azure.cluster_documents import cluster_value, complete, with_counts, with_state
from slash24.azure.context import Arm, Call, accepted, answer, listing, operations_base
from slash24.azure.documents import group_document
from slash24.azure.errors import ArmError, Json, as_info, group_not_found, not_found, refuse
from slash24.azure.ids import CLUSTERS, CONTAINERS, cluster_id, group_id, subnet_id
from slash24.azure.judging import counts, is_upgraded, request_of, with_surge
from slash24.azure.pool_documents import find_pool, pool_resource
from slash24.azure.provisioner import Report
from slash24.azure.unbuilt import refuse_unbuilt
from slash24.plan import Operation, check


async def put_cluster(arm: Arm, call: Call) -> Response:
    resource_id = cluster_id(call.path.subscription, call.path.group, call.path.names[0])
    old = find_cluster(arm, resource_id)
    refuse_unbuilt(mapping(call.body, "properties"))
    if old is not None:
        arm.operations.check_free(old["id"])
        return change_cluster(arm, call, old, complete(call.body, old["id"], call.path.group, old))
    document = complete(call.body, resource_id, call.path.group, None)
    return _create(arm, call, document)


async def get_cluster(arm: Arm, call: Call) -> Response:
    return answer(require_cluster(arm, call))


async def list_clusters(arm: Arm, call: Call) -> Response:
    documents = arm.resources.list(CLUSTERS, under=arm.group(call)["id"] if call.path.group else "")
    return listing([with_counts(document, arm.provisioner.counts(document["id"])) for document in documents])


async def patch_cluster_tags(arm: Arm, call: Call) -> Response:
    document = require_cluster(arm, call)
    document["tags"] = mapping(call.body, "tags")
    if not call.dry_run:
        arm.resources.put(document)
    return answer(document)


async def delete_cluster(arm: Arm, call: Call) -> Response:
    arm.group(call)
    document = arm.resources.get(cluster_id(call.path.subscription, call.path.group, call.path.names[0]))
    if document is None:
        return answer(None, 204)
    arm.operations.check_free(document["id"])
    if call.dry_run:
        return answer(document)

    async def work(report: Report) -> None:
        try:
            await destroy_cluster(arm, document, report)
        except Exception:
            arm.resources.put(with_state(document, "Failed"))  # it can be deleted again
            raise

    arm.resources.put(with_state(document, "Deleting"))
    base = operations_base(call.path.subscription, CONTAINERS, document["location"])
    return accepted(call, arm.operations.begin(base, "Deleting", work, resource_ids=[document["id"]]))


async def list_credentials(arm: Arm, call: Call) -> Response:
    """Return the kubeconfig, as both of Azure's calls do; the lab has one kind of user."""
    document = require_cluster(arm, call)
    if document["properties"]["provisioningState"] == "Creating":
        arm.operations.check_free(document["id"])
    config = arm.provisioner.kubeconfig(document["id"])
    name = "clusterAdmin" if call.path.kind.endswith("listclusteradmincredential") else "clusterUser"
    return answer({"kubeconfigs": [{"name": name, "value": base64.b64encode(config.encode()).decode()}]})


def require_cluster(arm: Arm, call: Call) -> Json:
    """Return the cluster that a path names. Raises ArmError if it, or its group, isn't there."""
    group = arm.group(call)
    name = call.path.names[0]
    found = find_cluster(arm, cluster_id(call.path.subscription, call.path.group, name))
    if found is None:
        raise not_found("Microsoft.ContainerService/ManagedClusters", name, group["name"], fix="slash24 aks list")
    return found


def find_cluster(arm: Arm, resource_id: str) -> Json | None:
    """Return a cluster as it is now, None if it isn't there: an autoscaled pool has the nodes that it has grown to."""
    found = arm.resources.get(resource_id)
    return with_counts(found, arm.provisioner.counts(found["id"])) if found else None


# Create


def _create(arm: Arm, call: Call, document: Json) -> Response:
    """Judge the request, then answer and build."""
    group = arm.resources.get(group_id(call.path.subscription, call.path.group))
    properties = document["properties"]
    pools = properties["agentPoolProfiles"]
    managed = not any(pool["vnetSubnetID"] for pool in pools)
    if group is None and not managed:
        raise group_not_found(call.path.group)
    network: Json | None = None
    if managed:
        network = managed_network(call.path.subscription, document)
        for pool in pools:
            pool["vnetSubnetID"] = subnet_id(network["id"], MANAGED_SUBNET)
    elif not all(pool["vnetSubnetID"] for pool in pools):
        raise ArmError(400, "AzureCNISubnetNotDefined", "At least one agent pool does not have subnet defined")
    findings = check(request_of(arm, document, None, network=network))
    refuse(findings)
    node_group = group_id(call.path.subscription, properties["nodeResourceGroup"])
    if arm.resources.get(node_group) is not None:
        raise ArmError(
            409,
            "NodeResourceGroupAlreadyExists",
            f"The node resource group {properties['nodeResourceGroup']} exists already",
            fix="--node-resource-group with another name",
        )
    if call.dry_run:
        return answer(document)
    warnings = [as_info(finding) for finding in findings]
    made_group: Json | None = None
    if group is None:
        made_group = group_document(call.path.subscription, call.path.group, document["location"], state="Creating")
        arm.resources.put(made_group)

    async def work(report: Report) -> None:
        await build_cluster(arm, document, report, network=network, made_group=made_group)

    arm.resources.put(with_state(document, "Creating"))
    base = operations_base(call.path.subscription, CONTAINERS, document["location"])
    operation = arm.operations.begin(base, "Creating", work, resource_ids=[document["id"]], warnings=warnings)
    return accepted(call, operation, with_state(document, "Creating"), 201)


# Change


def change_cluster(
    arm: Arm, call: Call, old: Json, new: Json, *, operation: Operation = Operation.SCALE, pool: str = ""
) -> Response:
    """Judge a change of a cluster that stands, then answer and make it. pool: the one to show, "" for the cluster."""
    doing = _doing(old, new)
    check_running(old, doing.lower())
    findings = check(request_of(arm, with_surge(old, new), old, operation=operation))
    refuse(findings)

    def shown(document: Json) -> Json:
        found = find_pool(document, pool)
        return pool_resource(document, found) if found else document

    if call.dry_run:
        return answer(shown(new))
    touched = tuple(
        pool["name"]
        for pool in new["properties"]["agentPoolProfiles"]
        if pool not in old["properties"]["agentPoolProfiles"]
    )

    async def work(report: Report) -> None:
        try:
            await arm.provisioner.ensure_cluster(cluster_value(new), report)
        except Exception:
            if doing == "Upgrading":  # there is no way back to an older version: the next change goes on
                arm.resources.put(with_state(new, "Failed", touched))
                raise
            report("undo the change")
            arm.resources.put(with_state(old, "Updating"))
            await arm.provisioner.ensure_cluster(cluster_value(old), report)
            arm.resources.put(old)
            raise
        arm.resources.put(new)

    begun_as = with_state(new, doing, touched)
    arm.resources.put(begun_as)
    base = operations_base(call.path.subscription, CONTAINERS, old["location"])
    begun = arm.operations.begin(
        base, doing, work, resource_ids=[old["id"]], warnings=[as_info(finding) for finding in findings]
    )
    return accepted(call, begun, shown(begun_as), 200)


def _doing(old: Json, new: Json) -> str:
    """Return what a change is, by the provisioning state that AKS has meanwhile."""
    before = {pool["name"]: pool for pool in old["properties"]["agentPoolProfiles"]}
    pairs = [(before[pool["name"]], pool) for pool in new["properties"]["agentPoolProfiles"] if pool["name"] in before]
    for was, pool in pairs:
        if was["powerState"] != pool["powerState"]:
            return "Stopping" if pool["powerState"]["code"] == "Stopped" else "Starting"
    if _control_plane(old) != _control_plane(new) or any(is_upgraded(was, pool) for was, pool in pairs):
        return "Upgrading"
    return "Scaling" if counts(old) != counts(new) else "Updating"


def _control_plane(document: Json) -> Any:
    return document["properties"]["currentKubernetesVersion"]


def check_running(document: Json, doing: str) -> None:
    """Raise Azure's error if a cluster is stopped: nothing but start and delete can be done to it."""
    properties = document["properties"]
    if properties["powerState"]["code"] == "Stopped":
        raise ArmError(
            400,
            "OperationNotAllowed",
            f"managed cluster is in Provisioning State({properties['provisioningState']}) and Power State(Stopped), "
            f"{doing} cannot be performed",
            why="a stopped cluster can only be started or deleted",
            fix=f"slash24 aks start -g {document['id'].split('/')[4]} -n {document['name']}",
        )
