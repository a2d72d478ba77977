"""What a benchmark found, as a table to read and as JSON to compare."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Result:
    """One figure.

    against: what it is a ratio to, or its unit. goal: None if it is only told. runs: how many the median is of.
    ok: whether the goal is reached; true if there is none.
    """

    metric: str
    against: str
    goal: float | None
    reached: float
    runs: int
    ok: bool


def at_least(metric: str, against: str, reached: float, runs: int, goal: float | None = None) -> Result:
    """Return a result that is good when it is large. It is judged as it is shown, by two decimals."""
    return Result(metric, against, goal, round(reached, 3), runs, goal is None or round(reached, 2) >= goal)


def below(metric: str, against: str, reached: float, runs: int, goal: float | None = None) -> Result:
    """Return a result, such as a time, that has to stay below its goal."""
    return Result(metric, against, goal, round(reached, 3), runs, goal is None or reached < goal)


def ratio(values: Sequence[float], reference: Sequence[float]) -> float:
    """Return the median of the ratios run by run.

    Two runs of one round are seconds apart, so what the machine did meanwhile cancels; in medians it doesn't.

    >>> ratio([2.0, 4.0, 30.0], [1.0, 2.0, 20.0])
    2.0
    """
    return statistics.median(value / base for value, base in zip(values, reference, strict=True))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns; the first row is the heading, the first column is flush left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def goals(results: Sequence[Result]) -> str:
    """Return the table of goal and reached."""
    rows = [("metric", "against", "goal", "reached", "runs", "")]
    for result in results:
        verdict = "" if result.goal is None else "ok" if result.ok else "MISSED"
        goal = "-" if result.goal is None else f"{result.goal:g}"
        rows.append((result.metric, result.against, goal, f"{result.reached:.2f}", str(result.runs), verdict))
    return table(rows)


def rates(units: Mapping[str, str], measured: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Return the table of medians, with the lowest and highest run.

    measured: load -> way -> one value a run; units: load -> unit.
    """
    ways = list(next(iter(measured.values())))
    rows = [("median (lowest - highest)", *ways)]
    for load, values in measured.items():
        cells = (f"{statistics.median(v):,.4g} ({min(v):,.4g} - {max(v):,.4g})" for v in values.values())
        rows.append((f"{load}, {units[load]}", *(_plain(cell) for cell in cells)))
    return table(rows)


def _plain(text: str) -> str:
    """Write 1.234e+05 as 123400: nobody reads exponents in a table."""
    return " ".join(_number(word) if "e+" in word else word for word in text.split(" "))


def _number(word: str) -> str:
    bare = word.strip("()")
    return word.replace(bare, f"{float(bare):,.0f}")


def write(path: Path, results: Sequence[Result]) -> None:
    """Write all results to a JSON file, {"results": [...]}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"results": [asdict(result) for result in results]}, indent=2) + "\n")
