"""Keeps one container of a pod as its manifest wants it: starts it, takes note of its ends, backs off."""

import asyncio
import time
from pathlib import Path
from typing import Any, Protocol

from slash24.errors import Slash24Error
from slash24.lab.kubelet import files, images, spec
from slash24.lab.kubelet.container import START_ERROR, Ended, Launch, Run, StartError, identify
from slash24.lab.kubelet.host import Host
from slash24.lab.kubelet.messages import duration
from slash24.lab.kubelet.sandbox import Sandbox
from slash24.lab.kubelet.status import ContainerState

Json = dict[str, Any]

RESTART_S = (10.0, 300.0)  # the kubelet's back-off of restarts and of image pulls: first and longest
BACKOFF_RESET_S = 600.0  # a run this long is a success
_PULL_SEEN_S = 1.0  # how long ErrImagePull shows before ImagePullBackOff


class _Pod(Protocol):
    """The worker of the pod that the container belongs to."""

    pod: Json
    uid: str
    policy: str
    host: Host
    sandbox: Sandbox | None
    changed: asyncio.Event

    def event(self, kind: str, reason: str, message: str, container: str = "") -> None: ...


class Keeper:
    """One container of the manifest, and its runs."""

    def __init__(self, manifest: Json, pod: _Pod, *, is_init: bool = False) -> None:
        self.manifest = manifest
        self.name = str(manifest["name"])
        self.state = ContainerState(self.name, str(manifest.get("image", "")))
        self.run: Run | None = None
        self._pod = pod
        self._is_init = is_init
        self._due = 0.0  # monotonic time before which it must not start
        self._pause_s = 0.0
        self._pull_pause_s = 0.0
        self._started = 0.0
        self._told_of = 0.0  # the pause whose event was recorded
        self._shown_until = 0.0  # till when a failed pull shows as such

    @property
    def succeeded(self) -> bool:
        return self.state.terminated and self.state.ended is not None and self.state.ended.code == 0

    @property
    def finished(self) -> bool:
        """Whether it has ended for good."""
        if not self.state.terminated or (self._pod.policy == "Always" and not self._is_init):
            return False
        return self.succeeded or self._pod.policy == "Never"

    def log_of(self, attempt: int) -> Path:
        return self._pod.host.sandboxes.folder(self._pod.uid) / self.name / f"{attempt}.log"

    def adopt(self) -> None:
        """Take over the run that an earlier kubelet started, alive or not."""
        folder = self._pod.host.sandboxes.folder(self._pod.uid) / self.name
        run = self._pod.host.launcher.adopt(folder, self._pod.uid, self.name)
        if run is None:
            return
        self.run, self.state.restarts, self.state.container_id, self.state.waiting = run, run.attempt, run.id, None
        if run.alive:
            self._watch(run)
        else:
            self.take_end(run.outcome())

    async def tend(self) -> float | None:
        """Start the container if it is due; return in how many seconds it will be, None if nothing is to be done."""
        state = self.state
        if self.run is not None and state.running:
            if self.run.alive:
                return None
            self.take_end(self.run.outcome())
        if self.finished:
            return None
        now = time.monotonic()
        if now < self._shown_until:
            return self._shown_until - now
        if now < self._due:
            self._show_pause()
            return self._due - now
        return await self._start()

    def take_end(self, ended: Ended) -> None:
        """Note how the last run ended, and when the next may begin."""
        self.state.started_at, self.state.waiting, self.state.ended = "", None, ended
        if self._started and time.monotonic() - self._started > BACKOFF_RESET_S:
            self._pause_s = 0.0
        # As a kubelet: the first restart comes at once, the second waits.
        self._due = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, RESTART_S[1]) if self._pause_s else RESTART_S[0]

    def environment(self) -> dict[str, str]:
        """Return the container's environment. Raises ContainerConfigError."""
        pod, sandbox = self._pod.pod, self._pod.sandbox
        addresses = sandbox.addresses if sandbox else []
        node_name, node_ip = str(pod["spec"].get("nodeName", "")), self._pod.host.node_ip
        node = {
            "spec.nodeName": node_name,
            "status.hostIP": node_ip,
            "status.hostIPs": node_ip,
            "status.podIP": addresses[0] if addresses else "",
            "status.podIPs": ",".join(addresses),
        }
        return spec.environment(pod, self.manifest, node, spec.hostname(pod, node_name))

    async def _start(self) -> float | None:
        state = self.state
        image = images.find(state.image)
        if image is None:
            return self._fail_pull()
        attempt = state.restarts + 1 if state.ended is not None else 0
        container_id = identify(self._pod.uid, self.name, attempt)
        began = files.now()
        try:
            launch = self._launch(image)
        except (Slash24Error, ValueError, TypeError, KeyError) as error:
            state.waiting = ("CreateContainerConfigError", str(error))
            self._event("Warning", "Failed", f"Error: {error}")
            self._due = time.monotonic() + RESTART_S[0]
            return RESTART_S[0]
        self._event("Normal", "Pulled", f'Container image "{state.image}" already present on machine')
        state.previous, state.restarts, state.container_id = state.ended, attempt, container_id
        try:
            run = await self._pod.host.launcher.start(self.log_of(0).parent, attempt, container_id, launch)
        except StartError as error:
            self._event("Normal", "Created", f"Created container: {self.name}")
            self._event("Warning", "Failed", f"Error: {error}")
            self.take_end(Ended(START_ERROR, 0, began, files.now(), container_id, "StartError", str(error)))
            return 0.0
        self.run, self._started, state.waiting = run, time.monotonic(), None
        self._watch(run)
        self._event("Normal", "Created", f"Created container: {self.name}")
        self._event("Normal", "Started", f"Started container {self.name}")
        return None

    def _launch(self, image: images.Image) -> Launch:
        pod, sandbox, manifest = self._pod.pod, self._pod.sandbox, self.manifest
        assert sandbox is not None  # noqa: S101 - the worker makes it first
        env = self.environment()
        rights, refused = spec.capabilities(manifest)
        if refused:
            text = f"the lab gives no container {', '.join(refused)}: the machine is the user's own"
            self._event("Warning", "CapabilitiesRefused", text)
        uid, gid = spec.user(pod, manifest)
        etc = self._pod.host.sandboxes.shared(self._pod.uid)
        return Launch(
            words=spec.arguments(manifest, image, env),
            env=env,
            netns=sandbox.netns,
            hostname=env["HOSTNAME"],
            binds=[(str(etc / file), f"/etc/{file}", False) for file in ("hosts", "hostname", "resolv.conf")],
            capabilities=rights,
            cgroup=sandbox.cgroup,
            uid=uid,
            gid=gid,
            directory=str(manifest.get("workingDir") or "/"),
            tty=bool(manifest.get("tty")),
            stdin=bool(manifest.get("stdin")),
            stdin_once=bool(manifest.get("stdinOnce")),
        )

    def _fail_pull(self) -> float:
        state, why = self.state, images.pull_error(self.state.image)
        self._pull_pause_s = min(self._pull_pause_s * 2, RESTART_S[1]) if self._pull_pause_s else RESTART_S[0]
        self._due = time.monotonic() + self._pull_pause_s
        self._shown_until = time.monotonic() + _PULL_SEEN_S
        state.waiting = ("ErrImagePull", why)
        self._event("Normal", "Pulling", f'Pulling image "{state.image}"')
        self._event("Warning", "Failed", f'Failed to pull image "{state.image}": {why}')
        self._event("Warning", "Failed", "Error: ErrImagePull")
        return _PULL_SEEN_S

    def _show_pause(self) -> None:
        state, first_time = self.state, self._told_of != self._due
        self._told_of = self._due
        if images.find(state.image) is None:
            state.waiting = (
                "ImagePullBackOff",
                f'Back-off pulling image "{state.image}": {images.pull_error(state.image)}',
            )
            if first_time:
                self._event("Normal", "BackOff", f'Back-off pulling image "{state.image}"')
                self._event("Warning", "Failed", "Error: ImagePullBackOff")
            return
        if state.waiting and state.waiting[0] == "CreateContainerConfigError":
            return
        metadata = self._pod.pod["metadata"]
        pod = f"{metadata['name']}_{metadata['namespace']}({self._pod.uid})"
        pause = duration(RESTART_S[0] if self._pause_s <= RESTART_S[0] else self._pause_s / 2)
        state.waiting = (
            "CrashLoopBackOff",
            f"back-off {pause} restarting failed container={self.name} pod={pod}",
        )
        if first_time:
            self._event("Warning", "BackOff", f"Back-off restarting failed container {self.name} in pod {pod}")

    def _watch(self, run: Run) -> None:
        self.state.started_at = run.started_at
        if run.ended is not None:
            run.ended.add_done_callback(lambda _: self._pod.changed.set())

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._pod.event(kind, reason, message, self.name)
