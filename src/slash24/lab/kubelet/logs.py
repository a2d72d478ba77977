"""Reading a container's log, which its runner writes in the CRI's format: TIME STREAM TAG TEXT."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_BLOCK = 1 << 16
_POLL_S = 0.05  # inotify would do, but a machine has 128 instances for all its nodes


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `kubectl logs` asks for. tail: last lines, None for all; since_s: seconds back."""

    follow: bool = False
    tail: int | None = None
    since_s: int | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


def text_of(line: bytes, wanted: Wanted, since: str) -> bytes:
    """Return what a client sees of one line of the file, b"" if it is older than `since`."""
    stamp, _, rest = line.partition(b" ")
    _, _, rest = rest.partition(b" ")
    tag, _, text = rest.partition(b" ")
    if since and stamp.decode(errors="replace") < since:
        return b""
    head = stamp + b" " if wanted.timestamps else b""
    return head + text + (b"" if tag == b"P" and not wanted.timestamps else b"\n")


def _tail_offset(path: Path, lines: int) -> int:
    """Return where the last `lines` lines begin, reading from the end."""
    with open(path, "rb") as log:
        end = position = log.seek(0, os.SEEK_END)
        found = 0
        while position > 0:
            size = min(_BLOCK, position)
            position -= size
            log.seek(position)
            block = log.read(size)
            at = len(block)
            while (at := block.rfind(b"\n", 0, at)) >= 0:
                if position + at + 1 < end:  # not the newline that ends the file
                    found += 1
                if found == lines:
                    return position + at + 1
        return 0 if lines else end


async def read(path: Path, wanted: Wanted, alive: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the log in pieces of at most about 32 KiB; with `follow` until the container has ended.

    A file that is rotated meanwhile is read to its end, then the new one from its beginning.
    """
    since = ""
    if wanted.since_s is not None:
        since = (datetime.now(UTC) - timedelta(seconds=wanted.since_s)).strftime("%Y-%m-%dT%H:%M:%S.%f")
    left = wanted.limit_bytes if wanted.limit_bytes is not None else -1
    log = open(path, "rb")  # noqa: SIM115 - closed below, and replaced at a rotation
    try:
        if wanted.tail is not None:
            log.seek(_tail_offset(path, wanted.tail))
        rest = b""
        while True:
            living = alive()  # asked first: what it wrote before its end is in the file then
            piece = log.read(_BLOCK // 2)
            if piece:
                lines = (rest + piece).split(b"\n")
                rest = lines.pop()
                text = b"".join(text_of(line, wanted, since) for line in lines)
                if left >= 0:
                    text, left = text[:left], max(0, left - len(text))
                if text:
                    yield text
                if left == 0:
                    return
            elif _rotated(log.fileno(), path):
                log.close()
                log = open(path, "rb")  # noqa: SIM115
            elif not wanted.follow or not living:
                return
            else:
                await asyncio.sleep(_POLL_S)
    finally:
        log.close()


def _rotated(fd: int, path: Path) -> bool:
    try:
        return os.fstat(fd).st_ino != path.stat().st_ino
    except OSError:
        return False
