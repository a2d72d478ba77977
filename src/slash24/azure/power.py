"""Stopping and starting clusters: nodes and control plane go, what the Kubernetes API holds stays."""

from starlette.responses import Response

from slash24.azure.cluster_documents import cluster_value, with_power, with_state
from slash24.azure.clusters import check_running, require_cluster
from slash24.azure.context import Arm, Call, accepted, answer, operations_base
from slash24.azure.errors import ArmError, Json
from slash24.azure.ids import CONTAINERS
from slash24.azure.provisioner import Report


async def stop_cluster(arm: Arm, call: Call) -> Response:
    cluster = require_cluster(arm, call)
    arm.operations.check_free(cluster["id"])
    check_running(cluster, "stopping")
    return _switch(arm, call, cluster, "Stopped")


async def start_cluster(arm: Arm, call: Call) -> Response:
    cluster = require_cluster(arm, call)
    arm.operations.check_free(cluster["id"])
    properties = cluster["properties"]
    if properties["powerState"]["code"] == "Running":
        raise ArmError(
            400,
            "OperationNotAllowed",
            f"managed cluster is in Provisioning State({properties['provisioningState']}) and Power State(Running), "
            "starting cannot be performed",
            why="it runs already",
        )
    return _switch(arm, call, cluster, "Running")


def _switch(arm: Arm, call: Call, old: Json, code: str) -> Response:
    new = with_power(old, code)
    if call.dry_run:
        return answer(new)

    async def work(report: Report) -> None:
        try:
            await arm.provisioner.ensure_cluster(cluster_value(new), report)
        except Exception:
            arm.resources.put(with_state(new, "Failed"))  # it can be stopped, started and deleted again
            raise
        arm.resources.put(new)

    doing = "Stopping" if code == "Stopped" else "Starting"
    arm.resources.put(with_state(new, doing))
    base = operations_base(call.path.subscription, CONTAINERS, old["location"])
    return accepted(call, arm.operations.begin(base, doing, work, resource_ids=[old["id"]]))
