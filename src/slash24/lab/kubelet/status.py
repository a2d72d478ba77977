"""A pod's status, computed from what its containers do, as a kubelet computes it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from slash24.lab.kubelet.container import Ended

Json = dict[str, Any]


@dataclass(slots=True)
class ContainerState:
    """One container of a pod. At any time one holds: it waits, it runs (`started_at`), or it has ended.

    waiting: (reason, message). ended: the last run's end, kept while a later one runs or is waited for.
    """

    name: str
    image: str
    container_id: str = ""
    restarts: int = 0
    waiting: tuple[str, str] | None = ("ContainerCreating", "")
    started_at: str = ""
    ended: Ended | None = None
    previous: Ended | None = None

    @property
    def running(self) -> bool:
        return bool(self.started_at)

    @property
    def terminated(self) -> bool:
        return self.ended is not None and not self.running and self.waiting is None

    def status(self) -> Json:
        """Return this container's entry in `containerStatuses`, with every field that strict clients need."""
        last: Ended | None = self.previous
        state: Json
        if self.running:
            state, last = {"running": {"startedAt": self.started_at}}, self.ended
        elif self.waiting:
            reason, message = self.waiting
            state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
            last = self.ended
        else:
            assert self.ended is not None  # noqa: S101 - the invariant above
            state = {"terminated": self.ended.state()}
        known = self.running or self.ended is not None
        return {
            "name": self.name,
            "image": self.image,
            "imageID": f"slash24://{self.image}" if known else "",
            "ready": self.running,
            "started": self.running,
            "restartCount": self.restarts,
            "state": state,
            "lastState": {"terminated": last.state()} if last else {},
        } | ({"containerID": f"slash24://{self.container_id}"} if self.container_id else {})


@dataclass(slots=True)
class PodState:
    """What a status is made of, besides the containers."""

    restart_policy: str
    host_ip: str
    start_time: str
    has_sandbox: bool = False
    initialized: bool = True
    addresses: list[str] = field(default_factory=list)


def phase(
    policy: str, initialized: bool, containers: Iterable[ContainerState], init: Iterable[ContainerState] = ()
) -> str:
    """Return the pod's phase (kubelet's getPhase)."""
    if policy == "Never" and any(one.terminated and not _succeeded(one) for one in init):
        return "Failed"
    running = stopped = succeeded = waiting = 0
    for container in containers:
        if container.running:
            running += 1
        elif container.ended is not None:
            stopped += 1
            succeeded += container.terminated and container.ended.code == 0
        else:
            waiting += 1
    if not initialized or waiting:
        return "Pending"
    if running or policy == "Always":
        return "Running"
    if stopped == succeeded:
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _condition(kind: str, status: bool, now: str, old: Mapping[str, Json], reason: str = "", message: str = "") -> Json:
    text = "True" if status else "False"
    before = old.get(kind, {})
    since = before.get("lastTransitionTime") if before.get("status") == text else None
    found: Json = {"type": kind, "status": text, "lastProbeTime": None, "lastTransitionTime": since or now}
    return found | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def compute(
    pod: PodState, containers: list[ContainerState], init: list[ContainerState], old: list[Json], now: str
) -> Json:
    """Return a whole status. `old`: the conditions as they stand in the API; those of others are kept."""
    current = phase(pod.restart_policy, pod.initialized, containers, init)
    known = {condition.get("type", ""): condition for condition in old}
    unready = [container.name for container in containers if not container.running]
    complete = current in ("Succeeded", "Failed")
    why, what = ("", "")
    if unready:
        why = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(current, "ContainersNotReady")
        what = "" if complete else f"containers with unready status: [{' '.join(unready)}]"
    waiting_init = [container.name for container in init if not (container.terminated and _succeeded(container))]
    initialized = _condition(
        "Initialized", pod.initialized, now, known,
        *(("PodCompleted",) if current == "Succeeded" else ()),
        *(() if pod.initialized else
          ("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(waiting_init)}]")),
    )  # fmt: skip
    conditions = [
        _condition("PodReadyToStartContainers", pod.has_sandbox, now, known),
        initialized,
        _condition("Ready", not unready, now, known, why, what),
        _condition("ContainersReady", not unready, now, known, why, what),
    ]
    ours = {condition["type"] for condition in conditions}
    conditions += [condition for condition in old if condition.get("type") not in ours]
    found: Json = {
        "phase": current,
        "conditions": conditions,
        "hostIP": pod.host_ip,
        "hostIPs": [{"ip": pod.host_ip}],
        "startTime": pod.start_time,
        "containerStatuses": [container.status() for container in sorted(containers, key=lambda one: one.name)],
    }
    if init:
        found["initContainerStatuses"] = [container.status() for container in init]
    if pod.addresses:
        found |= {"podIP": pod.addresses[0], "podIPs": [{"ip": address} for address in pod.addresses]}
    return found


def _succeeded(container: ContainerState) -> bool:
    return container.ended is not None and container.ended.code == 0
