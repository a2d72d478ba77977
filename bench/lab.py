"""How long a user waits: the installed command, timed from its start to its end."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench import results
from bench.results import Result, below
from slash24.errors import Slash24Error

_COMMAND = Path(sys.executable).parent / "slash24"
_HELP, _UP, _CREATE, _DOWN = "slash24 --help", "lab up, 3 nodes to Ready", "aks create, 2 nodes to Ready", "lab down"
_TEN, _ROOTLESS_TEN = "lab up, 10 nodes to Ready", "the same without root"
_HUNDRED, _HUNDRED_DOWN = "lab up, 100 nodes, 1,000 pods run", "lab down of those"
#: Seconds; None where a figure is only told.
GOALS = {_HELP: 0.15, _UP: 3.0, _CREATE: 3.0, _DOWN: None, _TEN: None, _ROOTLESS_TEN: None,
         _HUNDRED: 10.0, _HUNDRED_DOWN: 5.0}  # fmt: skip
#: So many of the rounds have the large lab.
_LARGE_ROUNDS = 2


class LabBenchError(Slash24Error):
    """A command of the lab failed."""


class _Home:
    """A SLASH24_HOME of its own, and the commands in it."""

    def __init__(self, folder: Path) -> None:
        self._environment = {**os.environ, "SLASH24_HOME": str(folder)}

    def time(self, *arguments: str) -> float:
        """Return the seconds that a command took. Raises LabBenchError if it failed."""
        started = time.monotonic()
        done = subprocess.run(
            [_COMMAND, *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        took_s = time.monotonic() - started
        if done.returncode:
            raise LabBenchError(f"slash24 {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return took_s


@contextmanager
def _home() -> Iterator[_Home]:
    with tempfile.TemporaryDirectory(prefix="slash24-bench-") as folder:
        home = _Home(Path(folder))
        try:
            yield home
        finally:
            home.time("lab", "down")


def measure(rounds: int) -> list[Result]:
    """Time all commands once a round; return the medians."""
    seconds: dict[str, list[float]] = {name: [] for name in GOALS}
    for number in range(rounds):
        with _home() as home:
            seconds[_HELP].append(home.time("--help"))
            seconds[_UP].append(home.time("lab", "up", "--nodes", "3"))
            group = ("-g", "bench")
            home.time("group", "create", "-n", "bench", "-l", "northeurope")
            seconds[_CREATE].append(home.time("aks", "create", "-n", "two", *group, "--node-count", "2"))
            seconds[_DOWN].append(home.time("lab", "down"))
        for name, options in ((_TEN, ()), (_ROOTLESS_TEN, ("--rootless",))):
            with _home() as home:
                seconds[name].append(home.time("lab", "up", "--nodes", "10", *options))
        if number < _LARGE_ROUNDS:
            with _home() as home:
                seconds[_HUNDRED].append(home.time("lab", "up", "--nodes", "100", "--pods-per-node", "10"))
                seconds[_HUNDRED_DOWN].append(home.time("lab", "down"))
    print(f"{rounds} rounds, each from nothing to nothing")
    rows: list[tuple[str, ...]] = [("seconds", "median", "lowest", "highest")]
    rows += [(name, *(f"{value:.2f}" for value in (median(v), min(v), max(v)))) for name, v in seconds.items()]
    print(results.table(rows))
    ratio = median(b / a for a, b in zip(seconds[_TEN], seconds[_ROOTLESS_TEN], strict=True))
    print(f"without root / with root, round by round: {ratio:.2f}")
    return [below(name, "seconds", median(values), len(values), GOALS[name]) for name, values in seconds.items()]
