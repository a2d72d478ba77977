"""A pod's status, computed from what its containers do, as a kubelet computes it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slash24.lab.kubelet.container import Ended

Json = dict[str, Any]


@dataclass(slots=True)
class ContainerState:
    """One container of a pod. At any time one holds: it waits, it runs (`started_at`), or it has ended.

    waiting: (reason, message). ended: the last run's end, kept while a later one runs or is waited for.
    ready, started: what its probes say of the run.
    """

    name: str
    image: str
    container_id: str = ""
    restarts: int = 0
    waiting: tuple[str, str] | None = ("ContainerCreating", "")
    started_at: str = ""
    ended: Ended | None = None
    previous: Ended | None = None
    ready: bool = False
    started: bool = False

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
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": state,
            "lastState": {"terminated": last.state()} if last else {},
        } | ({"containerID": f"slash24://{self.container_id}"} if self.container_id else {})


@dataclass(slots=True)
class PodState:
    """What a status is made of, besides the containers.

    gates: the condition types that `readinessGates` names. failure: (reason, message) of a pod that was ended.
    """

    restart_policy: str
    host_ip: str
    start_time: str
    has_sandbox: bool = False
    initialized: bool = True
    addresses: list[str] = field(default_factory=list)
    gates: tuple[str, ...] = ()
    failure: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ContainerStates:
    """The containers of a pod, by sort. `sidecars` are those of `init` that stay."""

    main: Sequence[ContainerState]
    init: Sequence[ContainerState] = ()
    sidecars: Sequence[ContainerState] = ()
    ephemeral: Sequence[ContainerState] = ()


def phase(
    policy: str, initialized: bool, containers: Iterable[ContainerState], init: Iterable[ContainerState] = ()
) -> str:
    """Return the pod's phase (kubelet's getPhase)."""
    if policy == "Never" and not initialized and any(one.terminated and not _succeeded(one) for one in init):
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


def compute(pod: PodState, containers: ContainerStates, old: list[Json], now: str) -> Json:
    """Return a whole status. `old`: the conditions as they stand in the API; those of others are kept."""
    once = [one for one in containers.init if one not in containers.sidecars]
    current = "Failed" if pod.failure else phase(pod.restart_policy, pod.initialized, containers.main, once)
    found: Json = {
        "phase": current,
        "conditions": _conditions(pod, containers, current, old, now),
        "hostIP": pod.host_ip,
        "hostIPs": [{"ip": pod.host_ip}],
        "startTime": pod.start_time,
        "containerStatuses": [one.status() for one in sorted(containers.main, key=lambda one: one.name)],
    }
    if pod.failure:
        found |= {"reason": pod.failure[0], "message": pod.failure[1]}
    for key, states in (
        ("initContainerStatuses", containers.init),
        ("ephemeralContainerStatuses", containers.ephemeral),
    ):
        if states:
            found[key] = [one.status() for one in states]
    if pod.addresses:
        found |= {"podIP": pod.addresses[0], "podIPs": [{"ip": address} for address in pod.addresses]}
    return found


def _conditions(pod: PodState, containers: ContainerStates, current: str, old: list[Json], now: str) -> list[Json]:
    known = {condition.get("type", ""): condition for condition in old}
    unready = [one.name for one in (*containers.sidecars, *containers.main) if not one.ready]
    why, what = "", ""
    if current in ("Succeeded", "Failed"):
        why = "PodCompleted" if current == "Succeeded" else "PodFailed"
    elif unready:
        why, what = "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    gates = "" if why else _closed_gates(pod.gates, known)
    waiting = [] if pod.initialized else [
        one.name for one in containers.init
        if not (one.started if one in containers.sidecars else one.terminated and _succeeded(one))
    ]  # fmt: skip
    if pod.initialized:
        begun = ("PodCompleted", "") if current == "Succeeded" else ("", "")
    else:
        begun = ("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(waiting)}]")
    conditions = [
        _condition("PodReadyToStartContainers", pod.has_sandbox, now, known),
        _condition("Initialized", pod.initialized, now, known, *begun),
        _condition("Ready", False, now, known, "ReadinessGatesNotReady", gates)
        if gates
        else _condition("Ready", not why, now, known, why, what),
        _condition("ContainersReady", not why, now, known, why, what),
    ]
    ours = {condition["type"] for condition in conditions}
    return conditions + [condition for condition in old if condition.get("type") not in ours]


def _closed_gates(gates: Iterable[str], known: Mapping[str, Json]) -> str:
    """Return why readiness gates keep the pod from being ready; "" if they don't."""
    texts = []
    for gate in gates:
        if gate not in known:
            texts.append(f'corresponding condition of pod readiness gate "{gate}" does not exist.')
        elif (status := known[gate].get("status")) != "True":
            texts.append(f'the status of pod readiness gate "{gate}" is not "True", but {status}')
    return ", ".join(texts)


def _succeeded(container: ContainerState) -> bool:
    return container.ended is not None and container.ended.code == 0
