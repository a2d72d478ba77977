"""Why a container isn't started yet, how that is told, and when it is tried again."""

import time
from collections.abc import Callable

from slash24.lab.kubelet import images
from slash24.lab.kubelet.backoff import FIRST_S, RESET_S, Backoff
from slash24.lab.kubelet.messages import duration
from slash24.lab.kubelet.status import ContainerState

_PULL_SEEN_S = 1.0  # how long ErrImagePull shows before ImagePullBackOff
_CONFIG_ERROR = "CreateContainerConfigError"


class Waiting:
    """A container's patience: with its image, with its configuration, and with what ends again and again."""

    def __init__(self, state: ContainerState, pod: str, event: Callable[[str, str, str], None]) -> None:
        """pod: its name in messages. event: record kind, reason and message."""
        self._state = state
        self._pod = pod
        self._event = event
        self._restarts = Backoff()
        self._pulls = Backoff()
        self._told_of = 0.0  # the pause whose event was recorded
        self._shown_until = 0.0  # till when a failed pull shows as such

    def left_s(self) -> float:
        """Return how long to wait before the next try, and show why; 0: it is due."""
        now = time.monotonic()
        if now < self._shown_until:
            return self._shown_until - now
        due = max(self._restarts.due, self._pulls.due)
        if now >= due:
            return 0.0
        self._show(due)
        return due - now

    def note_end(self, ran_s: float) -> None:
        """A run has ended: the first restart comes at once, later ones cost more and more."""
        if ran_s > RESET_S:
            self._restarts.reset()
        self._restarts.fail(at_once=True)

    def fail_configuration(self, error: Exception) -> float:
        """What the manifest refers to can't be had; return in how many seconds to look again."""
        self._state.waiting = (_CONFIG_ERROR, str(error))
        self._event("Warning", "Failed", f"Error: {error}")
        self._restarts.due = time.monotonic() + FIRST_S
        return FIRST_S

    def retry_configuration(self) -> None:
        """Try again at once what failed for something that may have come meanwhile."""
        if self._state.waiting and self._state.waiting[0] == _CONFIG_ERROR:
            self._restarts.due = 0.0

    def fail_pull(self) -> float:
        """There is no such image; return in how many seconds to look again."""
        image = self._state.image
        why = images.pull_error(image)
        self._pulls.fail()
        self._shown_until = time.monotonic() + _PULL_SEEN_S
        self._state.waiting = ("ErrImagePull", why)
        self._event("Normal", "Pulling", f'Pulling image "{image}"')
        self._event("Warning", "Failed", f'Failed to pull image "{image}": {why}')
        self._event("Warning", "Failed", "Error: ErrImagePull")
        return _PULL_SEEN_S

    def _show(self, due: float) -> None:
        state, first_time = self._state, self._told_of != due
        self._told_of = due
        if self._pulls.due >= due:
            text = f'Back-off pulling image "{state.image}"'
            state.waiting = ("ImagePullBackOff", f"{text}: {images.pull_error(state.image)}")
            if first_time:
                self._event("Normal", "BackOff", text)
                self._event("Warning", "Failed", "Error: ImagePullBackOff")
        elif not state.waiting or state.waiting[0] != _CONFIG_ERROR:
            which, pause = f"failed container {state.name} in pod {self._pod}", duration(self._restarts.pause_s)
            text = f"back-off {pause} restarting failed container={state.name} pod={self._pod}"
            state.waiting = ("CrashLoopBackOff", text)
            if first_time:
                self._event("Warning", "BackOff", f"Back-off restarting {which}")
