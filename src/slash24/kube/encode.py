"""Values to Kubernetes' JSON: where its camelCase begins on the way out."""

import secrets
from datetime import UTC, datetime
from typing import Any

from slash24.core.addresses import IPAddress, IPNetwork
from slash24.core.cluster import Node, Settings
from slash24.kube.decode import CONFIG_NAMESPACE, PROBE_ANNOTATION, READY_ANNOTATION

EVENTS_PATH = "/api/v1/namespaces/default/events"


def timestamp() -> str:
    """Return the time now as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_event(component: str, node: str, uid: str, reason: str, message: str, kind: str = "Warning") -> dict[str, Any]:
    """Return a v1 Event about a node; `kind` is Normal or Warning."""
    now = timestamp()
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{node}.{secrets.token_hex(8)}", "namespace": "default"},
        "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid},
        "reason": reason,
        "message": message[:1024],  # the API's limit
        "type": kind,
        "source": {"component": component, "host": node},
        "reportingComponent": component,
        "reportingInstance": node,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


def network_condition(unavailable: bool, reason: str, message: str) -> dict[str, Any]:
    """Return the patch of a node's status that sets its condition NetworkUnavailable."""
    now = timestamp()
    condition = {
        "type": "NetworkUnavailable",
        "status": "True" if unavailable else "False",
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    return {"status": {"conditions": [condition]}}


def network_annotations(probe: IPAddress, *, ready: bool) -> dict[str, str]:
    """Return what an agent says on its NodeNetworkConfig: where its probe answers, whether packets cross."""
    return {PROBE_ANNOTATION: str(probe), READY_ANNOTATION: "true" if ready else "false"}


def node_blocks(resource_version: str, blocks: list[IPNetwork]) -> dict[str, Any]:
    """Return the patch that gives a node its blocks, if it hasn't changed since `resource_version`."""
    texts = [str(block) for block in blocks]
    return {"metadata": {"resourceVersion": resource_version}, "spec": {"podCIDR": texts[0], "podCIDRs": texts}}


def node_network_config(node: Node, settings: Settings) -> dict[str, Any]:
    """Return the NodeNetworkConfig of a node that has a block, with AKS' fields (docs/sources.md#nnc)."""
    block = node.blocks[0]
    return {
        "apiVersion": "acn.azure.com/v1alpha",
        "kind": "NodeNetworkConfig",
        "metadata": {
            "name": node.name,
            "namespace": CONFIG_NAMESPACE,
            "labels": {"kubernetes.azure.com/podnetwork-type": "overlay", "managed": "true"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.uid}],
        },
        # Overlay hands the node its whole block at once: nothing is requested in batches.
        "spec": {"requestedIPCount": 0, "ipsNotInUse": []},
        "status": {
            "assignedIPCount": block.num_addresses,
            "status": "Updated",
            "networkContainers": [
                {
                    "id": node.uid,
                    "assignmentMode": "static",
                    "type": "overlay",
                    "primaryIP": str(block),
                    "nodeIP": str(node.address) if node.address else "",
                    "subnetName": "routingdomain",
                    "subnetAddressSpace": str(settings.pod_cidr),
                    "defaultGateway": "",
                    "version": 0,
                    "status": "NCUpdateSuccess",
                }
            ],
        },
    }
