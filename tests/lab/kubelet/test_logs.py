"""Reading logs in the CRI's format."""

import asyncio
from pathlib import Path

from slash24.lab.kubelet.logs import Wanted, read


def lines(count: int, first: int = 0) -> str:
    return "".join(f"2026-01-01T00:00:{n % 60:02d}.000000000Z stdout F line {n}\n" for n in range(first, first + count))


async def text(path: Path, wanted: Wanted) -> str:
    return b"".join([piece async for piece in read(path, wanted, lambda: False)]).decode()


async def test_tail_counts_lines_from_the_end_across_blocks(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_text(lines(5000))
    for count in (0, 1, 2, 1500, 4999, 5000, 9000):
        found = (await text(log, Wanted(tail=count))).splitlines()
        assert found == [f"line {n}" for n in range(5000)][max(0, 5000 - count) :], count


async def test_pieces_of_a_long_line_are_joined(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_text("T stdout P abc\nT stderr F other\nT stdout F def\n")
    assert await text(log, Wanted()) == "abcother\ndef\n"


async def test_only_what_was_asked_for_in_bytes(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_text(lines(100))
    assert await text(log, Wanted(limit_bytes=10)) == "line 0\nlin"


async def test_a_rotated_file_is_followed_into_the_new_one(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_text(lines(2))
    found, ended = b"", asyncio.Event()
    async for piece in read(log, Wanted(follow=True), lambda: not ended.is_set()):
        found += piece
        if b"line 1\n" in found and not ended.is_set():
            log.rename(tmp_path / "0.log.1")
            log.write_text(lines(2, 2))
            ended.set()
    assert found.decode().splitlines() == ["line 0", "line 1", "line 2", "line 3"]
