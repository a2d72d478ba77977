"""Autoscaler, power and upgrades on the wire, as az and the SDKs send them; the lab is only remembered."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from slash24.azure.app import create_app, create_arm
from slash24.azure.context import Arm
from slash24.core.topology import Cluster
from slash24.lab.scaling import with_counts
from slash24.store.resources import Resources
from tests.azure.client import Answer, AsgiClient
from tests.azure.fake import FakeProvisioner

GROUP = "/subscriptions/1/resourceGroups/rg"
CLUSTER = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/c1"
POOL = f"{CLUSTER}/agentPools/np"
Json = dict[str, Any]


class Wire:
    """The ARM face, with a cluster c1 of one pool np."""

    def __init__(self, arm: Arm, lab: FakeProvisioner) -> None:
        self.arm, self.lab = arm, lab
        self.send = AsgiClient(create_app(arm, authenticate=lambda _token: "user"))

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a request and wait for the end of what it begins; the answer is the first one."""
        answer = await self.send(method, path, body)
        await self.arm.operations.wait()
        return answer

    async def get(self, path: str = CLUSTER) -> Json:
        found: Json = (await self.send("GET", path)).json["properties"]
        return found

    async def put(self, path: str, **properties: Any) -> Answer:
        """Send an object back as it was read, with a change, as az does."""
        found = (await self.send("GET", path)).json
        return await self.ask("PUT", path, {**found, "properties": {**found["properties"], **properties}})

    @property
    def cluster(self) -> Cluster:
        (found,) = self.lab.clusters.values()
        return found


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    lab = FakeProvisioner()
    arm = create_arm(Resources(tmp_path / "lab.db"), lab)
    made = Wire(arm, lab)
    pool = {"name": "np", "count": 2, "mode": "System"}
    body = {"location": "x", "properties": {"kubernetesVersion": "1.36.0", "agentPoolProfiles": [pool]}}
    assert (await made.ask("PUT", CLUSTER, body)).status == 201
    yield made
    await arm.operations.close()
    arm.resources.close()


async def test_stop_and_start(wire: Wire) -> None:
    begun = await wire.send("POST", f"{CLUSTER}/stop")
    assert begun.status == 202
    assert (await wire.get())["provisioningState"] == "Stopping"
    await wire.arm.operations.wait()
    polled = (await wire.send("GET", begun.headers["azure-asyncoperation"].split("localhost:8443")[1])).json
    assert polled["status"] == "Succeeded"
    stopped = await wire.get()
    assert (stopped["powerState"], stopped["provisioningState"]) == ({"code": "Stopped"}, "Succeeded")
    assert (wire.cluster.stopped, wire.cluster.pools[0].size, wire.cluster.pools[0].count) == (True, 0, 2)
    assert (await wire.ask("POST", f"{CLUSTER}/start")).status == 202
    assert (wire.cluster.stopped, wire.cluster.pools[0].size) == (False, 2)
    assert (await wire.get(POOL))["powerState"] == {"code": "Running"}


async def test_a_stopped_cluster_takes_start_and_delete_alone(wire: Wire) -> None:
    await wire.ask("POST", f"{CLUSTER}/stop")
    state = "managed cluster is in Provisioning State(Succeeded) and Power State(Stopped), "
    for method, path, doing in (("POST", f"{CLUSTER}/stop", "stopping"), ("DELETE", POOL, "deleting")):
        refused = await wire.ask(method, path)
        if doing == "stopping":
            assert refused.error["message"] == f"{state}{doing} cannot be performed"
        assert (refused.status, refused.error["code"]) == (400, "OperationNotAllowed")
    assert (await wire.put(POOL, count=3)).error["message"] == f"{state}scaling cannot be performed"
    assert (
        (await wire.put(CLUSTER, kubernetesVersion="1.36.1")).error["message"].endswith("upgrading cannot be performed")
    )
    assert (await wire.ask("DELETE", CLUSTER)).status == 202


