"""The kubelet's patience with what fails again and again: it doubles, from ten seconds to five minutes."""

import time
from dataclasses import dataclass

FIRST_S, LONGEST_S = 10.0, 300.0  # docs/sources.md#pods
RESET_S = 600.0  # a run this long is a success


@dataclass(slots=True)
class Backoff:
    """pause_s: what the last failure cost, 0 before the first. due: monotonic time before which nothing is tried."""

    pause_s: float = 0.0
    due: float = 0.0
    _next_s: float = 0.0

    def fail(self, *, at_once: bool = False) -> None:
        """Note a failure. at_once: the first costs nothing, as with a container's restart."""
        self._next_s = self._next_s or (0.0 if at_once else FIRST_S)
        self.pause_s, self.due = self._next_s, time.monotonic() + self._next_s
        self._next_s = min(self._next_s * 2, LONGEST_S) if self._next_s else FIRST_S

    def reset(self) -> None:
        self.pause_s = self._next_s = 0.0

    @property
    def left_s(self) -> float:
        return self.due - time.monotonic()
