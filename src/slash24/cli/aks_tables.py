"""The columns of clusters and node pools."""

from typing import Any

from slash24.cli.output import Column


def _nodes(row: dict[str, Any]) -> int:
    return sum(pool.get("count", 0) for pool in row.get("agentPoolProfiles", []))


def autoscaler(pool: dict[str, Any]) -> str:
    """Return the bounds of a pool that grows by itself: 2-10; "" for one that doesn't."""
    return f"{pool.get('minCount')}-{pool.get('maxCount')}" if pool.get("enableAutoScaling") else ""


CLUSTER_COLUMNS = (
    Column("NAME", "name"),
    Column("RESOURCE GROUP", "resourceGroup"),
    Column("LOCATION", "location"),
    Column("NODES", _nodes, right=True),
    Column("AUTOSCALER", lambda row: [found for found in map(autoscaler, row.get("agentPoolProfiles", [])) if found]),
    Column("POD CIDR", "networkProfile.podCidr"),
    Column("TRANSPORT", "networkProfile.slash24.transport"),
    Column("STATE", "provisioningState"),
    Column("SERVICE CIDR", "networkProfile.serviceCidr", wide=True),
    Column("BLOCK", lambda row: f"/{row['networkProfile']['slash24']['blockPrefix']}", wide=True),
    Column("VERSION", "kubernetesVersion", wide=True),
    Column("FQDN", "fqdn", wide=True),
)
POOL_COLUMNS = (
    Column("NAME", "name"),
    Column("MODE", "mode"),
    Column("COUNT", "count", right=True),
    Column("AUTOSCALER", autoscaler),
    Column("MAX PODS", "maxPods", right=True),
    Column("SUBNET", lambda row: str(row.get("vnetSubnetId") or "").rsplit("/", 1)[-1]),
    Column("STATE", "provisioningState"),
    Column("VM SIZE", "vmSize", wide=True),
    Column("LABELS", "nodeLabels", wide=True),
    Column("TAINTS", "nodeTaints", wide=True),
)
