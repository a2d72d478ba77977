"""One pod's life on its node: sandbox, containers, status, and its end."""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from slash24.errors import Slash24Error
from slash24.kube.client import ApiError, ApiUnavailable
from slash24.lab.kubelet import cni, files
from slash24.lab.kubelet.container import Run
from slash24.lab.kubelet.host import Host
from slash24.lab.kubelet.keeper import Keeper
from slash24.lab.kubelet.messages import not_ready_message
from slash24.lab.kubelet.sandbox import Sandbox
from slash24.lab.kubelet.status import PodState, compute

log = logging.getLogger(__name__)

Json = dict[str, Any]

SANDBOX_S = (1.0, 10.0)  # between tries to make or to undo a sandbox
SLOW_S = 1.0  # a start that takes longer is reported meanwhile
RETRY_S = 2.0  # after a status that the API didn't take
KILL_S = 2.0  # what a killed container has to be gone


class Worker:
    """Runs one pod, as long as the API says that it is bound here."""

    def __init__(self, pod: Json, host: Host, stored: Sandbox | None = None) -> None:
        """stored: what an earlier kubelet, or an earlier boot of the node, has left of the pod."""
        self.pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self.policy = str(pod["spec"].get("restartPolicy") or "Always")
        self.host = host
        self.sandbox: Sandbox | None = None
        self.gone = False
        self.changed = asyncio.Event()
        self._stored = stored
        self._init = [Keeper(one, self, is_init=True) for one in pod["spec"].get("initContainers") or ()]
        self._containers = [Keeper(one, self) for one in pod["spec"].get("containers") or ()]
        start_time = pod.get("status", {}).get("startTime") or files.now()
        self._state = PodState(self.policy, host.node_ip, start_time, initialized=not self._init)
        self._pushed: Json | None = None
        self._pause_s = SANDBOX_S[0]

    def update(self, pod: Json | None) -> None:
        """Take the pod's newest JSON; None: it is gone from the API, or bound elsewhere."""
        if pod is None:
            self.gone = True
        else:
            self.pod = pod
        self.changed.set()

    def find(self, name: str) -> Keeper | None:
        """Return the container with that name; "": the first."""
        every = [*self._containers, *self._init]
        return next((one for one in every if not name or one.name == name), None)

    def event(self, kind: str, reason: str, message: str, container: str = "") -> None:
        """Record an event of this pod, or of one of its containers."""
        self.host.events.pod(self.pod, kind, reason, message, container)

    async def run(self) -> None:
        """Return when nothing of the pod is left. Cancelled, it leaves the pod as it is."""
        adopted = False
        while True:
            self.changed.clear()
            try:
                if not adopted:
                    await self._adopt()
                    adopted = True
                if self.gone or self.pod["metadata"].get("deletionTimestamp") is not None:
                    await self._end()
                    return
                wait_s = await self._sync()
            except Exception as error:
                # One pod's manifest must not end the kubelet, and with it the care for all others.
                log.exception("pod %s: sync failed", self._title())
                self.event("Warning", "FailedSync", f"error syncing pod: {error}")
                wait_s = 10.0
            await self._wait(wait_s)

    async def _wait(self, seconds: float | None) -> None:
        with suppress(TimeoutError):  # not wait_for: in Python 3.11 it may swallow a cancellation
            async with asyncio.timeout(seconds):
                await self.changed.wait()

    async def _sync(self) -> float | None:
        """Do what is due; return in how many seconds something will be, None if only a change matters."""
        if self._finished():
            return await self._retire()
        if self.sandbox is None and self.pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return None  # it ended before this kubelet's time
        self.host.starting += 1
        try:
            if self.sandbox is None and not await self._make_sandbox():
                await self._push()
                return self._pause_s
            wait_s = await self._tend()
        finally:
            self.host.starting -= 1
        if not await self._push():
            return RETRY_S if wait_s is None else min(wait_s, RETRY_S)
        return 0.0 if self._finished() else wait_s

    async def _tend(self) -> float | None:
        for one in self._init:
            wait_s = await one.tend()
            if not one.succeeded:
                for other in self._containers:
                    other.state.waiting = ("PodInitializing", "")
                return wait_s
        self._state.initialized = True
        waits = [await one.tend() for one in self._containers]
        return min((wait for wait in waits if wait is not None), default=None)

    # The sandbox

    async def _adopt(self) -> None:
        stored = self._stored
        if stored is None:
            return
        for one in (*self._init, *self._containers):
            one.adopt()
        self._state.initialized = all(one.succeeded for one in self._init)
        if self.host.sandboxes.revive(stored, self.pod):
            self.sandbox = stored
            self._take_addresses(stored)
        else:
            with suppress(cni.CniError):  # the plugin's GC gets what this leaves
                await self.host.sandboxes.tear_down(stored)

    async def _make_sandbox(self) -> bool:
        async def make() -> Sandbox:
            async with self.host.slots:
                return await self.host.sandboxes.create(self.pod)

        task = asyncio.ensure_future(make())
        try:
            await asyncio.wait({task}, timeout=SLOW_S)
            if not task.done():
                await self._push()
            self.sandbox = await task
        except asyncio.CancelledError:
            task.cancel()
            raise
        except (Slash24Error, OSError) as error:
            self._complain(error)
            self._pause_s = min(self._pause_s * 2, SANDBOX_S[1])
            return False
        self._pause_s = SANDBOX_S[0]
        self._take_addresses(self.sandbox)
        return True

    def _take_addresses(self, sandbox: Sandbox) -> None:
        self._state.has_sandbox = True
        self._state.addresses = list(sandbox.addresses)

    def _complain(self, error: Exception) -> None:
        if isinstance(error, cni.NotConfiguredError):
            reason, message = "NetworkNotReady", f"network is not ready: {not_ready_message(str(error))}"
        else:
            reason = "FailedCreatePodSandBox"
            message = f"Failed to create pod sandbox: rpc error: code = Unknown desc = {error}"
        log.warning("pod %s: %s", self._title(), message)
        self.event("Warning", reason, message)

    async def _tear_down(self, sandbox: Sandbox, *, keep: bool = True) -> bool:
        try:
            await self.host.sandboxes.tear_down(sandbox, keep=keep)
        except (Slash24Error, OSError) as error:
            text = (
                f'error killing pod: failed to "KillPodSandbox" for "{self.uid}" with KillPodSandboxError: "rpc error: '
                f'code = Unknown desc = failed to destroy network for sandbox \\"{sandbox.id}\\": {error}"'
            )
            log.warning("pod %s: %s", self._title(), text)
            self.event("Warning", "FailedKillPod", text)
            self._pause_s = min(self._pause_s * 2, SANDBOX_S[1])
            return False
        return True

    # The end

    def _finished(self) -> bool:
        """Tell whether the pod has ended by itself, for good."""
        if any(one.finished and not one.succeeded for one in self._init):
            return True
        return bool(self._containers) and all(one.finished for one in self._containers)

    async def _retire(self) -> float | None:
        """Give back the network of a pod that has ended; its logs and its status stay until it is deleted."""
        self._state.has_sandbox = False
        pushed = await self._push()
        if self.sandbox is not None and not await self._tear_down(self.sandbox):
            return self._pause_s
        return None if pushed else RETRY_S

    async def _end(self) -> None:
        """Stop everything, undo the network, and confirm the deletion to the API."""
        await self._stop_containers()
        self._state.has_sandbox = False
        if self.sandbox is not None and not self.gone:
            await self._push()
        while self.sandbox is not None and not await self._tear_down(self.sandbox, keep=False):
            await asyncio.sleep(self._pause_s)
        while not self.gone and not await self._tell(self._delete()):
            self.changed.clear()
            await self._wait(RETRY_S)
        self.host.sandboxes.remove(self.uid)
        log.info("pod %s: removed", self._title())

    async def _stop_containers(self) -> None:
        running = [(one, one.run) for one in (*self._init, *self._containers) if one.run is not None and one.run.alive]
        for one, run in running:
            self.event("Normal", "Killing", f"Stopping container {one.name}", one.name)
            if self._grace_s() > 0:
                run.signal(signal.SIGTERM)
        began = time.monotonic()
        while any(run.alive for _, run in running):
            self.changed.clear()  # then: an end, or a second `kubectl delete` with less patience
            left = began + self._grace_s() - time.monotonic()
            if left <= 0:
                break
            await self._wait(left)
        await asyncio.gather(*(_kill(run) for _, run in running))
        for one, run in running:
            one.take_end(run.outcome())

    def _grace_s(self) -> float:
        if self.gone:
            return 0.0
        given = self.pod["metadata"].get("deletionGracePeriodSeconds")
        return float(30 if given is None else given)

    # The API

    async def _push(self) -> bool:
        """Write the status if it has changed; return whether the API has the newest."""
        old = self.pod.get("status", {})
        if not self._state.addresses:
            self._state.addresses = [entry["ip"] for entry in old.get("podIPs") or ()]
        fresh = compute(
            self._state,
            [one.state for one in self._containers],
            [one.state for one in self._init],
            old.get("conditions") or [],
            files.now(),
        )
        if fresh == self._pushed:
            return True
        done = await self._tell(self._patch(fresh))
        if done:
            self._pushed = fresh
        return done

    async def _patch(self, fresh: Json) -> None:
        answer = await self.host.api.patch(f"{self._path()}/status", {"status": fresh})
        if answer.get("metadata", {}).get("uid") == self.uid:
            self.pod = self.pod | {"status": answer.get("status", fresh)}

    async def _delete(self) -> None:
        await self.host.api.delete(self._path(), grace_s=0, uid=self.uid)

    async def _tell(self, call: Awaitable[None]) -> bool:
        """Return False if the API is to be told again later."""
        try:
            await call
        except ApiUnavailable:
            return False
        except ApiError as error:
            if error.status not in (404, 409):  # gone, or another pod of that name
                log.warning("pod %s: the API refused: %s", self._title(), error)
        return True

    def _path(self) -> str:
        metadata = self.pod["metadata"]
        return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"

    def _title(self) -> str:
        return f"{self.pod['metadata']['namespace']}/{self.pod['metadata']['name']}"


async def _kill(run: Run) -> None:
    if run.alive and run.ended is not None:
        run.signal(signal.SIGKILL)
        await asyncio.wait({run.ended}, timeout=KILL_S)
        if run.alive:
            await run.kill_runner()
