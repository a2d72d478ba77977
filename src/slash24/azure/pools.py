"""Node pools: the same fields as in a cluster's `agentPoolProfiles`, as resources of their own."""

from starlette.responses import Response

from slash24.azure.body import mapping
from slash24.azure.cluster_documents import cluster_value, with_state
from slash24.azure.clusters import change_cluster, check_running, require_cluster
from slash24.azure.context import Arm, Call, accepted, answer, listing, operations_base
from slash24.azure.errors import ArmError, Json, not_built
from slash24.azure.ids import CONTAINERS
from slash24.azure.pool_documents import complete_pool, find_pool, image_number, pool_resource
from slash24.azure.provisioner import Report
from slash24.azure.unbuilt import WHY, unbuilt_of_pool
from slash24.lab.names import image_version
from slash24.plan import Operation


async def put_pool(arm: Arm, call: Call) -> Response:
    cluster = require_cluster(arm, call)
    arm.operations.check_free(cluster["id"])
    name, body = call.path.names[1], mapping(call.body, "properties")
    for what in unbuilt_of_pool({"name": name, **body}):
        raise not_built(what, why=WHY, fix="leave it out")
    old = find_pool(cluster, name)
    first = cluster["properties"]["agentPoolProfiles"][0]
    version = cluster["properties"]["currentKubernetesVersion"]
    pool = complete_pool(
        body, old["name"] if old else name, old, version, subnet=first["vnetSubnetID"], default_mode="User"
    )
    if old and pool["vnetSubnetID"].lower() != old["vnetSubnetID"].lower():
        raise ArmError(400, "PropertyChangeNotAllowed", "Changing property 'properties.vnetSubnetID' is not allowed.")
    new = _with_pool(cluster, pool)
    if _stops(old, pool):
        check_last_system_pool(cluster, pool["name"], "stopped")
    operation = Operation.SCALE if old else Operation.ADD_POOL
    response = change_cluster(arm, call, cluster, new, operation=operation, pool=pool["name"])
    if not old and response.status_code == 200 and not call.dry_run:
        response.status_code = 201
    return response


def _stops(old: Json | None, pool: Json) -> bool:
    return old is not None and old["powerState"] != pool["powerState"] and pool["powerState"]["code"] == "Stopped"


async def upgrade_image(arm: Arm, call: Call) -> Response:
    """Give the nodes of a pool a new image; Kubernetes' version stays."""
    cluster = require_cluster(arm, call)
    arm.operations.check_free(cluster["id"])
    pool = require_pool(cluster, call)
    newer = {**pool, "nodeImageVersion": image_version(image_number(pool) + 1)}
    return change_cluster(arm, call, cluster, _with_pool(cluster, newer), pool=pool["name"])


def _with_pool(cluster: Json, pool: Json) -> Json:
    pools = [pool if one["name"] == pool["name"] else one for one in cluster["properties"]["agentPoolProfiles"]]
    if pool not in pools:
        pools.append(pool)
    return {**cluster, "properties": {**cluster["properties"], "agentPoolProfiles": pools}}


async def get_pool(arm: Arm, call: Call) -> Response:
    cluster = require_cluster(arm, call)
    return answer(pool_resource(cluster, require_pool(cluster, call)))


async def list_pools(arm: Arm, call: Call) -> Response:
    cluster = require_cluster(arm, call)
    return listing([pool_resource(cluster, pool) for pool in cluster["properties"]["agentPoolProfiles"]])


async def list_machines(arm: Arm, call: Call) -> Response:
    """Return the nodes of a pool, as `az aks machine list` shows them."""
    cluster = require_cluster(arm, call)
    pool = require_pool(cluster, call)
    base = f"{cluster['id']}/agentPools/{pool['name']}/machines"
    kind = "Microsoft.ContainerService/managedClusters/agentPools/machines"
    names = arm.provisioner.nodes(cluster["id"]).get(pool["name"], ())
    return listing([{"id": f"{base}/{name}", "name": name, "type": kind, "properties": {}} for name in names])


async def delete_pool(arm: Arm, call: Call) -> Response:
    cluster = require_cluster(arm, call)
    arm.operations.check_free(cluster["id"])
    pool = find_pool(cluster, call.path.names[1])
    if pool is None:
        return answer(None, 204)
    rest = [one for one in cluster["properties"]["agentPoolProfiles"] if one["name"] != pool["name"]]
    check_running(cluster, "deleting")
    check_last_system_pool(cluster, pool["name"], "deleted")
    if call.dry_run:
        return answer(pool_resource(cluster, pool))
    new = {**cluster, "properties": {**cluster["properties"], "agentPoolProfiles": rest}}
    return _delete(arm, call, cluster, new, pool)


def check_last_system_pool(cluster: Json, name: str, done: str) -> None:
    """Raise ArmError if no other system pool runs. done: what would be done to the pool `name`."""
    for one in cluster["properties"]["agentPoolProfiles"]:
        if one["mode"] == "System" and one["name"] != name and one["powerState"]["code"] == "Running":
            return
    raise ArmError(
        400,
        "OperationNotAllowed",
        f"Node pool {name} can't be {done}: there has to be at least one system agent pool.",
        why="the cluster's own pods run on a system pool",
        fix=f"add another system pool first, or have the cluster {cluster['name']} {done}",
    )


def _delete(arm: Arm, call: Call, old: Json, new: Json, pool: Json) -> Response:
    async def work(report: Report) -> None:
        await arm.provisioner.ensure_cluster(cluster_value(new), report)
        arm.resources.put(new)

    # What is stored meanwhile lacks the pool already: a server that goes down here finishes the deletion.
    arm.resources.put(with_state(new, "Updating", ()))
    base = operations_base(call.path.subscription, CONTAINERS, old["location"])
    return accepted(call, arm.operations.begin(base, f"Deleting {pool['name']}", work, resource_ids=[old["id"]]))


def require_pool(cluster: Json, call: Call) -> Json:
    """Return the pool that a path names. Raises ArmError."""
    name = call.path.names[1]
    pool = find_pool(cluster, name)
    if pool is None:
        raise ArmError(
            404,
            "NotFound",
            f"Could not find agentpool {name} in managed cluster {cluster['name']}.",
            fix=f"slash24 aks nodepool list -g {call.path.group} --cluster-name {cluster['name']}",
        )
    return pool
