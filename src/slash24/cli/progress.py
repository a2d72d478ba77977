"""Progress on stderr: one line a step, with its seconds."""

import os
import sys
from typing import TextIO


class Progress:
    """Tells steps as they end. On a terminal the step under way is shown too; the lines that stay are the same."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._live = not quiet and self._stream.isatty()
        self._told = 0
        self._shown = ""
        encoding = (getattr(self._stream, "encoding", "") or "").lower()
        plain = bool(os.environ.get("SLASH24_ASCII")) or "utf" not in encoding
        self._good, self._bad = ("ok", "failed") if plain else ("✓", "✗")

    def steps(self, steps: list[dict[str, object]]) -> None:
        """Tell the steps that have ended since the last call; each is {"title", "seconds" or None}."""
        for step in steps[self._told :]:
            if step["seconds"] is None:
                self._show(str(step["title"]))
                return
            self._told += 1
            self._line(f" {self._good} {step['title']}  {_seconds(step['seconds'])}")

    def done(self, title: str, seconds: float) -> None:
        """Tell one step that is no part of an operation."""
        self._line(f" {self._good} {title}  {_seconds(seconds)}")

    def failed(self, steps: list[dict[str, object]]) -> None:
        """Tell at which step an operation ended."""
        self.steps(steps)
        left = [step for step in steps if step["seconds"] is None]
        if left:
            self._line(f" {self._bad} {left[-1]['title']}")

    def clear(self) -> None:
        """Take the step under way off the terminal, so that another line can stand there."""
        if self._live and self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = ""

    def _show(self, title: str) -> None:
        if self._live and title != self._shown:
            self.clear()
            self._stream.write(f"   {title} ...")
            self._stream.flush()
            self._shown = title

    def _line(self, text: str) -> None:
        if self._quiet:
            return
        self.clear()
        self._stream.write(text + "\n")
        self._stream.flush()


def _seconds(value: object) -> str:
    return f"{value:.1f} s" if isinstance(value, int | float) else ""
