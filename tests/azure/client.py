"""Calls an ASGI app without a server or a socket."""

import json
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.types import Message


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        return found


class AsgiClient:
    """Speaks to `app` with a bearer token ("" for none)."""

    def __init__(self, app: Starlette, token: str = "secret") -> None:
        self._app = app
        self._token = token

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        content = raw if raw is not None else (b"" if body is None else json.dumps(body).encode())
        bare, _, query = path.partition("?")
        sent = {
            "host": "localhost:8443",
            **({"authorization": f"Bearer {self._token}"} if self._token else {}),
            **(headers or {}),
        }
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": bare,
            "raw_path": bare.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(key.lower().encode(), value.encode()) for key, value in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8443),
        }
        given: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]
        got: list[Message] = []

        async def receive() -> Message:
            return given.pop(0) if given else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            got.append(message)

        await self._app(scope, receive, send)
        start = next(message for message in got if message["type"] == "http.response.start")
        content = b"".join(message.get("body", b"") for message in got if message["type"] == "http.response.body")
        return Answer(start["status"], {key.decode(): value.decode() for key, value in start["headers"]}, content)
