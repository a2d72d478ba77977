"""How long the planner takes: from the shell, and with ten thousand known networks."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from statistics import median

from bench import results
from bench.results import Result, below
from slash24.core.networks import NamedNetwork, Networks
from slash24.errors import Slash24Error
from slash24.plan import ClusterRequest, PoolRequest, check
from slash24.plan.propose import free_ranges

_COMMAND = Path(sys.executable).parent / "slash24"
_ADVISE = "plan advise from the shell"
_CHECK = "check of 100 clusters, 10,000 known networks"
_FIND = "free range in 10.0.0.0/8 among 10,000 networks"
#: Seconds.
GOALS = {_ADVISE: 0.3, _CHECK: 1.0, _FIND: 0.1}
_NETWORKS, _CLUSTERS = 10_000, 100


class PlanBenchError(Slash24Error):
    """`slash24 plan advise` failed."""


def _known() -> list[NamedNetwork]:
    """Return networks all over 10.0.0.0/8, the same ones each time; no /20 of its first three quarters is free."""
    order = random.Random(1)
    dense = [IPv4Network(((10 << 24) + (number << 12), 24)) for number in range(3 * 1024)]
    rest = [IPv4Network(((10 << 24) + (order.randrange(1 << 15) << 9), 23)) for _ in range(_NETWORKS - len(dense))]
    return [NamedNetwork(f"n{number}", prefix) for number, prefix in enumerate(dense + rest)]


def _advise() -> None:
    done = subprocess.run(
        [_COMMAND, "plan", "advise", "--vnet", "10.20.0.0/16", "--subnet", "10.20.4.0/24", "--nodes", "40"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise PlanBenchError(f"plan advise ended with {done.returncode}: {done.stderr.strip()}")


def _check(named: list[NamedNetwork]) -> Callable[[], None]:
    """Return a check that indexes the networks anew each time, as a command would; every cluster clashes."""

    def run() -> None:
        known = Networks(named)
        base = ClusterRequest(pools=(PoolRequest(count=40),), known=known)
        found = [check(replace(base, pod_cidrs=(f"10.{number}.0.0/16",))) for number in range(1, _CLUSTERS + 1)]
        assert all(any(finding.code == "S24-107" for finding in findings) for findings in found)

    return run


def _find(known: Networks) -> Callable[[], None]:
    def run() -> None:
        assert free_ranges(20, (), known, within=(IPv4Network("10.0.0.0/8"),))

    return run


def measure(rounds: int) -> list[Result]:
    """Time each once a round; return the medians."""
    named = _known()
    works = {_ADVISE: _advise, _CHECK: _check(named), _FIND: _find(Networks(named))}
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            started = time.monotonic()
            work()
            seconds[name].append(time.monotonic() - started)
    rows: list[tuple[str, ...]] = [("seconds", "median", "lowest", "highest")]
    rows += [(name, *(f"{value:.3f}" for value in (median(v), min(v), max(v)))) for name, v in seconds.items()]
    print(results.table(rows))
    return [below(name, "seconds", median(values), len(values), GOALS[name]) for name, values in seconds.items()]
