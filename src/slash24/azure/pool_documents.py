"""Node pools as ARM documents: what the service fills in, and the way from a document to the lab's value."""

from slash24.azure.body import mapping, merged, number, switch, text, texts
from slash24.azure.errors import ArmError, Json, invalid_parameter
from slash24.azure.versions import judge_pool_upgrade, resolve
from slash24.core.models import TRAITS, Model
from slash24.core.topology import NodePool, UpgradeSettings
from slash24.lab.names import image_version
from slash24.plan.surge import share_of

VM_SIZE = "Standard_DS2_v2"
DRAIN_TIMEOUT_MIN = range(5, 1441)  # docs/sources.md#surge
SOAK_MIN = range(31)


def complete_pool(body: Json, name: str, old: Json | None, version: str, *, subnet: str, default_mode: str) -> Json:
    """Return a pool as it stands in `agentPoolProfiles`: the request over what is stored, the rest as AKS fills it."""
    asked = {key: value for key, value in body.items() if value != ""}
    pool: Json = merged(old or {}, asked)
    count = number(pool, "count", "agentPoolProfile.count")
    autoscale = switch(pool, "enableAutoScaling", "agentPoolProfile.enableAutoScaling")
    max_pods = number(pool, "maxPods", "agentPoolProfile.maxPods")
    if old and max_pods != old["maxPods"]:
        raise ArmError(
            400,
            "PropertyChangeNotAllowed",
            "Changing property 'properties.maxPods' is not allowed.",
            target="properties.maxPods",
            fix="add a node pool with the other value",
        )
    floor = number(pool, "minCount", "agentPoolProfile.minCount")
    if autoscale and None in (floor, number(pool, "maxCount", "agentPoolProfile.maxCount")):
        raise ArmError(
            400,
            "InvalidParameter",
            "Please specify both min-count and max-count when --enable-cluster-autoscaler enabled",
            target="agentPoolProfile.maxCount",
            fix="--min-count 1 --max-count 3",
        )
    mode = text(pool, "mode", default_mode).capitalize()
    pool["name"] = name
    pool.update(
        {
            "count": count if count is not None else (floor if autoscale and floor is not None else 1),
            "vmSize": text(pool, "vmSize", VM_SIZE),
            "osDiskSizeGB": number(pool, "osDiskSizeGB") or 128,
            "osDiskType": text(pool, "osDiskType", "Managed"),
            "kubeletDiskType": text(pool, "kubeletDiskType", "OS"),
            "maxPods": TRAITS[Model.OVERLAY].max_pods if max_pods is None else max_pods,
            "type": "VirtualMachineScaleSets",
            "enableAutoScaling": autoscale,
            "mode": mode,
            "osType": "Linux",
            "osSKU": text(pool, "osSKU", "Ubuntu"),
            "orchestratorVersion": text(pool, "orchestratorVersion", version),
            "currentOrchestratorVersion": _version(pool, old, version),
            "upgradeSettings": _upgrade_settings(mapping(pool, "upgradeSettings"), mode),
            "enableNodePublicIP": False,
            "powerState": {"code": _power(pool)},
            "provisioningState": "Succeeded",
            "vnetSubnetID": text(pool, "vnetSubnetID", subnet),
        }
    )
    pool["nodeImageVersion"] = image_version(image_number(old or {}))  # nobody sets it but its own upgrade
    for bound in ("minCount", "maxCount"):
        if not autoscale and asked.get(bound) is None:  # the SDKs can't send null when the autoscaler goes off
            pool.pop(bound, None)
    return pool


def _version(pool: Json, old: Json | None, control_plane: str) -> str:
    """Return the full version that a pool's nodes are to have. Raises ArmError."""
    before = old["currentOrchestratorVersion"] if old else ""
    current = resolve(text(pool, "orchestratorVersion", control_plane), before)
    judge_pool_upgrade(pool["name"], before, current, control_plane)
    return current


def _power(pool: Json) -> str:
    code = text(mapping(pool, "powerState"), "code", "Running", "powerState.code").capitalize()
    if code not in ("Running", "Stopped"):
        raise invalid_parameter("powerState.code", f"{code!r} is neither Running nor Stopped")
    return code


