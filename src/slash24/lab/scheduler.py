"""The lab's scheduler: binds a cluster's pods to its nodes, fewest pods first.

It knows readiness, free pod places, requests of resources, node selectors and required node affinity, taints and
cordons. It doesn't know affinity between pods, spreading or preemption.
"""

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from fractions import Fraction

from slash24.errors import NotFoundError
from slash24.lab.events import Recorder
from slash24.lab.placement import Amounts, NodeView, refusal, requests_of, shortages, view_node, why_nowhere
from slash24.store.database import DiskFullError
from slash24.store.objects import ClusterObjects, ConflictError, ExpiredError, Object, now

log = logging.getLogger(__name__)

_NAME = "default-scheduler"
#: A pod that fits nowhere is told so when the cluster has been quiet this long: nodes come and pods go in bursts.
_SETTLE_S = 0.2
#: Bindings between two turns of the event loop, in which the API server answers.
_BATCH = 25
#: So long after a write found the disk full it is tried again.
_FULL_S = 1.0

Key = tuple[str, str]


class _Choice:
    """What one sort of pod asks for, the nodes that it may be on, and what speaks against the others."""

    def __init__(self, spec: Object, nodes: Iterable[NodeView]) -> None:
        self.asked = requests_of(spec)
        self.fitting: list[NodeView] = []
        self.reasons: dict[str, int] = {}
        for node in nodes:
            reason = refusal(spec, node)
            if reason is None:
                self.fitting.append(node)
            else:
                self.reasons[reason] = self.reasons.get(reason, 0) + 1


class _Load:
    """The pods on one node that have not ended: how many, and what they ask for together."""

    def __init__(self) -> None:
        self.pods = 0
        self.used: dict[str, Fraction] = {}

    def change(self, asked: Amounts, sign: int) -> None:
        self.pods += sign
        for name, amount in asked.items():
            self.used[name] = self.used.get(name, Fraction(0)) + sign * amount


class Scheduler:
    """Schedules one cluster's pods. It keeps counts, so that a pod costs the same however many there are."""

    def __init__(self, objects: ClusterObjects) -> None:
        self._objects = objects
        self._events = Recorder(objects, _NAME)
        self._nodes: dict[str, NodeView] = {}
        self._loads: defaultdict[str, _Load] = defaultdict(_Load)  # by node
        self._bound: dict[Key, tuple[str, Amounts]] = {}  # pods that have not ended -> their node, what they ask for
        self._pending: dict[Key, Object] = {}
        self._failed: dict[Key, str] = {}  # to be told, when it is quiet
        self._choices: dict[str, _Choice] = {}  # by sort of pod, until a node changes
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Bind pods, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow("nodes"))
            group.create_task(self._follow("pods"))
            group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_SETTLE_S if self._failed else None):
                    await self._changed.wait()
            except TimeoutError:
                await self._unless_full(self._report())
                continue
            self._changed.clear()
            await self._unless_full(self._schedule())

    async def _unless_full(self, work: Awaitable[None]) -> None:
        """Do a part of the work; on a full disk it is done again when there may be room."""
        try:
            await work
        except DiskFullError as error:
            log.warning("scheduler: %s", error)
            await asyncio.sleep(_FULL_S)
            self._changed.set()

    # What changes

    async def _follow(self, plural: str) -> None:
        while True:
            present: set[Key] = set()
            initial = True
            with suppress(ExpiredError):
                async for kind, item in self._objects.watch(plural, send_initial=True, mark_initial=True):
                    if kind == "SYNCED":
                        self._forget_others(plural, present)
                        initial = False
                        continue
                    if initial:
                        present.add(_key(item))
                    self._take(plural, _key(item), None if kind == "DELETED" else item)
            await asyncio.sleep(0.1)  # cut off for reading too slowly, or the cluster is being removed

    def _forget_others(self, plural: str, present: set[Key]) -> None:
        known = {("", name) for name in self._nodes} if plural == "nodes" else {*self._bound, *self._pending}
        for key in known - present:
            self._take(plural, key, None)

    def _take(self, plural: str, key: Key, item: Object | None) -> None:
        changed = self._take_node(key[1], item) if plural == "nodes" else self._take_pod(key, item)
        if changed:
            self._changed.set()

    def _take_node(self, name: str, node: Object | None) -> bool:
        """Note a node; return whether that may matter to a pending pod."""
        before = self._nodes.pop(name, None)
        if node is not None:
            self._nodes[name] = view_node(node)
        if self._nodes.get(name) == before:
            return False
        self._choices.clear()
        return True

    def _take_pod(self, key: Key, pod: Object | None) -> bool:
        node = _place_of(pod) if pod else ""
        freed = False
        before, _ = self._bound.get(key, ("", {}))
        if before != node:
            freed = bool(before)
            self._move(key, node, requests_of(pod["spec"]) if pod and node else {})
        self._pending.pop(key, None)
        if pod is None or node or not _is_ours(pod):
            self._failed.pop(key, None)
            return freed
        self._pending[key] = pod
        return freed or not _has_been_refused(pod)

    def _move(self, key: Key, node: str, asked: Amounts) -> None:
        before, freed = self._bound.pop(key, ("", {}))
        if before:
            self._loads[before].change(freed, -1)
        if node:
            self._bound[key] = (node, asked)
            self._loads[node].change(asked, 1)

    # Decisions

    async def _schedule(self) -> None:
        """Bind every pending pod that has a place, oldest first."""
        self._failed.clear()
        bound = 0
        for key, pod in sorted(self._pending.items(), key=_age):
            if self._pending.get(key) is not pod:
                continue  # changed while we let others work; its turn comes again
            choice = self._choice(pod["spec"])
            free = [node for node in choice.fitting if self._has_room(node, choice.asked)]
            if not free:
                lacking = [self._lacks(node, choice.asked) for node in choice.fitting]
                self._failed[key] = why_nowhere(choice.reasons, lacking)
                continue
            node = min(free, key=lambda node: (self._loads[node.name].pods, node.name))
            self._bind(key, pod, node.name, choice.asked)
            bound += 1
            if bound % _BATCH == 0:
                await asyncio.sleep(0)
        if bound:
            log.info("scheduler: %d pods bound, %d fit nowhere", bound, len(self._failed))

    def _has_room(self, node: NodeView, asked: Amounts) -> bool:
        # Asked of every node for every pod: most pods ask for nothing but a place.
        return self._loads[node.name].pods < node.places and not (asked and self._lacks(node, asked))

    def _lacks(self, node: NodeView, asked: Amounts) -> tuple[str, ...]:
        load = self._loads[node.name]
        return shortages(asked, node, load.pods, load.used)

    def _choice(self, spec: Object) -> _Choice:
        sort = _sort(spec)
        if sort not in self._choices:
            self._choices[sort] = _Choice(spec, self._nodes.values())
        return self._choices[sort]

    def _bind(self, key: Key, pod: Object, node: str, asked: Amounts) -> None:
        bound = pod | {"spec": pod["spec"] | {"nodeName": node}, "status": _scheduled(pod, "True", "", "")}
        self._pending.pop(key, None)
        try:
            self._objects.replace("pods", bound)
        except (ConflictError, NotFoundError):
            return  # the watch brings what it is now
        except DiskFullError:
            self._pending[key] = pod
            raise
        self._move(key, node, asked)
        self._events.normal(pod, "Scheduled", f"Successfully assigned {key[0]}/{key[1]} to {node}")

    async def _report(self) -> None:
        """Tell the pods that fit nowhere; each message once."""
        for number, (key, message) in enumerate(list(self._failed.items())):
            self._failed.pop(key, None)
            pod = self._pending.get(key)
            if pod is None:
                continue
            if number % _BATCH == _BATCH - 1:
                await asyncio.sleep(0)
            if _condition(pod).get("message") == message:
                continue
            with suppress(ConflictError, NotFoundError):
                refused = pod | {"status": _scheduled(pod, "False", "Unschedulable", message)}
                self._objects.replace("pods", refused)
                self._events.warning(pod, "FailedScheduling", message)