async def test_a_running_cluster_can_not_be_started(wire: Wire) -> None:
    refused = await wire.ask("POST", f"{CLUSTER}/start")
    assert refused.error["message"].endswith("Power State(Running), starting cannot be performed")


async def test_the_last_system_pool_can_not_be_stopped_a_user_pool_can(wire: Wire) -> None:
    refused = await wire.put(POOL, powerState={"code": "Stopped"})
    assert refused.error["code"] == "OperationNotAllowed"
    user = f"{CLUSTER}/agentPools/user"
    await wire.ask("PUT", user, {"properties": {"count": 1, "mode": "User"}})
    assert (await wire.put(user, powerState={"code": "Stopped"})).json["properties"]["provisioningState"] == "Stopping"
    assert [pool.size for pool in wire.cluster.pools] == [2, 0]
    await wire.put(user, powerState={"code": "Running"})
    assert [pool.size for pool in wire.cluster.pools] == [2, 1]


async def test_an_upgrade_as_az_sends_it(wire: Wire) -> None:
    found = (await wire.send("GET", CLUSTER)).json
    found["properties"]["kubernetesVersion"] = "1.37"
    found["properties"]["agentPoolProfiles"][0]["orchestratorVersion"] = "1.37"
    begun = await wire.ask("PUT", CLUSTER, found)
    assert begun.json["properties"]["provisioningState"] == "Upgrading"
    assert (wire.cluster.version, wire.cluster.pools[0].version) == ("1.37.1", "1.37.1")
    shown = await wire.get()
    assert (shown["kubernetesVersion"], shown["currentKubernetesVersion"]) == ("1.37", "1.37.1")


async def test_the_control_plane_goes_first_and_a_pool_follows(wire: Wire) -> None:
    refused = await wire.put(POOL, orchestratorVersion="1.37.0")
    assert refused.error["code"] == "NodePoolMcVersionIncompatible"
    await wire.put(CLUSTER, kubernetesVersion="1.37.0")
    assert (wire.cluster.version, wire.cluster.pools[0].version) == ("1.37.0", "1.36.0")
    offered = await wire.get(f"{POOL}/upgradeProfiles/default")
    assert [one["kubernetesVersion"] for one in offered["upgrades"]] == ["1.37.0", "1.36.1"]
    assert (await wire.put(POOL, orchestratorVersion="1.37.0")).json["properties"]["provisioningState"] == "Upgrading"
    assert wire.cluster.pools[0].version == "1.37.0"


async def test_upgrades_and_versions_are_listed(wire: Wire) -> None:
    profile = await wire.get(f"{CLUSTER}/upgradeProfiles/default")
    upgrades = [one["kubernetesVersion"] for one in profile["controlPlaneProfile"]["upgrades"]]
    assert upgrades == ["1.37.1", "1.37.0", "1.36.1"]
    assert profile["agentPoolProfiles"][0]["name"] == "np"
    path = "/subscriptions/1/providers/Microsoft.ContainerService/locations/x/kubernetesVersions"
    assert (await wire.send("GET", path)).json["values"][0]["version"] == "1.35"


async def test_a_new_image_is_told_by_its_number(wire: Wire) -> None:
    first = (await wire.get(POOL))["nodeImageVersion"]
    assert (await wire.ask("POST", f"{POOL}/upgradeNodeImageVersion")).status == 200
    assert wire.cluster.pools[0].image == 2
    assert (await wire.get(POOL))["nodeImageVersion"] == f"{first[:-1]}2"


async def test_an_upgrade_that_fails_is_not_undone_and_the_next_one_goes_on(wire: Wire) -> None:
    wire.lab.fail_at = "nodes Ready"
    await wire.put(CLUSTER, kubernetesVersion="1.36.1")
    shown = await wire.get()
    assert (shown["provisioningState"], shown["currentKubernetesVersion"]) == ("Failed", "1.36.1")
    await wire.put(CLUSTER)
    assert (await wire.get())["provisioningState"] == "Succeeded"
    assert wire.cluster.version == "1.36.1"


