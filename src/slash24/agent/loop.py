"""When to sync: after each change, now and then, and with backoff after a failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from slash24.errors import Slash24Error

log = logging.getLogger(__name__)

#: The rest after a sync, in multiples of its work, and at most: one change is carried out at once, but when a hundred
#: nodes join one after the other, many changes are one sync, and the work a fifth of the time.
_REST, _LONGEST_REST_S = 4, 2.0


async def keep_synced(
    name: str,
    sync: Callable[[], Awaitable[None]],
    changed: asyncio.Event,
    *,
    resync_s: float = 600,
    failed: Callable[[Slash24Error], Awaitable[None]] | None = None,
) -> None:
    """Call `sync` after each change, at least every `resync_s` seconds, and with backoff after a failure.

    failed: told of each failure; what it raises itself is only logged.
    """
    retry_s = 0.2
    clock = asyncio.get_running_loop().time
    while True:
        changed.clear()  # before sync reads the state, so that a later change is not lost
        began = clock()
        try:
            await sync()
        except Slash24Error as error:  # anything else is a bug: it ends the agent, loudly
            log.warning("%s: sync failed, next try in %.1f s: %s", name, retry_s, error)
            if failed is not None:
                try:
                    await failed(error)
                except Slash24Error as second:
                    log.warning("%s: the failure could not be reported: %s", name, second)
            # A change may be what was missing, but must not turn a failing sync into a busy loop.
            await asyncio.sleep(min(retry_s, 0.2))
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), retry_s)
            retry_s = min(retry_s * 2, 60.0)
            continue
        retry_s = 0.2
        await asyncio.sleep(min(_REST * (clock() - began), _LONGEST_REST_S))
        with suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), resync_s)
