"""When the agent syncs."""

import asyncio
from collections.abc import Callable

from slash24.agent.loop import keep_synced
from slash24.errors import Slash24Error


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not seen():
            await asyncio.sleep(0.01)


async def test_changes_during_a_sync_and_its_rest_are_one_more_sync() -> None:
    changed, begun = asyncio.Event(), []

    async def sync() -> None:
        begun.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.03)

    loop = asyncio.create_task(keep_synced("x", sync, changed))
    for _ in range(12):  # a change each 5 ms, during the first sync and a little after
        await asyncio.sleep(0.005)
        changed.set()
    await until(lambda: len(begun) == 2)
    assert begun[1] - begun[0] >= 0.15  # the work, and a rest four times as long
    changed.set()
    await until(lambda: len(begun) == 3)
    loop.cancel()


async def test_a_failing_sync_is_told_and_tried_again() -> None:
    told, tries = [], 0

    async def sync() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Slash24Error("not yet")

    async def failed(error: Slash24Error) -> None:
        told.append(error.message)

    loop = asyncio.create_task(keep_synced("x", sync, asyncio.Event(), failed=failed))
    await until(lambda: tries == 2)
    assert told == ["not yet"]
    loop.cancel()
