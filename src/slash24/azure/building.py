"""Building and removing clusters and groups: every step with its undo."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from slash24.azure.cluster_documents import cluster_value
from slash24.azure.context import Arm
from slash24.azure.documents import group_document, vnet_document, vnet_value
from slash24.azure.errors import Json
from slash24.azure.ids import CLUSTERS, VNETS, group_id, vnet_id
from slash24.azure.provisioner import Report
from slash24.azure.vnets import remove_vnet
from slash24.core.topology import resource_key
from slash24.errors import Slash24Error
from slash24.plan.request import MANAGED_SUBNET_PREFIX, MANAGED_VNET_PREFIX

log = logging.getLogger(__name__)

MANAGED_SUBNET = "aks-subnet"


def managed_network(subscription: str, document: Json) -> Json:
    """Return the VNet that AKS makes in the node resource group when the user names no subnet."""
    digits = str(int(resource_key(document["id"]).encode().hex(), 16) % 10**8).zfill(8)
    network = vnet_id(subscription, document["properties"]["nodeResourceGroup"], f"aks-vnet-{digits}")
    subnets = {MANAGED_SUBNET: MANAGED_SUBNET_PREFIX}
    return vnet_document(network, document["location"], [MANAGED_VNET_PREFIX], subnets)


async def build_cluster(
    arm: Arm, document: Json, report: Report, *, network: Json | None, made_group: Json | None
) -> None:
    """Make a cluster and what goes with it; a failure takes all of it away again.

    network: the managed network to make. made_group: the cluster's group, if it was made for it.
    """
    location, properties = document["location"], document["properties"]
    subscription = document["id"].split("/")[2]
    async with AsyncExitStack() as undo:
        if made_group:
            report(f"resource group {made_group['name']}")
            undo.push_async_callback(_quietly, settle_new_group, arm, made_group)
        undo.push_async_callback(_quietly, arm.resources.delete, document["id"])
        node_group = group_document(subscription, properties["nodeResourceGroup"], location, managed_by=document["id"])
        arm.resources.put(node_group)
        undo.push_async_callback(_quietly, arm.resources.delete, node_group["id"])
        if network is not None:
            report(f"virtual network {network['name']} {MANAGED_VNET_PREFIX}, subnet {MANAGED_SUBNET_PREFIX}")
            arm.resources.put(network)
            undo.push_async_callback(_quietly, remove_vnet, arm, network)
            await arm.provisioner.ensure_vnet(vnet_value(network))
        cluster = cluster_value(document)
        undo.push_async_callback(_quietly, arm.provisioner.delete_cluster, cluster.id, lambda _title: None)
        await arm.provisioner.ensure_cluster(cluster, report)
        arm.resources.put(document)
        undo.pop_all()
    if made_group:
        settle_new_group(arm, made_group)


async def _quietly(step: Callable[..., Any], *arguments: Any) -> None:
    """Run one step of an undo: its own failure must hide neither the cause nor the steps after it."""
    try:
        result = step(*arguments)
        if isinstance(result, Awaitable):
            await result
    except Slash24Error as error:
        log.warning("undoing a failed create: %s", error)


async def destroy_cluster(arm: Arm, document: Json, report: Report) -> None:
    """Remove a cluster, its managed network and its node resource group."""
    report(f"delete cluster {document['name']}")
    await arm.provisioner.delete_cluster(document["id"], report)
    subscription = document["id"].split("/")[2]
    node_group = group_id(subscription, document["properties"]["nodeResourceGroup"])
    for network in arm.resources.list(VNETS, under=node_group):
        report(f"delete virtual network {network['name']}")
        await remove_vnet(arm, network)
    for left in arm.resources.list(under=node_group):
        arm.resources.delete(left["id"])
    arm.resources.delete(node_group)
    arm.resources.delete(document["id"])


async def destroy_group(arm: Arm, group: Json, report: Report) -> None:
    """Remove a resource group with all that is in it: clusters first, since they use networks."""
    for cluster in arm.resources.list(CLUSTERS, under=group["id"]):
        await destroy_cluster(arm, cluster, report)
    for network in arm.resources.list(VNETS, under=group["id"]):
        report(f"delete virtual network {network['name']}")
        await remove_vnet(arm, network)
    for document in arm.resources.list(under=group["id"]):
        arm.resources.delete(document["id"])
    arm.resources.delete(group["id"])


def settle_new_group(arm: Arm, group: Json) -> None:
    """Keep a group that was made for a cluster if there is something in it, else take it away."""
    if arm.resources.list(under=group["id"]):
        arm.resources.put({**group, "properties": {**group["properties"], "provisioningState": "Succeeded"}})
    else:
        arm.resources.delete(group["id"])
