"""Which nodes nobody needs: their pods could be elsewhere, and none of them forbids it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slash24.core.autoscaling import AutoscalerProfile
from slash24.lab.autoscaler.rooms import Room, place_all
from slash24.lab.drain import is_daemon

Object = Mapping[str, Any]

SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
LOCAL_VOLUMES = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
NO_SCALE_DOWN = "cluster-autoscaler.kubernetes.io/scale-down-disabled"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that may go: `moving` are the pods that go elsewhere, `daemons` those that end with it."""

    name: str
    pool: str
    moving: tuple[Object, ...]
    daemons: tuple[Object, ...]


def blocker(pod: Object, profile: AutoscalerProfile) -> str:
    """Return why a pod keeps its node, by the cluster autoscaler's name for it; "" if it doesn't.

    The order and the annotations are the cluster autoscaler's (docs/sources.md#autoscaler).
    """
    metadata = pod["metadata"]
    annotations = metadata.get("annotations") or {}
    safe = annotations.get(SAFE_TO_EVICT, "")
    if safe == "true":
        return ""
    if not any(owner.get("controller") for owner in metadata.get("ownerReferences") or ()):
        return "NotReplicated"
    if metadata.get("namespace") == "kube-system" and profile.skip_nodes_with_system_pods:
        return "UnmovableKubeSystemPod"
    if profile.skip_nodes_with_local_storage and _local_volumes(pod):
        return "LocalStorageRequested"
    return "NotSafeToEvictAnnotation" if safe == "false" else ""


def _local_volumes(pod: Object) -> set[str]:
    """Return the volumes of a pod that are on its node and not said to be dispensable."""
    local = {
        volume["name"] for volume in pod["spec"].get("volumes") or () if "emptyDir" in volume or "hostPath" in volume
    }
    dispensable = (pod["metadata"].get("annotations") or {}).get(LOCAL_VOLUMES, "").split(",")
    return local - {name.strip() for name in dispensable}


def candidates(
    nodes: Sequence[Object],
    pods: Mapping[str, Sequence[Object]],
    rooms: Mapping[str, Room],
    spare: Mapping[str, int],
    profile: AutoscalerProfile,
) -> list[Candidate]:
    """Return the nodes that could go together: what one leaves behind has a place on a node that stays.

    pods: by node, those that have not ended. rooms: of the nodes that pods may move to. spare: by pool, how many nodes
    it may lose; nodes of other pools stay.
    """
    found: list[Candidate] = []
    left, homes, needed = dict(spare), dict(rooms), set[str]()
    views = [_view(node, pods) for node in nodes if not _is_kept(node)]
    for one in sorted(views, key=lambda view: len(view.moving)):  # empty ones first: nobody's pods move there
        if left.get(one.pool, 0) <= 0 or one.name in needed or any(blocker(pod, profile) for pod in one.moving):
            continue
        own = homes.pop(one.name, None)
        takers = place_all(one.moving, list(homes.values()))
        if takers is None:
            if own is not None:
                homes[one.name] = own
            continue
        needed |= takers
        left[one.pool] -= 1
        found.append(one)
    return found


def _is_kept(node: Object) -> bool:
    return (node["metadata"].get("annotations") or {}).get(NO_SCALE_DOWN) == "true"


def _view(node: Object, pods: Mapping[str, Sequence[Object]]) -> Candidate:
    name = node["metadata"]["name"]
    own = pods.get(name, ())
    return Candidate(
        name=name,
        pool=(node["metadata"].get("labels") or {}).get("agentpool", ""),
        moving=tuple(pod for pod in own if not is_daemon(pod) and not _is_ending(pod)),
        daemons=tuple(pod for pod in own if is_daemon(pod)),
    )


def _is_ending(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]
