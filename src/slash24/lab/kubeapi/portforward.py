"""`kubectl port-forward`: SPDY streams in a WebSocket, each pair of them a connection to a port of the pod.

kubectl opens two streams for a connection, with the same `requestid`: what is wrong is written to the one called
`error`, and what goes through to `data`. The kubelet makes the connection, inside the pod.
"""

import asyncio
import contextlib
import json
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from slash24.errors import Slash24Error
from slash24.lab.kubeapi import spdy, streams
from slash24.lab.kubeapi.streams import NodeGateway

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
_PIECE = 32 << 10


class _Connection:
    """One connection: what the client sends waits here until the pod takes it; b"" ends it."""

    def __init__(self, data_stream: int, error_stream: int) -> None:
        self.data_stream = data_stream
        self.error_stream = error_stream
        self.inward: asyncio.Queue[bytes] = asyncio.Queue()


async def forward(websocket: WebSocket, nodes: NodeGateway, cluster: str, node: str, session: dict[str, Any]) -> None:
    """Serve one `kubectl port-forward` until it ends. session: the request to the kubelet, but for the port."""
    await websocket.accept(subprotocol=PROTOCOL)
    forwarder = _Forwarder(websocket, nodes, cluster, node, session)
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, spdy.SpdyError):
        await forwarder.run()


class _Forwarder:
    def __init__(
        self, websocket: WebSocket, nodes: NodeGateway, cluster: str, node: str, session: dict[str, Any]
    ) -> None:
        self._websocket = websocket
        self._nodes = nodes
        self._where = (cluster, node)
        self._session = session
        self._writer = spdy.Writer()
        self._errors: dict[str, int] = {}  # request id -> its error stream
        self._connections: dict[int, _Connection] = {}  # by data stream
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        reader = spdy.Reader()
        try:
            while True:
                message = await self._websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                for frame in reader.feed(message.get("bytes") or b""):
                    await self._take(frame)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, frame: spdy.Frame) -> None:
        match frame.kind:
            case spdy.SYN_STREAM:
                await self._open(frame)
            case spdy.PING:
                await self._websocket.send_bytes(self._writer.pong(frame.stream))
            case spdy.RST_STREAM:
                if frame.stream in self._connections:
                    self._connections[frame.stream].inward.put_nowait(b"")
            case 0:
                connection = self._connections.get(frame.stream)
                if connection and frame.data:
                    connection.inward.put_nowait(frame.data)
                if connection and frame.fin:
                    connection.inward.put_nowait(b"")

    async def _open(self, frame: spdy.Frame) -> None:
        request, kind = frame.headers.get("requestid", ""), frame.headers.get("streamtype", "")
        await self._websocket.send_bytes(self._writer.reply(frame.stream))
        if kind == "error":
            self._errors[request] = frame.stream
        elif kind == "data":
            connection = _Connection(frame.stream, self._errors.pop(request, 0))
            self._connections[frame.stream] = connection
            task = asyncio.create_task(self._serve(connection, frame.headers.get("port", "")))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: _Connection, port: str) -> None:
        """Carry one connection; its error stream ends with nothing in it if all went well."""
        problem = ""
        try:
            reader, writer = await self._nodes.open(*self._where, self._session | {"port": port})
            try:
                status = json.loads((await streams.read_frame(reader) or b"\3{}")[1:])
                if status.get("status") == "Success":
                    await self._carry(connection, reader, writer)
                else:
                    problem = status.get("message") or "the kubelet went away"
            finally:
                writer.close()
        except (Slash24Error, OSError, ValueError) as error:
            problem = str(error)
        finally:
            self._connections.pop(connection.data_stream, None)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._websocket.send_bytes(self._writer.data(connection.error_stream, problem.encode(), fin=True))
            await self._websocket.send_bytes(self._writer.data(connection.data_stream, b"", fin=True))

    async def _carry(self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inward = asyncio.create_task(self._to_pod(connection, writer))
        try:
            # The client's window isn't kept to: kubectl's library never opens it again.
            while piece := await reader.read(_PIECE):
                await self._websocket.send_bytes(self._writer.data(connection.data_stream, piece))
        finally:
            inward.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await inward

    async def _to_pod(self, connection: _Connection, writer: asyncio.StreamWriter) -> None:
        while piece := await connection.inward.get():
            writer.write(piece)
            await writer.drain()
            await self._websocket.send_bytes(self._writer.credit(connection.data_stream, len(piece)))
        writer.write_eof()
