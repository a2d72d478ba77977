"""Nodes and pods for the autoscaler's tests."""

from typing import Any

from slash24.lab.placement import NodeView, view_node

Object = dict[str, Any]


def node(name: str, *, pool: str = "np", places: int = 10, cpu: str = "4", ready: str = "True", **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"agentpool": pool, "kubernetes.io/hostname": name}},
        "spec": spec,
        "status": {
            "allocatable": {"pods": str(places), "cpu": cpu},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def view(name: str = "template", **options: Any) -> NodeView:
    return view_node(node(name, **options))


def pod(
    name: str, *, on: str = "", namespace: str = "default", owner: str = "ReplicaSet", notes: Object | None = None,
    **spec: Any,
) -> Object:  # fmt: skip
    """Return a pod; `owner` is the kind of its controller, "" for none; `notes` are its annotations."""
    metadata: Object = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "annotations": notes or {}}
    if owner:
        metadata["ownerReferences"] = [{"kind": owner, "name": "o", "uid": "u", "controller": True}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"terminationGracePeriodSeconds": 0, **spec} | ({"nodeName": on} if on else {}),
        "status": {"phase": "Running" if on else "Pending"},
    }
