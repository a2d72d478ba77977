"""A pod's containers together: which may start, whether the pod has ended, in which order they stop."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from slash24.lab.kubelet.keeper import Keeper

Json = dict[str, Any]


class Containers:
    """Init containers run one after the other; those with restartPolicy Always (sidecars) stay beside the others."""

    def __init__(self, pod: Json, keep: Callable[[Json, str], Keeper]) -> None:
        """keep: make the keeper of a container, from its manifest and its restart policy."""
        spec, self._keep = pod["spec"], keep
        policy = str(spec.get("restartPolicy") or "Always")
        self.init: list[Keeper] = []
        self.sidecars: list[Keeper] = []
        for one in spec.get("initContainers") or ():
            if one.get("restartPolicy") == "Always":
                self.sidecars.append(keep(one, "Always"))
                self.init.append(self.sidecars[-1])
            else:
                self.init.append(keep(one, "Never" if policy == "Never" else "OnFailure"))
        self.main = [keep(one, policy) for one in spec.get("containers") or ()]
        self.ephemeral: list[Keeper] = []
        self.initialized = not self.init
        self.take(pod)

    def take(self, pod: Json) -> None:
        """Take the containers that `kubectl debug` has added meanwhile."""
        known = {one.name for one in self.ephemeral}
        for one in pod["spec"].get("ephemeralContainers") or ():
            if one["name"] not in known:
                self.ephemeral.append(self._keep(one, "Never"))

    def __iter__(self) -> Iterator[Keeper]:
        return iter((*self.main, *self.init, *self.ephemeral))

    def find(self, name: str) -> Keeper | None:
        """Return the container with that name; "": the first."""
        return next((one for one in self if not name or one.name == name), None)

    def adopt(self, status: Json) -> None:
        """Take over what an earlier kubelet started. status: the pod's, as the API has it."""
        entries = {
            entry["name"]: entry
            for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
            for entry in status.get(key) or ()
        }
        for one in self:
            one.adopt(entries.get(one.name, {}))
        begun = any(one.run is not None for one in self.main)
        self.initialized = begun or all(self._lets_go_on(one) for one in self.init)

    async def tend(self) -> float | None:
        """Do what is due for each; return in how many seconds something will be, None if only a change matters."""
        waits = []
        for one in self.init:
            if one in self.sidecars or not self.initialized:
                waits.append(await one.tend())
            if not self.initialized and not self._lets_go_on(one):
                for other in (*self.init[self.init.index(one) + 1 :], *self.main):
                    other.state.waiting = ("PodInitializing", "")
                return _least(waits)
        self.initialized = True
        waits += [await one.tend() for one in (*self.main, *self.ephemeral)]
        return _least(waits)

    def _lets_go_on(self, one: Keeper) -> bool:
        """Tell whether what comes after an init container may start."""
        return one.state.started if one in self.sidecars else one.succeeded

    @property
    def finished(self) -> bool:
        """Whether the pod has ended by itself: an init container failed for good, or all but the sidecars are done."""
        if any(one.finished and not one.succeeded for one in self.init):
            return True
        return bool(self.main) and all(one.finished for one in self.main)

    async def stop(self, grace_s: Callable[[], float]) -> None:
        """Stop all: the sidecars last, in the reverse order of their start. They share one grace period."""
        loop = asyncio.get_running_loop()
        began = loop.time()

        def left_s() -> float:
            return max(0.0, began + grace_s() - loop.time())

        others = [one for one in self if one not in self.sidecars]
        await asyncio.gather(*(one.stop(f"Stopping container {one.name}", grace_s) for one in others))
        for one in reversed(self.sidecars):
            await one.stop(f"Stopping container {one.name}", left_s)

    def hasten(self) -> None:
        for one in self:
            one.hasten()

    def retry_configuration(self) -> None:
        for one in self:
            one.retry_configuration()

    def forget(self) -> None:
        for one in self:
            one.forget()


def _least(waits: list[float | None]) -> float | None:
    return min((wait for wait in waits if wait is not None), default=None)
