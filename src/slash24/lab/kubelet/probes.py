"""A container's probes: what they are, what their answers add up to, and the loop that asks."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slash24.lab.kubelet.handlers import HandlerError, Handlers

log = logging.getLogger(__name__)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe of a manifest, with Kubernetes' defaults. `grace_s`: of a container that it ends; None: the pod's."""

    name: str
    action: Json
    initial_delay_s: float
    period_s: float
    timeout_s: float
    successes: int
    failures: int
    grace_s: float | None

    @classmethod
    def read(cls, name: str, given: Json | None) -> "Probe | None":
        """Return the probe that is called `startup`, `liveness` or `readiness`; None if there is none."""
        if not given:
            return None
        grace = given.get("terminationGracePeriodSeconds")
        return cls(
            name=name,
            action=given,
            initial_delay_s=float(given.get("initialDelaySeconds") or 0),
            period_s=float(given.get("periodSeconds") or 10),
            timeout_s=float(given.get("timeoutSeconds") or 1),
            successes=int(given.get("successThreshold") or 1),
            failures=int(given.get("failureThreshold") or 3),
            grace_s=None if grace is None else float(grace),
        )


@dataclass(slots=True)
class Tally:
    """Counts a probe's answers; `result` is what they add up to, and changes at the thresholds only."""

    probe: Probe
    result: bool
    _last: bool | None = None
    _run: int = 0

    def take(self, ok: bool) -> bool:
        """Take an answer; return whether the threshold of its kind is reached."""
        self._run = self._run + 1 if ok == self._last else 1
        self._last = ok
        if self._run < (self.probe.successes if ok else self.probe.failures):
            return False
        self.result = ok
        return True


class Prober:
    """All probes of one run of a container. `ready` and `started` are what they say so far."""

    def __init__(
        self,
        manifest: Json,
        handlers: Handlers,
        *,
        complain: Callable[[str], None],
        changed: Callable[[], None],
        give_up: Callable[[Probe], None],
    ) -> None:
        """complain: take the text of an event. give_up: the container is to be ended, for what this probe says."""
        self._startup = Probe.read("Startup", manifest.get("startupProbe"))
        self._liveness = Probe.read("Liveness", manifest.get("livenessProbe"))
        self._readiness = Probe.read("Readiness", manifest.get("readinessProbe"))
        self._handlers = handlers
        self._complain = complain
        self._changed = changed
        self._give_up = give_up
        self._tasks: list[asyncio.Task[None]] = []
        self.started = self._startup is None
        self.ready = self._readiness is None and self.started

    def start(self, *, started: bool = False, ready: bool = False) -> None:
        """Begin to ask. started, ready: what is known already of a container that was taken over."""
        self.started = self.started or started
        self.ready = self.ready or (ready and self.started)
        if self.started:
            self._ask_on()
        elif self._startup:
            self._begin(self._startup, self._take_startup)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _ask_on(self) -> None:
        if self._liveness:
            self._begin(self._liveness, self._take_liveness)
        if self._readiness:
            self._begin(self._readiness, self._take_readiness)
        elif not self.ready:
            self.ready = True

    def _begin(self, probe: Probe, take: Callable[[Tally], bool]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(self._ask(probe, take)))

    async def _ask(self, probe: Probe, take: Callable[[Tally], bool]) -> None:
        tally = Tally(probe, result=probe is self._liveness)
        try:
            await asyncio.sleep(probe.initial_delay_s)
            while True:
                began = time.monotonic()
                answer = await self._answer(probe)
                if answer is not None and tally.take(answer) and not take(tally):
                    return
                await asyncio.sleep(max(0.0, began + probe.period_s - time.monotonic()))
        except Exception:
            log.exception("a %s probe failed", probe.name)

    async def _answer(self, probe: Probe) -> bool | None:
        """Ask once; None says nothing about the container, as a kubelet takes an error of its own."""
        try:
            outcome = await self._handlers.run(probe.action, probe.timeout_s)
        except HandlerError as error:
            self._complain(f"{probe.name} probe errored and resulted in unknown state: {error}")
            return None
        if not outcome.ok:
            self._complain(f"{probe.name} probe failed: {outcome.text}")
        return outcome.ok

    # What an answer that counts leads to; each returns whether to go on asking.

    def _take_startup(self, tally: Tally) -> bool:
        if tally.result and self._startup:
            self.started = True
            self._ask_on()
            self._changed()
        elif self._startup:
            self._give_up(self._startup)
        return False

    def _take_liveness(self, tally: Tally) -> bool:
        if not tally.result and self._liveness:
            self._give_up(self._liveness)
        return tally.result

    def _take_readiness(self, tally: Tally) -> bool:
        if self.ready != tally.result:
            self.ready = tally.result
            self._changed()
        return True
