"""What was read about AKS, line by line: tests/docs/facts.txt."""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

_CODE = re.compile(r"S24-\d+")
FILE = Path(__file__).with_name("facts.txt")
NO_RULE = "no rule, because "


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was read. day: from which it holds, None for always. codes: the rules that judge it; reason: why
    none does.
    """

    subject: str
    day: date | None
    text: str
    codes: tuple[str, ...]
    reason: str


def facts() -> list[Fact]:
    """Return all of them, in the order of the file. Raises ValueError for a line that is no fact."""
    lines = (line for line in FILE.read_text().splitlines() if line.strip() and not line.startswith("#"))
    return [_fact(line) for line in lines]


def _fact(line: str) -> Fact:
    subject, day, text, judged = (part.strip() for part in line.split(" | "))
    reason = judged.removeprefix(NO_RULE) if judged.startswith(NO_RULE) else ""
    codes = () if reason else tuple(_CODE.findall(judged))
    if not reason and not codes:
        raise ValueError(f"neither a code nor a reason: {line}")
    return Fact(subject, None if day == "-" else date.fromisoformat(day), text, codes, reason)
