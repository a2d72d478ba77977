"""What a kubelet does to a container from outside, for probes and hooks: a command, a request, a connection.

Requests and connections come from the node, as a kubelet's do, to the pod's address. The texts are a kubelet's.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from slash24.errors import Slash24Error

Json = dict[str, Any]

#: Run a command in the container: (words, seconds) -> (exit code, output). Raises HandlerError.
Execute = Callable[[Sequence[str], float], Awaitable[tuple[int, str]]]

_MOST_OUTPUT = 10 << 10  # of a probe, as a kubelet cuts it
_KINDS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


class HandlerError(Slash24Error):
    """It couldn't be tried, so that nothing is known of the container."""


@dataclass(frozen=True, slots=True)
class Outcome:
    ok: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Handlers:
    """Those of one container. address: the pod's; ports: the container's own, by name."""

    execute: Execute
    address: str
    ports: dict[str, int]

    async def run(self, action: Json, timeout_s: float) -> Outcome:
        """Carry out what a probe or a hook says, for at most so long. Raises HandlerError."""
        kind = next((key for key in _KINDS if key in action), "")
        given = action.get(kind) or {}
        match kind:
            case "exec":
                code, output = await self.execute([str(word) for word in given.get("command") or ()], timeout_s)
                return Outcome(code == 0, output[:_MOST_OUTPUT])
            case "httpGet":
                return await self._get(given, timeout_s)
            case "tcpSocket":
                return await self._connect(given, timeout_s)
            case "sleep":
                await asyncio.sleep(min(float(given.get("seconds", 0)), timeout_s))
                return Outcome(True)
        raise HandlerError(f"the lab has no {kind or 'empty'} handler: it has exec, httpGet, tcpSocket and sleep")

    async def _get(self, given: Json, timeout_s: float) -> Outcome:
        host, port = str(given.get("host") or self.address), self._port(given.get("port"))
        scheme, path = str(given.get("scheme") or "HTTP").lower(), str(given.get("path") or "/")
        where = f"{scheme}://{_bracketed(host)}:{port}{path if path.startswith('/') else '/' + path}"
        headers = {str(one["name"]): str(one["value"]) for one in given.get("httpHeaders") or ()}
        try:
            async with asyncio.timeout(timeout_s):
                code = await _status_of(host, port, _request(host, port, path, headers), tls=scheme == "https")
        except TimeoutError:
            text = f'Get "{where}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
            return Outcome(False, text)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            return Outcome(False, f'Get "{where}": {_network_text(host, port, error)}')
        ok = 200 <= code < 400
        return Outcome(ok, "" if ok else f"HTTP probe failed with statuscode: {code}")

    async def _connect(self, given: Json, timeout_s: float) -> Outcome:
        host, port = str(given.get("host") or self.address), self._port(given.get("port"))
        try:
            async with asyncio.timeout(timeout_s):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return Outcome(False, f"dial tcp {_bracketed(host)}:{port}: i/o timeout")
        except OSError as error:
            return Outcome(False, _network_text(host, port, error))
        writer.close()
        return Outcome(True)

    def _port(self, given: Any) -> int:
        """Return a port's number, from a number or a name. Raises HandlerError."""
        if isinstance(given, str) and not given.isdecimal():
            if given not in self.ports:
                raise HandlerError(
                    f'strconv.Atoi: parsing "{given}": invalid syntax: no port of the container is named so'
                )
            return self.ports[given]
        number = int(given or 0)
        if not 0 < number < 65536:
            raise HandlerError(f"invalid port number: {given}")
        return number


def _request(host: str, port: int, path: str, headers: dict[str, str]) -> bytes:
    known = {name.lower() for name in headers}
    sent = {
        "Host": f"{_bracketed(host)}:{port}",
        "User-Agent": "kube-probe/1.37",
        "Accept": "*/*",
        "Connection": "close",
    }
    lines = [f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in sent.items() if name.lower() not in known]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _status_of(host: str, port: int, request: bytes, *, tls: bool) -> int:
    """Send a request; return the answer's status code. A redirect is an answer like any other."""
    context = None
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # as a kubelet: a probe asks whether it answers, not who it is
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        writer.write(request)
        line = await reader.readuntil(b"\n")
        version, code, *_ = line.split(None, 2) if len(line.split(None, 2)) > 1 else (line, b"")
        if not version.startswith(b"HTTP/") or not code.isdigit():
            raise ValueError(f'malformed HTTP response "{line.decode(errors="replace").strip()}"')
        return int(code)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _network_text(host: str, port: int, error: Exception) -> str:
    """Return an error as Go's network library words it."""
    if isinstance(error, asyncio.IncompleteReadError):
        return "EOF"
    where = f"dial tcp {_bracketed(host)}:{port}"
    if isinstance(error, ConnectionRefusedError):
        return f"{where}: connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return "read: connection reset by peer"
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {host}: no such host"
    if isinstance(error, OSError) and error.strerror:
        return f"{where}: connect: {error.strerror.lower()}"
    return str(error)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
