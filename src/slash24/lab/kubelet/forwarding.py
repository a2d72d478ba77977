"""Connections to a pod's own loopback address, for `kubectl port-forward`."""

import asyncio
import os
import socket
from pathlib import Path

from slash24.errors import Slash24Error
from slash24.kernel import netns
from slash24.lab.kubelet.sandbox import Sandbox

_PIECE = 64 << 10


class ForwardError(Slash24Error):
    """Nothing answers at the port; the text is a runtime's."""


async def connect(sandbox: Sandbox, port: int) -> socket.socket:
    """Return a connection to a port, as from inside the pod. Raises ForwardError."""
    with netns.inside(Path(sandbox.netns) if sandbox.netns else None):
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    except OSError as error:
        connection.close()
        raise ForwardError(
            f"error forwarding port {port} to pod {sandbox.id}, uid : failed to connect to localhost:{port} inside "
            f'namespace "{sandbox.id}": dial tcp4 127.0.0.1:{port}: connect: {os.strerror(error.errno or 0).lower()}'
        ) from error
    return connection


async def carry(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until both sides have ended, or one is gone."""
    pumps = [asyncio.ensure_future(_pump(one, other)), asyncio.ensure_future(_pump(other, one))]
    try:
        await asyncio.gather(*pumps)
    finally:
        for pump in pumps:
            pump.cancel()


async def _pump(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while piece := await loop.sock_recv(source, _PIECE):
        await loop.sock_sendall(target, piece)
    target.shutdown(socket.SHUT_WR)
