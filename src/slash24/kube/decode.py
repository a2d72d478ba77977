"""Kubernetes' JSON to values: where its camelCase ends on the way in."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from slash24.core.addresses import IPAddress, IPNetwork
from slash24.core.cluster import Node, Settings, View
from slash24.core.topology import Transport
from slash24.errors import Slash24Error

CONFIG_NAMESPACE, CONFIG_NAME = "kube-system", "slash24-config"
NNC_PATH = f"/apis/acn.azure.com/v1alpha/namespaces/{CONFIG_NAMESPACE}/nodenetworkconfigs"
#: An agent says by these on its own NodeNetworkConfig where its probe answers, and whether packets cross its network.
PROBE_ANNOTATION = "slash24.io/probe-address"
READY_ANNOTATION = "slash24.io/network-ready"

Object = Mapping[str, Any]


class DecodeError(Slash24Error):
    """An object of the API has a value that can't be read."""


def node(source: Object) -> Node:
    """Return the value of a v1 Node as a controller sees it. Addresses and blocks that can't be read are left out."""
    metadata, spec, status = source.get("metadata", {}), source.get("spec", {}), source.get("status", {})
    internal = (entry["address"] for entry in status.get("addresses") or () if entry.get("type") == "InternalIP")
    blocks = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return Node(
        name=metadata.get("name", ""),
        address=next((found for found in map(_address, internal) if found is not None), None),
        blocks=tuple(found for found in map(_network, blocks) if found is not None),
        created=metadata.get("creationTimestamp", ""),
        uid=metadata.get("uid", ""),
    )


def network_of(source: Object) -> Node:
    """Return what a NodeNetworkConfig tells of its node. Addresses and blocks that can't be read are left out."""
    metadata, status = source.get("metadata", {}), source.get("status", {})
    containers: list[Object] = status.get("networkContainers") or []
    annotations = metadata.get("annotations") or {}
    owner: Object = next(iter(metadata.get("ownerReferences") or ()), {})
    blocks = (_network(container.get("primaryIP", "")) for container in containers)
    return Node(
        name=metadata.get("name", ""),
        address=_address(containers[0].get("nodeIP", "")) if containers else None,
        blocks=tuple(block for block in blocks if block is not None),
        probe=_address(annotations.get(PROBE_ANNOTATION, "")),
        ready=annotations.get(READY_ANNOTATION) == "true",
        created=metadata.get("creationTimestamp", ""),
        uid=owner.get("uid", ""),
    )


def condition(source: Object, kind: str) -> Object:
    """Return a node's condition of one type; empty if it has none."""
    conditions: Iterable[Object] = source.get("status", {}).get("conditions") or ()
    return next((entry for entry in conditions if entry.get("type") == kind), {})


def settings(config_map: Object) -> Settings:
    """Return the cluster's settings from kube-system/slash24-config; DecodeError names the key that can't be read."""
    data = config_map.get("data") or {}
    default = Settings()
    key = ""
    try:
        key = "pod-cidr"
        pod_cidr = ip_network(data.get(key, str(default.pod_cidr)))
        key = "service-cidr"
        service_cidr = ip_network(data.get(key, str(default.service_cidr)))
        key = "block-prefix"
        block_prefix = int(data.get(key, default.block_prefix))
        key = "transport"
        transport = Transport(data.get(key, default.transport))
        key = "vni"
        vni = int(data.get(key, default.vni))
    except ValueError as error:
        raise DecodeError(
            f"ConfigMap {CONFIG_NAMESPACE}/{CONFIG_NAME}: {key} is {data.get(key)!r}: {error}", fix="correct the value"
        ) from error
    return Settings(pod_cidr, block_prefix, transport, vni, service_cidr)


def view(config_map: Object, nodes: Iterable[Object]) -> View:
    """Return the cluster, its nodes by name."""
    return View(settings(config_map), tuple(sorted(map(node, nodes), key=lambda node: node.name)))


# Each look at the cluster reads all nodes anew; the same few thousand texts come back every time.
@lru_cache(maxsize=16384)
def _address(text: str) -> IPAddress | None:
    with suppress(ValueError):
        return ip_address(text)
    return None


@lru_cache(maxsize=16384)
def _network(text: str) -> IPNetwork | None:
    with suppress(ValueError):
        return ip_network(text)
    return None
