"""What a cluster and its pools can be upgraded to, and which versions there are."""

from starlette.responses import Response

from slash24.azure.clusters import require_cluster
from slash24.azure.context import Arm, Call, answer
from slash24.azure.errors import Json
from slash24.azure.pools import require_pool
from slash24.azure.versions import listing_of_versions, upgrade_entries

_TYPE = "Microsoft.ContainerService/managedClusters"


async def get_cluster_upgrades(arm: Arm, call: Call) -> Response:
    cluster = require_cluster(arm, call)
    properties = cluster["properties"]
    control_plane = properties["currentKubernetesVersion"]
    pools = [
        {"name": pool["name"]} | _profile(pool["currentOrchestratorVersion"], up_to=control_plane)
        for pool in properties["agentPoolProfiles"]
    ]
    profile = {"controlPlaneProfile": _profile(control_plane), "agentPoolProfiles": pools}
    return answer(_document(cluster["id"], f"{_TYPE}/upgradeProfiles", profile))


async def get_pool_upgrades(arm: Arm, call: Call) -> Response:
    cluster = require_cluster(arm, call)
    pool = require_pool(cluster, call)
    control_plane = cluster["properties"]["currentKubernetesVersion"]
    profile = _profile(pool["currentOrchestratorVersion"], up_to=control_plane)
    profile["latestNodeImageVersion"] = pool["nodeImageVersion"]
    return answer(
        _document(f"{cluster['id']}/agentPools/{pool['name']}", f"{_TYPE}/agentPools/upgradeProfiles", profile)
    )


async def list_versions(_arm: Arm, _call: Call) -> Response:
    return answer({"values": listing_of_versions()})


def _profile(version: str, up_to: str = "") -> Json:
    return {"kubernetesVersion": version, "osType": "Linux", "upgrades": upgrade_entries(version, up_to)}


def _document(of: str, type_name: str, properties: Json) -> Json:
    return {"id": f"{of}/upgradeProfiles/default", "name": "default", "type": type_name, "properties": properties}
