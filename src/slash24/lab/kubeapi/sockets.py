"""uvicorn's WebSockets, for kubectl: it names a sub-protocol `SPDY/3.1+portforward.k8s.io`."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class WebSockets(WebSocketsSansIOProtocol):
    """To be given to uvicorn as `ws`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # A slash is not allowed in such a name (RFC 6455), so the library refuses the handshake. uvicorn reads the
        # header by itself and lets the app choose: nothing of the library's own reading is needed.
        self.conn.process_subprotocol = lambda headers: None  # type: ignore[method-assign]  # noqa: ARG005
