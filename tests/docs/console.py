"""The console sessions in documents: read, typed into a shell, and compared with what comes."""

import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT_CODE = re.compile(r"^exit code (\d+)$")


@dataclass(frozen=True, slots=True)
class Step:
    """One command, the lines that it must print, and how it must end."""

    command: str
    expected: tuple[str, ...]
    code: int


def steps(text: str) -> list[Step]:
    """Return the commands of a document's `console` blocks, with what is shown below each."""
    return [step for block in _BLOCK.findall(text) for step in _steps_of(block)]


def _steps_of(block: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.rstrip("\n").split("\n")
        command = [lines.pop(0)]
        while command[-1].endswith("\\"):
            command.append(lines.pop(0))
        ended = _EXIT_CODE.match(lines[-1]) if lines else None
        if ended:
            lines.pop()
        yield Step("\n".join(command), tuple(lines), int(ended[1]) if ended else 0)


def matches(expected: tuple[str, ...], output: str) -> bool:
    """Return whether `output` is as shown: `…` is anything in a line, a line `...` any lines; spaces count as one."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else "".join(map(_token, re.split(r"(…|\s+)", line.strip()))) + r"\n"
        for line in expected
    )
    lines = (re.sub(r"\s+", " ", line.strip()) for line in output.rstrip("\n").split("\n"))
    text = "\n".join(lines) + "\n" if output.strip() else ""
    return re.fullmatch(pattern, text) is not None


def _token(text: str) -> str:
    return ".*" if text == "…" else " " if text.isspace() else re.escape(text)


class Shell:
    """A bash that commands are typed into, one after the other; its variables stay."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._end = f"end-{uuid.uuid4().hex}"
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=folder, env={**os.environ, **environment}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def type(self, command: str) -> tuple[str, int]:
        """Run a command; return what it printed, errors included, and its exit code."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{{ {command}\n}} </dev/null\necho {self._end} $?\n")
        self._process.stdin.flush()
        output = ""
        for line in self._process.stdout:
            before, found, code = line.partition(self._end)
            output += before
            if found:
                return output, int(code)
        raise AssertionError(f"the shell ended at: {command}\n{output}")

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