def _key(item: Object) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _age(entry: tuple[Key, Object]) -> tuple[str, int]:
    metadata = entry[1]["metadata"]
    return metadata.get("creationTimestamp", ""), int(metadata["resourceVersion"])


def _place_of(pod: Object) -> str:
    """Return the node on which a pod takes a place, "" if it takes none."""
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return "" if ended else str(pod["spec"].get("nodeName") or "")


def _is_ours(pod: Object) -> bool:
    """Tell whether a pod waits for this scheduler."""
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and not pod["metadata"].get("deletionTimestamp")
        and not spec.get("schedulingGates")
        and spec.get("schedulerName", _NAME) == _NAME
        and (pod.get("status") or {}).get("phase", "Pending") == "Pending"
    )


def _sort(spec: Object) -> str:
    """Return a text that is equal for pods which may be on the same nodes."""
    asked = {name: str(amount) for name, amount in requests_of(spec).items()}
    return json.dumps(
        [*(spec.get(name) for name in ("nodeSelector", "affinity", "tolerations")), asked], sort_keys=True
    )


def _condition(pod: Object) -> Object:
    conditions: Iterable[Object] = (pod.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == "PodScheduled"), {})


def _has_been_refused(pod: Object) -> bool:
    return _condition(pod).get("status") == "False"


def _scheduled(pod: Object, status: str, reason: str, message: str) -> Object:
    """Return a pod's status with the condition PodScheduled."""
    old = pod.get("status") or {}
    fresh: Object = {"type": "PodScheduled", "status": status, "lastProbeTime": None, "lastTransitionTime": now()}
    if reason:
        fresh |= {"reason": reason, "message": message}
    if _condition(pod).get("status") == status:
        fresh["lastTransitionTime"] = _condition(pod).get("lastTransitionTime")
    others = [condition for condition in old.get("conditions") or () if condition.get("type") != "PodScheduled"]
    return {"phase": "Pending"} | old | {"conditions": [*others, fresh]}
