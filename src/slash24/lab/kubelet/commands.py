"""Commands that the kubelet itself runs in a container, for probes and hooks: their output, bounded, and exit code."""

import asyncio
import json
import signal
import socket
from collections.abc import Mapping, Sequence

from slash24.lab.kubelet.container import Run, StartError
from slash24.lab.kubelet.handlers import HandlerError
from slash24.lab.kubelet.host import Starter

_WANTS_OUTPUT = 2 | 4  # stdout and stderr, as the runner counts them (programs/session.h)
_OUTPUT, _ERRORS, _STATUS = 1, 2, 3
_MOST = 64 << 10  # bytes kept; what is more is read and dropped, so that the command goes on
TIMED_OUT = -1


async def execute(
    launcher: Starter, run: Run, words: Sequence[str], env: Mapping[str, str], options: Sequence[str], timeout_s: float
) -> tuple[int, str]:
    """Run a command for at most so long; return its exit code and output, or TIMED_OUT and a kubelet's words for it.

    What runs too long is killed, with all that it has started. Raises HandlerError if it can't be started.
    """
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    try:
        with theirs:
            try:
                process = await launcher.exec(run, words, env, theirs.fileno(), _WANTS_OUTPUT, options)
            except StartError as error:
                raise HandlerError(f"failed to exec in container: {error}") from error
        try:
            async with asyncio.timeout(timeout_s):
                return await _read(reader)
        except TimeoutError:
            process.signal(signal.SIGUSR1)
            return TIMED_OUT, f'command timed out: "{" ".join(words)}" timed out after {timeout_s:g}s'
        except asyncio.CancelledError:
            process.signal(signal.SIGUSR1)
            raise
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Read frames to their end; return the exit code and the output."""
    output, code = bytearray(), 0
    while True:
        try:
            size = int.from_bytes(await reader.readexactly(4), "big")
            payload = await reader.readexactly(size)
        except asyncio.IncompleteReadError:
            return code, output.decode(errors="replace")
        if payload[0] in (_OUTPUT, _ERRORS) and len(output) < _MOST:
            output += payload[1:]
        elif payload[0] == _STATUS:
            causes = (json.loads(payload[1:]).get("details") or {}).get("causes") or [{"message": "0"}]
            code = int(causes[0]["message"])