def _upgrade_settings(asked: Json, mode: str) -> Json:
    """Return how the pool is upgraded, AKS' defaults for what isn't said. Raises ArmError."""
    surge = text(asked, "maxSurge", "10%", "upgradeSettings.maxSurge")
    unavailable = text(asked, "maxUnavailable", "0", "upgradeSettings.maxUnavailable")
    for name, value in (("maxSurge", surge), ("maxUnavailable", unavailable)):
        try:
            share_of(value, 1)
        except ValueError as error:
            raise invalid_parameter(f"upgradeSettings.{name}", str(error)) from error
    if surge.rstrip("%").strip("0") == unavailable.rstrip("%").strip("0") == "":
        raise ArmError(
            400,
            "InvalidParameter",
            "The value of parameter upgradeSettings.maxSurge is invalid: it has to be greater than 0 when "
            "maxUnavailable is 0.",
            target="upgradeSettings.maxSurge",
            why="an upgrade has to add a node or to do without one",
            fix="--max-surge 1, or --max-unavailable 1 on a user pool",
        )
    if unavailable.rstrip("%").strip("0") and mode == "System":
        raise ArmError(
            400,
            "InvalidParameter",
            "The value of parameter upgradeSettings.maxUnavailable is invalid: it can't be set on system node pools.",
            target="upgradeSettings.maxUnavailable",
            why="the cluster's own pods must always have a node",
            fix="--max-surge alone, or a user pool",
        )
    drain = number(asked, "drainTimeoutInMinutes", "upgradeSettings.drainTimeoutInMinutes")
    soak = number(asked, "nodeSoakDurationInMinutes", "upgradeSettings.nodeSoakDurationInMinutes")
    for name, given, allowed in (
        ("drainTimeoutInMinutes", drain, DRAIN_TIMEOUT_MIN),
        ("nodeSoakDurationInMinutes", soak, SOAK_MIN),
    ):
        if given is not None and given not in allowed:
            span = f"{allowed.start} to {allowed.stop - 1} minutes"
            raise invalid_parameter(f"upgradeSettings.{name}", f"{given} is not in the range {span}")
    return {
        **asked,
        "maxSurge": surge,
        "maxUnavailable": unavailable,
        "drainTimeoutInMinutes": 30 if drain is None else drain,
        "nodeSoakDurationInMinutes": soak or 0,
    }


def image_number(pool: Json) -> int:
    """Return how often the nodes of a stored pool were given a new image, 1 at first."""
    return int(str(pool.get("nodeImageVersion", "1")).rpartition("-")[2])


def pool_value(pool: Json) -> NodePool:
    """Return a stored pool as the lab's value."""
    settings = pool["upgradeSettings"]
    return NodePool(
        name=pool["name"],
        count=pool["count"],
        subnet_id=pool["vnetSubnetID"],
        max_pods=pool["maxPods"],
        mode=pool["mode"],
        vm_size=pool["vmSize"],
        autoscale=pool["enableAutoScaling"],
        min_count=pool.get("minCount"),
        max_count=pool.get("maxCount"),
        labels=tuple(sorted((str(key), str(value)) for key, value in mapping(pool, "nodeLabels").items())),
        taints=tuple(texts(pool, "nodeTaints")),
        version=pool["currentOrchestratorVersion"],
        image=image_number(pool),
        upgrade=UpgradeSettings(
            max_surge=settings["maxSurge"],
            max_unavailable=settings["maxUnavailable"],
            drain_timeout_min=settings["drainTimeoutInMinutes"],
            soak_min=settings["nodeSoakDurationInMinutes"],
        ),
        stopped=pool["powerState"]["code"] == "Stopped",
    )


def pool_resource(cluster: Json, pool: Json) -> Json:
    """Return a pool as a resource of its own: name outside, everything else under `properties`."""
    return {
        "id": f"{cluster['id']}/agentPools/{pool['name']}",
        "name": pool["name"],
        "type": "Microsoft.ContainerService/managedClusters/agentPools",
        "properties": {key: value for key, value in pool.items() if key != "name"},
    }


def find_pool(cluster: Json, name: str) -> Json | None:
    pools: list[Json] = cluster["properties"]["agentPoolProfiles"]
    return next((pool for pool in pools if pool["name"].lower() == name.lower()), None)
