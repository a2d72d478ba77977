"""Topology values as JSON documents and back, for the lab's database."""

from dataclasses import asdict
from ipaddress import ip_network
from typing import Any

from slash24.core.autoscaling import read_profile, write_profile
from slash24.core.topology import Cluster, NodePool, Subnet, Transport, UpgradeSettings, VNet


def vnet_document(vnet: VNet) -> dict[str, Any]:
    return {
        "id": vnet.id,
        "prefixes": [str(prefix) for prefix in vnet.prefixes],
        "subnets": [{"name": subnet.name, "prefix": str(subnet.prefix)} for subnet in vnet.subnets],
    }


def read_vnet(document: dict[str, Any]) -> VNet:
    return VNet(
        id=document["id"],
        prefixes=tuple(ip_network(text) for text in document["prefixes"]),
        subnets=tuple(Subnet(entry["name"], ip_network(entry["prefix"])) for entry in document["subnets"]),
    )


def cluster_document(cluster: Cluster) -> dict[str, Any]:
    plain = asdict(cluster)
    return plain | {
        "pod_cidr": str(cluster.pod_cidr),
        "service_cidr": str(cluster.service_cidr),
        "autoscaler": write_profile(cluster.autoscaler),
    }


def read_cluster(document: dict[str, Any]) -> Cluster:
    return Cluster(
        **document
        | {
            "pod_cidr": ip_network(document["pod_cidr"]),
            "service_cidr": ip_network(document["service_cidr"]),
            "transport": Transport(document["transport"]),
            "pools": tuple(_read_pool(pool) for pool in document["pools"]),
            "tags": tuple((key, value) for key, value in document["tags"]),
            "autoscaler": read_profile(document["autoscaler"]),
        }
    )


def _read_pool(document: dict[str, Any]) -> NodePool:
    labels = tuple((key, value) for key, value in document["labels"])
    fields = {"labels": labels, "taints": tuple(document["taints"]), "upgrade": UpgradeSettings(**document["upgrade"])}
    return NodePool(**document | fields)
