"""Names and labels as AKS gives them."""

import hashlib
import re

from slash24 import __version__
from slash24.core.topology import Cluster, NodePool, resource_key

#: A node's label with the version of its image.
IMAGE_LABEL = "kubernetes.azure.com/node-image-version"

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_INSTANCE = re.compile(r"vmss([0-9a-z]{6})$")


def resource_group(resource_id: str) -> str:
    """Return the resource group's name in an ARM id, as it is written there."""
    parts = resource_id.strip("/").split("/")
    lower = [part.lower() for part in parts]
    return parts[lower.index("resourcegroups") + 1]


def cluster_key(cluster_id: str) -> str:
    """Return the cluster's name in URLs and file names: `<group>.<name>` in lower case.

    A group may hold characters that a URL can't: those are told apart by a hash.
    """
    parts = resource_key(cluster_id).strip("/").split("/")
    text = f"{parts[1]}.{parts[-1]}"
    clean = re.sub(r"[^a-z0-9._-]", "-", text)
    return clean if clean == text else f"{clean}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def scale_set(cluster: Cluster, pool: NodePool) -> str:
    """Return the name of a pool's scale set: `aks-<pool>-<8 digits>-vmss`."""
    digits = int(hashlib.sha256(resource_key(cluster.id).encode()).hexdigest(), 16) % 10**8
    return f"aks-{pool.name}-{digits:08}-vmss"


def node_name(cluster: Cluster, pool: NodePool, instance: int) -> str:
    """Return the name of a pool's node: `aks-<pool>-<8 digits>-vmss00000N`, N to base 36 as scale sets count."""
    return f"{scale_set(cluster, pool)}{_base36(instance):0>6}"


def image_version(number: int) -> str:
    """Return the version of a node image: a lab's node runs slash24 itself, so newer images are told by a number."""
    return f"slash24-{__version__}-{number}"


def pool_of(node: str) -> str:
    """Return the pool in a node's name."""
    return node.split("-")[1]


def instance_of(name: str) -> int:
    """Return the instance number in a node's name."""
    found = _INSTANCE.search(name)
    if not found:
        raise ValueError(f"{name} is not a scale set instance's name")
    return int(found[1], 36)


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text or "0"


def node_labels(cluster: Cluster, pool: NodePool, name: str, vnet_name: str) -> dict[str, str]:
    """Return the labels that AKS gives the nodes of an Overlay cluster (docs/sources.md#node-labels)."""
    subnet = pool.subnet_id.rsplit("/", 1)[-1]
    group = cluster.node_resource_group or resource_group(cluster.id)
    return {
        "agentpool": pool.name,
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/instance-type": pool.vm_size,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.azure.com/agentpool": pool.name,
        "kubernetes.azure.com/azure-cni-overlay": "true",
        "kubernetes.azure.com/cluster": group[:63],
        "kubernetes.azure.com/mode": pool.mode.lower(),
        "kubernetes.azure.com/network-name": vnet_name,
        "kubernetes.azure.com/network-resourcegroup": resource_group(pool.subnet_id),
        "kubernetes.azure.com/network-subnet": subnet,
        IMAGE_LABEL: image_version(pool.image),
        "kubernetes.azure.com/os-sku": "Ubuntu",
        "kubernetes.azure.com/podnetwork-type": "overlay",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": pool.vm_size,
        "topology.kubernetes.io/region": cluster.location,
        "topology.kubernetes.io/zone": "0",
        **dict(pool.labels),
    }
