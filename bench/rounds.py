"""Alternating runs: every way once a round, in a new random order."""

import random
from collections.abc import Callable, Sequence


def alternate(
    names: Sequence[str], rounds: int, measure: Callable[[str], float], *, seed: int | None = None
) -> dict[str, list[float]]:
    """Return what `measure` gave for each name, one value a round.

    One more round goes before, unmeasured: caches, neighbours and path MTUs are learned in it.
    """
    order = random.Random(seed)
    values: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-1, rounds):
        for name in order.sample(list(names), len(names)):
            value = measure(name)
            if number >= 0:
                values[name].append(value)
    return values
