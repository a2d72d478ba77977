"""`make bench [ONLY=part]`: tables of goal and reached, and build/bench.json."""

import argparse
import sys
from collections.abc import Callable

from bench import dataplane, lab, lint, plan, results
from bench.load import BUILD
from bench.results import Result
from slash24.errors import Slash24Error

#: The parts, by the name that ONLY takes.
PARTS: dict[str, Callable[[int, float], list[Result]]] = {
    "dataplane": dataplane.measure,
    "lab": lambda rounds, _: lab.measure(rounds),
    "lint": lambda rounds, _: lint.measure(rounds),
    "plan": lambda rounds, _: plan.measure(rounds),
}


def main() -> int:
    """Measure; return 0 if every goal is reached, 1 if one is missed, 4 if this machine can't do it."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("only", nargs="?", choices=sorted(PARTS), help="one part; all of them without it")
    parser.add_argument("--rounds", type=int, default=9, help="how often each way is measured (default: 9)")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long one measurement takes (default: 1)")
    options = parser.parse_args()
    found: list[Result] = []
    try:
        for name in [options.only] if options.only else PARTS:
            print(f"== {name}", flush=True)
            found += PARTS[name](options.rounds, options.seconds)
            print()
    except Slash24Error as error:
        print(f"bench: {error}", file=sys.stderr)
        return 4
    path = BUILD / "bench.json"
    results.write(path, found)
    print(results.goals(found))
    print(f"\nwritten to {path.relative_to(BUILD.parent)}")
    return 0 if all(result.ok for result in found) else 1


if __name__ == "__main__":
    sys.exit(main())
