"""Answers the plugin: one request a connection, on a unix socket that only root may use."""

import asyncio
import logging
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from slash24.attach.pods import Pods
from slash24.attach.reaper import Reaper
from slash24.cni import commands, spec
from slash24.errors import Slash24Error
from slash24.kernel.monitor import LINKS, Monitor
from slash24.store.leases import Lease

log = logging.getLogger(__name__)

_LIMIT_BYTES = 8 << 20
_READ_S = 5.0
#: A DEL waits so long for its link to be gone; then it succeeds, and the address is freed when the link goes.
_REAP_S = 2.0


class PluginServer:
    """Serves the shim. `status` is what STATUS asks."""

    def __init__(self, path: Path, pods: Pods, *, changed: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._pods = pods
        self._reaper = Reaper()
        self._monitor = Monitor(LINKS)
        self._reaping: dict[int, tuple[Lease, asyncio.Future[None]]] = {}
        self._changed = changed
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.unlink(missing_ok=True)
        asyncio.get_running_loop().add_reader(self._monitor, self._links_changed)
        self._server = await asyncio.start_unix_server(self._serve, str(self._path), backlog=512)
        self._path.chmod(0o600)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._monitor)
        self._monitor.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_READ_S):
                header = await reader.readexactly(8)
                environment, stdin = struct.unpack("=II", header)
                if environment + stdin > _LIMIT_BYTES:
                    return
                body = await reader.readexactly(environment + stdin)
            writer.write(await self.answer(_environment(body[:environment]), body[environment:]))
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
            log.warning("a plugin went away in the middle of its request: %r", error)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def answer(self, environment: dict[str, str], stdin: bytes) -> bytes:
        """Carry out one request and return the answer as the shim expects it."""
        version = ""
        try:
            request = spec.parse(environment, stdin)
            version = request.version
            waiting: list[asyncio.Future[None]] = []
            result = commands.carry_out(
                request, self._pods, reap=lambda lease, index: waiting.append(self._reap(lease, index))
            )
            for gone in waiting:
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(gone), _REAP_S)
            return commands.answer(result)
        except Slash24Error as error:
            if environment.get("CNI_COMMAND") != "STATUS":
                log.warning("%s of %s failed: %s", *_what(environment), error)
            return commands.failure(version, error)
        finally:
            self._changed()

    def _reap(self, lease: Lease, index: int) -> asyncio.Future[None]:
        if index in self._reaping:
            return self._reaping[index][1]
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reaping[index] = (lease, gone)
        self._reaper.reap(index)
        return gone

    def _links_changed(self) -> None:
        for change in self._monitor.changes():
            if change.what == "link deleted":
                self._gone(change.device)
            elif change.what == "lost":
                for index, (lease, _) in list(self._reaping.items()):
                    if not self._pods.link_index(lease):
                        self._gone(index)

    def _gone(self, index: int) -> None:
        lease, gone = self._reaping.pop(index, (None, None))
        if lease is None or gone is None:
            return
        # Only now: with the link its route is gone, and nobody else can get packets for the address.
        self._pods.leases.release(lease)
        gone.set_result(None)


def _environment(data: bytes) -> dict[str, str]:
    pairs = (entry.decode(errors="replace").partition("=") for entry in data.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def _what(environment: dict[str, str]) -> tuple[str, str]:
    container = environment.get("CNI_CONTAINERID", "")[:13]
    return environment.get("CNI_COMMAND", "?"), f"{container}/{environment.get('CNI_IFNAME', '')}"
