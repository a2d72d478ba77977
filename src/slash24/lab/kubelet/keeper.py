"""Keeps one container of a pod as its manifest wants it: starts it, asks its probes, ends it, takes note, backs off."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from slash24.errors import Slash24Error
from slash24.lab.kubelet import commands, container, files, images, spec
from slash24.lab.kubelet.container import START_ERROR, Ended, Run, StartError, identify
from slash24.lab.kubelet.downward import Facts
from slash24.lab.kubelet.ending import Ending
from slash24.lab.kubelet.environment import environment
from slash24.lab.kubelet.handlers import HandlerError, Handlers, Outcome
from slash24.lab.kubelet.host import Host
from slash24.lab.kubelet.launch import compile_launch
from slash24.lab.kubelet.probes import Probe, Prober
from slash24.lab.kubelet.sandbox import Sandbox
from slash24.lab.kubelet.status import ContainerState
from slash24.lab.kubelet.volumes import Volumes
from slash24.lab.kubelet.waiting import Waiting

Json = dict[str, Any]


class _Pod(Protocol):
    """The worker of the pod that the container belongs to."""

    pod: Json
    uid: str
    host: Host
    sandbox: Sandbox | None
    volumes: Volumes
    changed: asyncio.Event

    def event(self, kind: str, reason: str, message: str, container: str = "") -> None: ...
    def facts(self) -> Facts: ...
    def grace_s(self) -> float: ...
    def pidns_of(self, name: str) -> str: ...


class Keeper:
    """One container of the manifest, and its runs."""

    def __init__(self, manifest: Json, pod: _Pod, policy: str) -> None:
        """policy: its own restart policy, as the pod's and its place among the containers make it."""
        self.manifest = manifest
        self.name = str(manifest["name"])
        self.policy = policy
        self.state = ContainerState(self.name, str(manifest.get("image", "")))
        self.run: Run | None = None
        self._pod = pod
        self._waiting = Waiting(self.state, spec.title(pod.pod), self._event)
        self._env: dict[str, str] | None = None
        self._prober: Prober | None = None
        self._post_start: asyncio.Task[Outcome] | None = None
        self._ending: tuple[Ending, asyncio.Task[None]] | None = None
        self._started = 0.0

    @property
    def succeeded(self) -> bool:
        return self.state.terminated and self.state.ended is not None and self.state.ended.code == 0

    @property
    def finished(self) -> bool:
        """Whether it has ended for good."""
        if not self.state.terminated or self.policy == "Always":
            return False
        return self.succeeded or self.policy == "Never"

    @property
    def is_ending(self) -> bool:
        return self._ending is not None and not self._ending[1].done()

    def log_of(self, attempt: int) -> Path:
        return self._folder() / f"{attempt}.log"

    def _folder(self) -> Path:
        return self._pod.host.sandboxes.folder(self._pod.uid) / self.name

    def adopt(self, known: Json) -> None:
        """Take over the run that an earlier kubelet started, alive or not. known: the status that the API has of it."""
        run = self._pod.host.launcher.adopt(self._folder(), self._pod.uid, self.name)
        if run is None:
            return
        self.run, self.state.restarts, self.state.container_id, self.state.waiting = run, run.attempt, run.id, None
        if run.alive:
            same = known.get("containerID") == f"slash24://{run.id}"
            self._watch(run)
            self._begin_running(
                run, started=same and bool(known.get("started")), ready=same and bool(known.get("ready"))
            )
        else:
            self._take_end(run)

    async def tend(self) -> float | None:
        """Start the container if it is due; return in how many seconds it will be, None if nothing is to be done."""
        run = self.run
        if self.is_ending:
            return None
        if run is not None and (self.state.running or self._post_start):
            if run.alive:
                self._tend_hook(run)
                return None
            self._take_end(run)
        if self.finished:
            return None
        left_s = self._waiting.left_s()
        if left_s > 0:
            return left_s
        return await self._start()

    # Its start

    async def _start(self) -> float | None:
        state = self.state
        image = images.find(state.image)
        if image is None:
            return self._waiting.fail_pull()
        attempt = state.restarts + 1 if state.ended is not None else 0
        container_id = identify(self._pod.uid, self.name, attempt)
        sandbox, began = self._pod.sandbox, files.now()
        assert sandbox is not None  # noqa: S101 - the worker makes it first
        try:
            env = self._env = self._environment()
            launch = compile_launch(
                self._pod.pod, self.manifest, image, env, sandbox,
                etc=str(self._pod.host.sandboxes.shared(self._pod.uid)),
                message=str(container.prepare(self._folder(), attempt)),
                volumes=self._pod.volumes.binds(self.manifest, env),
                pidns=self._pod.pidns_of(str(self.manifest.get("targetContainerName") or "")),
            )  # fmt: skip
        except (Slash24Error, ValueError, TypeError, KeyError, AttributeError) as error:
            return self._waiting.fail_configuration(error)
        _, refused = spec.capabilities(self.manifest)
        if refused:
            text = f"the lab gives no container {', '.join(refused)}: the machine is the user's own"
            self._event("Warning", "CapabilitiesRefused", text)
        self._event("Normal", "Pulled", f'Container image "{state.image}" already present on machine')
        state.previous, state.restarts, state.container_id = state.ended, attempt, container_id
        try:
            run = await self._pod.host.launcher.start(self._folder(), attempt, container_id, launch)
        except StartError as error:
            self._event("Normal", "Created", f"Created container: {self.name}")
            self._event("Warning", "Failed", f"Error: {error}")
            self._note(Ended(START_ERROR, 0, began, files.now(), container_id, "StartError", str(error)))
            return 0.0
        self.run, self._started = run, time.monotonic()
        self._watch(run)
        self._event("Normal", "Created", f"Created container: {self.name}")
        self._event("Normal", "Started", f"Started container {self.name}")
        hook = (self.manifest.get("lifecycle") or {}).get("postStart")
        if hook:
            self._post_start = asyncio.ensure_future(self._handlers(run).run(hook, float("inf")))
            self._post_start.add_done_callback(lambda _: self._pod.changed.set())
        else:
            self._begin_running(run)
        return None

    def retry_configuration(self) -> None:
        """Try again at once what failed for something that may have come meanwhile."""
        self._waiting.retry_configuration()

    def _environment(self) -> dict[str, str]:
        pod = self._pod.pod
        return environment(
            pod, self.manifest, self._pod.facts(), spec.hostname(pod, str(pod["spec"].get("nodeName", "")))
        )

    def _tend_hook(self, run: Run) -> None:
        """See what became of postStart; until it is done the container doesn't count as running."""
        hook = self._post_start
        if hook is None or not hook.done():
            return
        self._post_start = None
        error = hook.exception()
        if isinstance(error, HandlerError) or (error is None and not hook.result().ok):
            self._event("Warning", "FailedPostStartHook", "PostStartHook failed")
            self._begin_running(run)
            self._end("FailedPostStartHook", self._pod.grace_s)
        elif error is not None:
            raise error
        else:
            self._begin_running(run)

    def _begin_running(self, run: Run, *, started: bool = False, ready: bool = False) -> None:
        self.state.started_at, self.state.waiting = run.started_at, None
        self._prober = Prober(
            self.manifest,
            self._handlers(run),
            complain=lambda text: self._event("Warning", "Unhealthy", text),
            changed=self._take_probes,
            give_up=self._give_up,
        )
        self._prober.start(started=started, ready=ready)
        self._take_probes()

    def _take_probes(self) -> None:
        if self._prober:
            self.state.ready, self.state.started = self._prober.ready, self._prober.started
            self._pod.changed.set()

    def _handlers(self, run: Run) -> Handlers:
        async def execute(words: Sequence[str], timeout_s: float) -> tuple[int, str]:
            env, options = self.entry()
            return await commands.execute(self._pod.host.launcher, run, words, env, options, timeout_s)

        sandbox = self._pod.sandbox
        address = sandbox.addresses[0] if sandbox and sandbox.addresses else self._pod.host.node_ip
        return Handlers(execute, address, spec.named_ports(self.manifest))

    def entry(self, *, tty: bool = False) -> tuple[dict[str, str], list[str]]:
        """Return the environment of a command in the container, and the runner's options that give it its rights.

        Raises ContainerConfigError.
        """
        uid, gid = spec.user(self._pod.pod, self.manifest)
        rights, _ = spec.capabilities(self.manifest)
        options = ["--cwd", str(self.manifest.get("workingDir") or "/"), "--caps", f"{rights:x}"]
        options += ["--uid", str(uid), "--gid", str(gid)]
        if self._pod.sandbox and self._pod.sandbox.cgroup:
            options += ["--cgroup", self._pod.sandbox.cgroup]
        env = self._env or self._environment()
        return (env | {"TERM": "xterm"}, [*options, "--tty"]) if tty else (env, options)

    # Its end

    async def stop(self, why: str, grace_s: Callable[[], float]) -> None:
        """End what runs, and return when it has ended. why: for the event; grace_s: asked whenever it matters."""
        if self.run is None or not self.run.alive:
            return
        self._end(why, grace_s)
        if self._ending:
            await self._ending[1]
        if self.run is not None and not self.run.alive:
            self._take_end(self.run)

    def hasten(self) -> None:
        """Look at the grace period again: it may have changed."""
        if self._ending:
            self._ending[0].hasten()

    def forget(self) -> None:
        """Leave everything as it is, for the next kubelet."""
        if self._prober:
            self._prober.stop()
        for task in (self._post_start, self._ending and self._ending[1]):
            if task:
                task.cancel()

    def _end(self, why: str, grace_s: Callable[[], float]) -> None:
        if self._prober:
            self._prober.stop()
        if self.is_ending and self._ending:
            self._ending[0].grace_s = grace_s
            self._ending[0].hasten()
            return
        run = self.run
        if run is None:
            return
        self._event("Normal", "Killing", why)
        action = (self.manifest.get("lifecycle") or {}).get("preStop")
        handlers = self._handlers(run)
        hook = (lambda seconds: handlers.run(action, seconds)) if action else None
        ending = Ending(run, grace_s, hook, lambda text: self._event("Warning", "FailedPreStopHook", text))
        task = asyncio.ensure_future(ending.carry_out())
        task.add_done_callback(lambda _: self._pod.changed.set())
        self._ending = (ending, task)

    def _give_up(self, probe: Probe) -> None:
        """End the container because of what a probe says; its restart policy decides what comes then."""
        own_s = probe.grace_s

        def grace_s() -> float:
            return self._pod.grace_s() if own_s is None else min(own_s, self._pod.grace_s())

        again = ", will be restarted" if self.policy != "Never" else ""
        self._end(f"Container {self.name} failed {probe.name.lower()} probe{again}", grace_s)

    def _take_end(self, run: Run) -> None:
        if self._prober:
            self._prober.stop()
        if self._post_start:
            self._post_start.cancel()
            self._post_start = None
        self._note(run.outcome(log_on_error=self.manifest.get("terminationMessagePolicy") == "FallbackToLogsOnError"))

    def _note(self, ended: Ended) -> None:
        """Note how the last run ended, and when the next may begin."""
        state = self.state
        state.started_at, state.waiting, state.ended, state.ready, state.started = "", None, ended, False, False
        self._waiting.note_end(time.monotonic() - self._started if self._started else 0.0)

    def _watch(self, run: Run) -> None:
        if run.ended is not None:
            run.ended.add_done_callback(lambda _: self._pod.changed.set())

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._pod.event(kind, reason, message, self.name)
