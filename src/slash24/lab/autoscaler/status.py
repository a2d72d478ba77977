"""The ConfigMap `cluster-autoscaler-status`, by which a cluster autoscaler tells what it sees."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from slash24.lab.autoscaler.growth import NodeGroup

NAME, NAMESPACE = "cluster-autoscaler-status", "kube-system"


def status_text(
    groups: Sequence[NodeGroup],
    ready: Mapping[str, int],
    registered: Mapping[str, int],
    candidates: Mapping[str, int],
    growing: str,
    *,
    healthy: bool,
    at: str,
) -> str:
    """Return the status as the cluster autoscaler writes it, YAML since its 1.30.

    ready, registered, candidates: nodes by pool. growing: the pool that is being enlarged, "" if none is. at: the time.
    """
    condition = "Healthy" if healthy else "Unhealthy"
    status: dict[str, Any] = {
        "time": at,
        "autoscalerStatus": "Running",
        "clusterWide": {
            "health": {"status": condition, "nodeCounts": _counts(sum(registered.values()), sum(ready.values()))},
            "scaleUp": {"status": "InProgress" if growing else "NoActivity"},
            "scaleDown": {"status": _scale_down(sum(candidates.values()))},
        },
        "nodeGroups": [
            {
                "name": group.name,
                "health": {
                    "status": condition,
                    "nodeCounts": _counts(registered.get(group.pool, 0), ready.get(group.pool, 0)),
                    "cloudProviderTarget": group.size,
                    "minSize": group.floor,
                    "maxSize": group.ceiling,
                },
                "scaleUp": {"status": _scale_up(group, growing)},
                "scaleDown": {"status": _scale_down(candidates.get(group.pool, 0))},
            }
            for group in groups
        ],
    }
    return yaml.safe_dump(status, sort_keys=False)


def _counts(registered: int, ready: int) -> dict[str, Any]:
    return {"registered": {"total": registered, "ready": ready}}


def _scale_up(group: NodeGroup, growing: str) -> str:
    if group.pool == growing:
        return "InProgress"
    return "Backoff" if group.in_backoff or group.shortage else "NoActivity"


def _scale_down(candidates: int) -> str:
    return "CandidatesPresent" if candidates else "NoCandidates"


def status_document(text: str, at: str) -> dict[str, Any]:
    """Return the ConfigMap that holds a status."""
    annotations = {"cluster-autoscaler.kubernetes.io/last-updated": at}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "annotations": annotations},
        "data": {"status": text},
    }
