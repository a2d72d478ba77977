"""Comments that tell the linter to leave something: `slash24:ignore S24-112 reason`, for their own line or the next."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from slash24.plan.iac.file import File
from slash24.plan.iac.node import Place

_IGNORE = re.compile(r"(?:#|//|/\*|--)\s*slash24:ignore\b[ \t]*([^\n]*)")
_CODE = re.compile(r"S24-\d{3}", re.IGNORECASE)


@dataclass
class Ignore:
    """One comment. alone: nothing else is on its line, so it speaks of the next one that is no comment."""

    place: Place
    codes: tuple[str, ...]
    reason: str
    lines: range
    used: set[str] = field(default_factory=set)

    @property
    def valid(self) -> bool:
        return bool(self.codes and self.reason)


def ignores(file: File) -> Iterator[Ignore]:
    """Yield the comments of a file; JSON has none."""
    if "slash24:ignore" not in file.text or file.suffix == "json":
        return
    lines = file.text.split("\n")
    targets = _next_things(lines)
    for number, line in enumerate(lines, start=1):
        match = _IGNORE.search(line)
        if match is None:
            continue
        words = match[1].replace("*/", " ").replace(",", " ").split()
        codes = [word.upper() for word in words if _CODE.fullmatch(word)]
        reason = " ".join(word for word in words if not _CODE.fullmatch(word))
        alone = not line[: match.start()].strip()
        own = range(number, number + 1)
        yield Ignore(Place(file.name, number), tuple(codes), reason, targets[number] if alone else own)


def _next_things(lines: list[str]) -> list[range]:
    """Return for each line, counted from 0, the lines of the next thing from there on that is no comment.

    A command that goes on over lines is one thing: no comment can stand within it.
    """
    found = [range(0)] * (len(lines) + 1)
    for number in range(len(lines), 0, -1):
        line = lines[number - 1].strip()
        after = found[number]
        if line[:1] in ("", "#", "/"):
            found[number - 1] = after
        elif line.endswith(("\\", "`")) and after.start == number + 1:
            found[number - 1] = range(number, after.stop)
        else:
            found[number - 1] = range(number, number + 1)
    return found
