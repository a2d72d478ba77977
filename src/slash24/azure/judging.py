"""From a cluster's document to what the rules judge."""

from slash24.azure.context import Arm
from slash24.azure.documents import find_subnet
from slash24.azure.errors import ArmError, Json, group_not_found, not_found
from slash24.azure.ids import is_subnet_id, name_of, vnet_of
from slash24.core.addresses import parse_prefix
from slash24.core.topology import resource_key
from slash24.plan import ClusterRequest, Operation, PoolRequest, SubnetFacts
from slash24.plan.surge import surge_nodes

_SHOW_ID = "slash24 network vnet subnet show -g RG --vnet-name VNET -n SUBNET --query id -o tsv"


def request_of(
    arm: Arm,
    document: Json,
    old: Json | None,
    *,
    operation: Operation = Operation.CREATE,
    network: Json | None = None,
) -> ClusterRequest:
    """Return what the rules judge. network: the managed network that will be made, else it is looked up.

    Raises ArmError if a subnet that a pool names isn't there.
    """
    pools = document["properties"]["agentPoolProfiles"]
    profile = document["properties"]["networkProfile"]
    if network is None:
        network = _network_of(arm, [str(pool["vnetSubnetID"]) for pool in pools])
    before = counts(old) if old else {}
    subnets = tuple(
        SubnetFacts(
            subnet["id"],
            parse_prefix(subnet["properties"]["addressPrefix"]),
            arm.provisioner.addresses_used(subnet["id"]),
        )
        for subnet in network["properties"]["subnets"]
    )
    return ClusterRequest(
        name=document["name"],
        plugin="azure",
        mode="overlay",
        pools=tuple(_pool_request(pool, before.get(pool["name"])) for pool in pools),
        pod_cidrs=(profile["podCidr"],),
        service_cidrs=(profile["serviceCidr"],),
        dns_service_ip=profile["dnsServiceIP"],
        vnet_id=network["id"],
        vnet_prefixes=tuple(
            parse_prefix(prefix) for prefix in network["properties"]["addressSpace"]["addressPrefixes"]
        ),
        subnets=subnets,
        block_prefix=profile["slash24"]["blockPrefix"],
        operation=operation,
    )


def _pool_request(pool: Json, present: int | None) -> PoolRequest:
    """Return a pool as the rules see it. present: the nodes that it has; None if it is new."""
    count = pool["count"]
    if pool["enableAutoScaling"] and present is not None:
        # The autoscaler brings the count between the bounds when these change (docs/sources.md#autoscaler).
        count = max(pool.get("minCount") or 0, min(count, pool.get("maxCount") or count))
    return PoolRequest(
        name=pool["name"],
        count=count,
        max_pods=pool["maxPods"],
        mode=pool["mode"],
        autoscale=pool["enableAutoScaling"],
        min_count=pool.get("minCount"),
        max_count=pool.get("maxCount"),
        subnet_id=pool["vnetSubnetID"],
        present=present or 0,
    )


def _network_of(arm: Arm, subnets: list[str]) -> Json:
    """Return the one network that all the subnets are in."""
    networks: dict[str, Json] = {}
    for subnet in subnets:
        if not is_subnet_id(subnet):
            raise ArmError(
                400,
                "InvalidParameter",
                f"The value of parameter agentPoolProfile.vnetSubnetID is invalid: {subnet!r} is no subnet's id.",
                target="agentPoolProfile.vnetSubnetID",
                fix=f"--vnet-subnet-id $({_SHOW_ID})",
            )
        network = arm.resources.get(vnet_of(subnet))
        parts = subnet.strip("/").split("/")
        group, vnet = parts[-7], name_of(vnet_of(subnet))
        if network is None:
            if arm.resources.get(subnet.lower().split("/providers/")[0]) is None:
                raise group_not_found(group)
            raise not_found(
                "Microsoft.Network/virtualNetworks",
                vnet,
                group,
                fix=f"slash24 network vnet create -g {group} -n {vnet} --subnet-name {name_of(subnet)}",
            )
        if find_subnet(network, name_of(subnet)) is None:
            raise not_found(
                "Microsoft.Network/virtualNetworks/subnets",
                f"{vnet}/{name_of(subnet)}",
                group,
                fix=f"slash24 network vnet subnet create -g {group} --vnet-name {vnet} -n {name_of(subnet)} "
                "--address-prefixes 10.224.0.0/16",
            )
        networks[resource_key(network["id"])] = network
    if len(networks) > 1:
        raise ArmError(
            400,
            "InvalidParameter",
            "All agent pools of a cluster must have their subnets in the same virtual network.",
            target="agentPoolProfile.vnetSubnetID",
            why="nodes of one cluster reach each other by their VNet alone",
            fix="a subnet of " + ", or of ".join(sorted(name_of(network["id"]) for network in networks.values())),
        )
    return next(iter(networks.values()))


def counts(document: Json) -> dict[str, int]:
    return {pool["name"]: pool["count"] for pool in document["properties"]["agentPoolProfiles"]}


def is_upgraded(old: Json, new: Json) -> bool:
    """Return whether a change gives the nodes of a pool another version, or another image."""
    return any(old.get(name) != new.get(name) for name in ("currentOrchestratorVersion", "nodeImageVersion"))


def with_surge(old: Json, new: Json) -> Json:
    """Return the cluster as big as it gets while its pools are upgraded: each has its surge then."""
    before = {pool["name"]: pool for pool in old["properties"]["agentPoolProfiles"]}
    pools = []
    for pool in new["properties"]["agentPoolProfiles"]:
        was = before.get(pool["name"])
        extra = 0
        if was is not None and is_upgraded(was, pool) and pool["powerState"]["code"] == "Running":
            extra = surge_nodes(pool["upgradeSettings"]["maxSurge"], pool["count"])
        raised = {"count": pool["count"] + extra}
        if pool.get("maxCount") is not None:
            raised["maxCount"] = pool["maxCount"] + extra
        pools.append({**pool, **raised})
    return {**new, "properties": {**new["properties"], "agentPoolProfiles": pools}}
