"""The end of one run of a container: its preStop hook, SIGTERM, and SIGKILL when its patience is over."""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from slash24.lab.kubelet.container import Run
from slash24.lab.kubelet.handlers import HandlerError, Outcome

log = logging.getLogger(__name__)

_LEAST_S = 2.0  # what SIGTERM gets after a hook, whatever that has taken
_KILL_S = 2.0  # what a killed container has to be gone

#: A hook, given the seconds that it may take.
Hook = Callable[[float], Awaitable[Outcome]]


class Ending:
    """Ends a run. `grace_s` is asked whenever it matters: a second `kubectl delete` may have less patience."""

    def __init__(
        self, run: Run, grace_s: Callable[[], float], hook: Hook | None, complain: Callable[[str], None]
    ) -> None:
        """complain: take the text of an event about the hook."""
        self._run = run
        self._hook = hook
        self._complain = complain
        self._hurry = asyncio.Event()
        self.grace_s = grace_s

    def hasten(self) -> None:
        """Look at the grace period again."""
        self._hurry.set()

    async def carry_out(self) -> None:
        """Return when the run has ended."""
        began, run = time.monotonic(), self._run
        if self._hook and self.grace_s() > 0:
            hook = asyncio.ensure_future(self._run_hook(self._hook))
            await self._until(hook, began)
            hook.cancel()
            with suppress(asyncio.CancelledError):
                await hook
            began = max(began, time.monotonic() + _LEAST_S - self.grace_s())
        if self.grace_s() > 0 and run.alive:
            run.signal(signal.SIGTERM)
            await self._until(run.ended, began)
        await self._kill()

    async def _until(self, done: "asyncio.Future[Any] | None", began: float) -> None:
        while done is not None and not done.done():
            left_s = began + self.grace_s() - time.monotonic()
            if left_s <= 0:
                return
            self._hurry.clear()
            hurry: asyncio.Future[Any] = asyncio.ensure_future(self._hurry.wait())
            await asyncio.wait({done, hurry}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            hurry.cancel()

    async def _run_hook(self, hook: Hook) -> None:
        try:
            outcome = await hook(self.grace_s())
        except HandlerError as error:
            outcome = Outcome(False, error.message)
        if not outcome.ok:
            log.info("a preStop hook failed: %s", outcome.text)
            self._complain("PreStopHook failed")

    async def _kill(self) -> None:
        run = self._run
        if run.alive and run.ended is not None:
            run.signal(signal.SIGKILL)
            await asyncio.wait({run.ended}, timeout=_KILL_S)
            if run.alive:
                await run.kill_runner()