async def test_room_for_the_surge_is_asked_for_before_an_upgrade(tmp_path: Path) -> None:
    lab = FakeProvisioner()
    arm = create_arm(Resources(tmp_path / "lab.db"), lab)
    wire = Wire(arm, lab)
    pool = {"name": "np", "count": 4, "mode": "System"}
    network = {"podCidr": "10.240.100.0/22"}
    properties = {"kubernetesVersion": "1.36.0", "agentPoolProfiles": [pool], "networkProfile": network}
    assert (await wire.ask("PUT", CLUSTER, {"location": "x", "properties": properties})).status == 201
    refused = await wire.ask("POST", f"{POOL}/upgradeNodeImageVersion")
    assert refused.error["code"] == "InsufficientSubnetSize"
    assert "Pre-allocated IPs 1280 exceeds IPs available 1024" in refused.error["message"]
    assert wire.cluster.pools[0].image == 1
    arm.resources.close()


async def test_an_autoscaled_pool_shows_the_count_that_it_has_grown_to(wire: Wire) -> None:
    await wire.put(POOL, enableAutoScaling=True, minCount=1, maxCount=5)
    assert (wire.cluster.pools[0].autoscale, wire.cluster.pools[0].max_count) == (True, 5)
    (key,) = wire.lab.clusters
    wire.lab.clusters[key] = with_counts(wire.cluster, {"np": 4})
    assert (await wire.get(POOL))["count"] == 4
    assert (await wire.get())["agentPoolProfiles"][0]["count"] == 4
    listed = (await wire.send("GET", f"{GROUP}/providers/Microsoft.ContainerService/managedClusters")).json["value"]
    assert listed[0]["properties"]["agentPoolProfiles"][0]["count"] == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"minCount": 5, "maxCount": 2}, "less than or equal to value of max-count"),
        ({"minCount": 0, "maxCount": 2}, "greater than or equal to 1 for System node pools"),
        ({"minCount": 1, "maxCount": 300}, "Pre-allocated IPs"),  # a /16 has 256 blocks
        ({"minCount": 1, "maxCount": None}, "specify both min-count and max-count"),
    ],
)
async def test_bounds_that_can_not_be_are_refused(wire: Wire, change: Json, told: str) -> None:
    refused = await wire.put(POOL, enableAutoScaling=True, **change)
    assert refused.status == 400
    assert told in refused.error["message"]
    assert not wire.cluster.pools[0].autoscale


@pytest.mark.parametrize(
    ("settings", "target"),
    [
        ({"maxSurge": "0"}, "upgradeSettings.maxSurge"),
        ({"maxSurge": "0", "maxUnavailable": "1"}, "upgradeSettings.maxUnavailable"),  # a system pool
        ({"maxSurge": "some"}, "upgradeSettings.maxSurge"),
        ({"drainTimeoutInMinutes": 4}, "upgradeSettings.drainTimeoutInMinutes"),
        ({"nodeSoakDurationInMinutes": 31}, "upgradeSettings.nodeSoakDurationInMinutes"),
    ],
)
async def test_upgrade_settings_that_can_not_be_are_refused(wire: Wire, settings: Json, target: str) -> None:
    refused = await wire.put(POOL, upgradeSettings=settings)
    assert (refused.status, refused.error["target"]) == (400, target)


async def test_the_profile_is_shown_whole_and_a_bad_setting_refused(wire: Wire) -> None:
    assert "autoScalerProfile" not in await wire.get()
    await wire.put(CLUSTER, autoScalerProfile={"scan-interval": "30s"})
    profile = (await wire.get())["autoScalerProfile"]
    assert (profile["scan-interval"], profile["scale-down-unneeded-time"]) == ("30s", "10s")
    assert wire.cluster.autoscaler.scan_interval.total_seconds() == 30
    refused = await wire.put(CLUSTER, autoScalerProfile={"scan-interval": "soon"})
    assert (refused.error["code"], refused.error["target"]) == ("InvalidParameter", "autoScalerProfile")
    await wire.put(CLUSTER, autoScalerProfile={"scan-interval": None})
    assert (await wire.get())["autoScalerProfile"]["scan-interval"] == "1s"
