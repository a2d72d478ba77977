"""One pod's life on its node: volumes, sandbox, containers, status, and its end."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from slash24.errors import Slash24Error
from slash24.lab.kubelet import cni, fields, files
from slash24.lab.kubelet.containers import Containers
from slash24.lab.kubelet.contents import VolumeError, references
from slash24.lab.kubelet.downward import Facts
from slash24.lab.kubelet.host import Host
from slash24.lab.kubelet.keeper import Keeper
from slash24.lab.kubelet.messages import not_ready_message
from slash24.lab.kubelet.reporter import Reporter
from slash24.lab.kubelet.sandbox import Sandbox
from slash24.lab.kubelet.status import ContainerStates, PodState, compute

log = logging.getLogger(__name__)

Json = dict[str, Any]

PAUSE_S = (1.0, 10.0)  # between tries to set up volumes, to make or to undo a sandbox
SLOW_S = 1.0  # a start that takes longer is reported meanwhile
RETRY_S = 2.0  # after a status that the API didn't take


class Worker:
    """Runs one pod, as long as the API says that it is bound here."""

    def __init__(self, pod: Json, host: Host, stored: Sandbox | None = None) -> None:
        """stored: what an earlier kubelet, or an earlier boot of the node, has left of the pod."""
        self.pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self.host = host
        self.sandbox: Sandbox | None = None
        self.volumes = host.sandboxes.volumes(self.uid)
        self.gone = False
        self.changed = asyncio.Event()
        self._stored = stored
        self._containers = Containers(pod, lambda manifest, policy: Keeper(manifest, self, policy))
        self._reporter = Reporter(host.api, pod)
        gates = tuple(str(gate.get("conditionType", "")) for gate in pod["spec"].get("readinessGates") or ())
        policy = str(pod["spec"].get("restartPolicy") or "Always")
        start_time = pod.get("status", {}).get("startTime") or files.now()
        self._state = PodState(policy, host.node_ip, start_time, initialized=self._containers.initialized, gates=gates)
        self._pause_s = PAUSE_S[0]

    def update(self, pod: Json | None) -> None:
        """Take the pod's newest JSON; None: it is gone from the API, or bound elsewhere."""
        if pod is None:
            self.gone = True
        else:
            self.pod = pod
            self._containers.take(pod)
        self._containers.hasten()
        self.changed.set()

    def find(self, name: str) -> Keeper | None:
        """Return the container with that name; "": the first."""
        return self._containers.find(name)

    def retry_configuration(self) -> None:
        """A ConfigMap or a Secret that the pod refers to has changed."""
        self._containers.retry_configuration()
        self.changed.set()

    def event(self, kind: str, reason: str, message: str, container: str = "") -> None:
        """Record an event of this pod, or of one of its containers."""
        self.host.events.pod(self.pod, kind, reason, message, container)

    def facts(self) -> Facts:
        """Return what the pod may be told of itself and its node."""
        addresses = self.sandbox.addresses if self.sandbox else []
        fields = {
            "spec.nodeName": str(self.pod["spec"].get("nodeName", "")),
            "status.hostIP": self.host.node_ip,
            "status.hostIPs": self.host.node_ip,
            "status.podIP": addresses[0] if addresses else "",
            "status.podIPs": ",".join(addresses),
        }
        namespace, find = self.pod["metadata"]["namespace"], self.host.configuration.find
        return Facts(fields, self.host.allocatable, lambda kind, name: find(kind, namespace, name))

    def grace_s(self) -> float:
        """Return how long a container has to end."""
        if self.gone:
            return 0.0
        given = self.pod["metadata"].get("deletionGracePeriodSeconds")
        if given is None:
            given = self.pod["spec"].get("terminationGracePeriodSeconds")
        return float(30 if given is None else given)

    def pidns_of(self, name: str) -> str:
        """Return the PID namespace of a running container, "" if none is named or it doesn't run."""
        target = self._containers.find(name) if name else None
        run = target.run if target else None
        return f"/proc/{run.pid}/ns/pid" if run and run.alive else ""

    async def run(self) -> None:
        """Return when nothing of the pod is left. Cancelled, it leaves the pod as it is."""
        try:
            await self._run()
        finally:
            self._containers.forget()
            self.host.configuration.release(self.uid)

    async def _run(self) -> None:
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
        if self._containers.finished:
            return await self._retire()
        if self.sandbox is None and self.pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return None  # it ended before this kubelet's time
        left_s = self._deadline_left_s()
        if left_s is not None and left_s <= 0:
            return await self._expire()
        self.host.starting += 1
        try:
            ready = await self._set_up_volumes() and (self.sandbox is not None or await self._make_sandbox())
            wait_s = await self._containers.tend() if ready else self._pause_s
            self._state.initialized = self._containers.initialized
        finally:
            self.host.starting -= 1
        told = await self._push()
        if self._containers.finished:
            return 0.0
        waits = (wait_s, left_s, None if told else RETRY_S)
        return min((wait for wait in waits if wait is not None), default=None)

    async def _set_up_volumes(self) -> bool:
        """Make the volumes, or bring them up to date; once the pod has begun, a failure of that holds nothing up."""
        try:
            await self.host.configuration.need(self.uid, self.pod["metadata"]["namespace"], references(self.pod))
            self.volumes.set_up(self.pod, self.facts())
        except VolumeError as error:
            log.info("pod %s: %s", self._title(), error)
            self.event("Warning", "FailedMount", error.message)
            self._pause_s = min(self._pause_s * 2, PAUSE_S[1])
            return self.sandbox is not None
        return True

    # The sandbox

    async def _adopt(self) -> None:
        stored = self._stored
        if stored is None:
            if not self.gone and self.pod.get("status", {}).get("phase") in (None, "Pending"):
                for path, why in fields.ignored(self.pod["spec"]):
                    self.event("Warning", "FieldIgnored", f"{path} has no effect in this lab: {why}")
            return
        if self.host.sandboxes.revive(stored, self.pod):
            self.sandbox = stored
            self._take_addresses(stored)
        self._containers.adopt(self.pod.get("status", {}))
        self._state.initialized = self._containers.initialized
        if self.sandbox is None:
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
            self._pause_s = min(self._pause_s * 2, PAUSE_S[1])
            return False
        self._pause_s = PAUSE_S[0]
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
            self._pause_s = min(self._pause_s * 2, PAUSE_S[1])
            return False
        return True

    # The end

    def _deadline_left_s(self) -> float | None:
        """Return how long the pod may still be active, None if for ever."""
        limit_s = self.pod["spec"].get("activeDeadlineSeconds")
        if limit_s is None:
            return None
        began = datetime.fromisoformat(self._state.start_time.replace("Z", "+00:00"))
        return float(limit_s) - (datetime.now(UTC) - began).total_seconds()

    async def _expire(self) -> float | None:
        """End a pod that has been active for too long."""
        text = "Pod was active on the node longer than the specified deadline"
        if self._state.failure is None:
            self._state.failure = ("DeadlineExceeded", text)
            self.event("Normal", "DeadlineExceeded", text)
        return await self._retire()

    async def _retire(self) -> float | None:
        """Give back the network of a pod that has ended; its logs and its status stay until it is deleted."""
        await self._containers.stop(self.grace_s)
        self._state.has_sandbox = False
        pushed = await self._push()
        if self.sandbox is not None and not await self._tear_down(self.sandbox):
            return self._pause_s
        return None if pushed else RETRY_S

    async def _end(self) -> None:
        """Stop everything, undo the network, and confirm the deletion to the API."""
        await self._containers.stop(self.grace_s)
        self._state.has_sandbox = False
        if self.sandbox is not None and not self.gone:
            await self._push()
        while self.sandbox is not None and not await self._tear_down(self.sandbox, keep=False):
            await asyncio.sleep(self._pause_s)
        while not self.gone and not await self._reporter.confirm_deletion():
            self.changed.clear()
            await self._wait(RETRY_S)
        self.host.sandboxes.remove(self.uid)
        log.info("pod %s: removed", self._title())

    # The API

    async def _push(self) -> bool:
        """Write the status if it has changed; return whether the API has the newest."""
        old = self.pod.get("status", {})
        if not self._state.addresses:
            self._state.addresses = [entry["ip"] for entry in old.get("podIPs") or ()]
        every = self._containers
        states = ContainerStates(
            *([one.state for one in sort] for sort in (every.main, every.init, every.sidecars, every.ephemeral))
        )
        told = await self._reporter.tell(compute(self._state, states, old.get("conditions") or [], files.now()))
        if self._reporter.answer is not None:
            self.pod = self.pod | {"status": self._reporter.answer}
            self._reporter.answer = None
        return told

    def _title(self) -> str:
        return f"{self.pod['metadata']['namespace']}/{self.pod['metadata']['name']}"
