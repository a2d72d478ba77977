"""exec, attach and logs: relayed between kubectl's WebSocket and the node's kubelet.

Both sides carry the frames of `v5.channel.k8s.io`: a byte that names the channel, then data. Towards the kubelet each
frame has its length before it, four bytes, big-endian.
"""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from slash24.errors import Slash24Error

PROTOCOL = "v5.channel.k8s.io"
_STATUS_CHANNEL = 3
_MOST = 1 << 20


class NodeGateway(Protocol):
    """The way to a node's kubelet."""

    async def open(
        self, cluster: str, node: str, request: dict[str, Any]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]: ...


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next frame, None at the end. Raises ValueError for one that is too long."""
    try:
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        if length > _MOST:
            raise ValueError(f"a frame of {length} bytes")
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return None


def write_frame(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">I", len(frame)) + frame)


async def relay(websocket: WebSocket, nodes: NodeGateway, cluster: str, node: str, request: dict[str, Any]) -> None:
    """Carry an exec or attach session until either side ends it."""
    offered = websocket.scope.get("subprotocols") or []
    await websocket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else (offered[0] if offered else None))
    try:
        reader, writer = await nodes.open(cluster, node, request)
    except Slash24Error as error:
        await _end(websocket, error.message)
        return
    inward = asyncio.create_task(_to_kubelet(websocket, writer))
    ended = False
    try:
        while (frame := await read_frame(reader)) is not None:
            await websocket.send_bytes(frame)
            ended = ended or frame[:1] == bytes([_STATUS_CHANNEL])
        if not ended:
            await _end(websocket, f"the kubelet of node {node} went away")
        else:
            await websocket.close(1000)
    except (WebSocketDisconnect, RuntimeError):
        pass  # the client is gone; closing the stream tells the kubelet
    finally:
        inward.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await inward
        writer.close()


async def _to_kubelet(websocket: WebSocket, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                break
            write_frame(writer, message.get("bytes") or (message.get("text") or "").encode())
            await writer.drain()
    except (WebSocketDisconnect, RuntimeError, OSError):
        pass
    writer.close()


async def _end(websocket: WebSocket, message: str) -> None:
    status = {"metadata": {}, "status": "Failure", "reason": "InternalError", "message": message, "code": 500}
    await websocket.send_bytes(bytes([_STATUS_CHANNEL]) + json.dumps(status).encode())
    await websocket.close(1000)


async def log_lines(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes | None
) -> AsyncIterator[bytes]:
    """Yield what the kubelet sends of a log."""
    try:
        frame = first
        while frame is not None:
            if frame[:1] in (b"\1", b"\2"):
                yield frame[1:]
            frame = await read_frame(reader)
    finally:
        writer.close()
