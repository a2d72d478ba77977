"""A small HTTP/1.1 client over asyncio streams: keep-alive, TLS, chunked bodies. Just what the Kubernetes API needs."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from slash24.errors import Slash24Error

_LIMIT = 1 << 24  # the longest line of a watch: one object
_IDLE = 8  # connections kept for the next request


class ConnectionFailedError(Slash24Error):
    """The server can't be reached, or went away in the middle of an answer."""


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass(slots=True)
class Answer:
    """The head of an answer: status code, and header names in lower case."""

    status: int
    headers: dict[str, str]


class HttpClient:
    """Requests to one server. `base` is a URL: https://host:port/prefix."""

    def __init__(self, base: str, headers: dict[str, str], ca_file: str | None) -> None:
        parts = urlsplit(base)
        self._host, self._port = parts.hostname or "localhost", parts.port or 443
        self._prefix = parts.path.rstrip("/")
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._idle: list[_Connection] = []

    async def close(self) -> None:
        while self._idle:
            self._idle.pop().writer.close()
        await asyncio.sleep(0)  # the loop lets go of what is closed, watches included, in its next turn

    async def _open(self) -> _Connection:
        try:
            return _Connection(*await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=_LIMIT))
        except OSError as error:
            raise ConnectionFailedError(f"{self._host}:{self._port} can't be reached: {error}") from error

    async def _send(self, method: str, path: str, kind: str, body: bytes) -> tuple[_Connection, Answer]:
        """Send a request; return the connection and the answer's head.

        A kept connection may have been closed by the server meanwhile: then a new one is taken, once.
        """
        request = f"{method} {self._prefix}{path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{self._head}"
        if body or method in ("POST", "PUT", "PATCH"):
            request += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        data = request.encode() + b"\r\n" + body
        while True:
            kept = self._idle.pop() if self._idle else None
            connection = kept or await self._open()
            try:
                connection.writer.write(data)
                return connection, await self._read_head(connection.reader)
            except (OSError, asyncio.IncompleteReadError) as error:
                connection.writer.close()
                if kept is None:
                    raise ConnectionFailedError(f"{self._host}:{self._port} went away: {error}") from error
            except BaseException:
                connection.writer.close()
                raise

    @staticmethod
    async def _read_head(reader: asyncio.StreamReader) -> Answer:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return Answer(int(lines[0].split(" ", 2)[1]), headers)

    async def request(
        self, method: str, path: str, *, kind: str = "application/json", body: bytes = b""
    ) -> tuple[int, bytes]:
        """Return (status code, body) of an answer. Raises ConnectionFailedError."""
        connection, answer = await self._send(method, path, kind, body)
        try:
            if answer.headers.get("transfer-encoding", "").lower() == "chunked":
                content = b"".join([chunk async for chunk in self._chunks(connection.reader)])
            else:
                content = await connection.reader.readexactly(int(answer.headers.get("content-length", "0")))
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            connection.writer.close()
            raise ConnectionFailedError(f"{self._host}:{self._port} went away: {error}") from error
        except BaseException:
            connection.writer.close()
            raise
        if answer.headers.get("connection", "").lower() == "close" or len(self._idle) >= _IDLE:
            connection.writer.close()
        else:
            self._idle.append(connection)
        return answer.status, content

    async def lines(self, path: str) -> AsyncIterator[tuple[int, bytes]]:
        """GET `path` and yield (status code, line) as lines of the answer come. Raises ConnectionFailedError."""
        connection, answer = await self._send("GET", path, "", b"")
        rest = b""
        try:
            if answer.headers.get("transfer-encoding", "").lower() != "chunked":
                length = int(answer.headers.get("content-length", "0"))
                yield answer.status, await connection.reader.readexactly(length)
                return
            async for chunk in self._chunks(connection.reader):
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield answer.status, line
            if rest:
                yield answer.status, rest
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            raise ConnectionFailedError(f"{self._host}:{self._port} went away: {error}") from error
        finally:
            connection.writer.close()

    @staticmethod
    async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        while size := int((await reader.readline()).split(b";")[0] or b"x", 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
