"""The way to a running lab: its server's address, requests to it, and operations that take their time."""

import json
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from slash24.errors import Slash24Error
from slash24.kernel.process import started_at
from slash24.lab.paths import LabPaths, home

Json = dict[str, Any]
Steps = Callable[[list[Json]], None]

DEFAULT_LAB = "default"
TIMEOUT_S = 60.0
DRY_RUN_HEADER = "x-slash24-dry-run"
_POLL_S = (0.02, 0.2)  # first and longest pause between two looks at an operation


class NoLabError(Slash24Error):
    """No server of that lab runs."""

    exit_code = 3


class ServerError(Slash24Error):
    """The lab's server refused. `status` is HTTP's, `azure_text` Azure's own sentence where ours is another."""

    def __init__(self, status: int, error: Json) -> None:
        info: Json = next(
            (entry.get("info", {}) for entry in error.get("additionalInfo", []) if entry.get("type") == "slash24"), {}
        )
        text = str(error.get("message", f"HTTP status {status}"))
        # Codes that are the lab's own say nothing of Azure; nor does a rule whose Azure code is not public.
        azure = str(error.get("code", "")) if not info.get("code") else str(info.get("azure", ""))
        super().__init__(
            str(info.get("message") or text),
            code=str(info.get("code", "")),
            why=str(info.get("why", "")),
            fix=str(info.get("fix", "")),
            azure="" if azure in ("NotImplementedYet", "OperationFailed", "InternalServerError") else azure,
        )
        self.status = status
        self.azure_text = text
        self.exit_code = {404: 3, 507: 4}.get(status, 1)
        self.others = [ServerError(status, detail) for detail in error.get("details") or [] if isinstance(detail, dict)]


@dataclass(frozen=True, slots=True)
class Server:
    """What `server.json` says."""

    url: str
    token: str
    ca_file: str


def find_server(lab: str) -> Server:
    """Return how to reach a lab. Raises NoLabError if none of that name runs."""
    paths = LabPaths(home(), lab)
    try:
        entry = json.loads(paths.server.read_text())
        pid, started = int(entry["pid"]), entry["started"]
        server = Server(entry["url"], entry["token"], entry["ca_file"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_lab(lab) from error
    if started_at(pid) != started:
        raise _no_lab(lab)
    return server


def lab_runs(lab: str) -> bool:
    """Return whether a server of that lab runs."""
    try:
        find_server(lab)
    except NoLabError:
        return False
    return True


def _no_lab(lab: str, why: str = "") -> NoLabError:
    named = "" if lab == DEFAULT_LAB else f" --lab {lab}"
    return NoLabError(f'no lab named "{lab}" is running', why=why, fix=f"slash24 lab up{named}")


class Session:
    """Requests to one lab over one connection. `trace` is told every request and answer, for -v and --debug."""

    def __init__(self, lab: str, *, server: Server | None = None, trace: Callable[[str], None] | None = None) -> None:
        """server: found before, where it can't be looked for any more."""
        self._lab = lab
        self._server = server or find_server(lab)
        self._trace = trace or (lambda _line: None)
        self._connection: HTTPConnection | None = None

    def request(
        self, method: str, path: str, body: Json | None = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Return (status, the answer's JSON or None, headers in lower case) of any answer below 400.

        Raises ServerError for a refusal, NoLabError if the server doesn't answer.
        """
        sent = {"Authorization": f"Bearer {self._server.token}", "Accept": "application/json", **(headers or {})}
        content = None
        if body is not None:
            content = json.dumps(body)
            sent["Content-Type"] = "application/json"
        self._trace(f"{method} {path}" + (f"\n{json.dumps(body, indent=2)}" if body is not None else ""))
        try:
            answer, raw = self._exchange(method, path, content, sent)
        except (OSError, HTTPException) as error:
            self.close()
            raise _no_lab(self._lab, why=f"{self._server.url} does not answer: {error}") from error
        got = {key.lower(): value for key, value in answer.getheaders()}
        self._trace(f"{answer.status} {answer.reason}" + (f"\n{raw.decode(errors='replace')}" if raw else ""))
        value = _decode(raw)
        if answer.status >= 400:
            error_body = value.get("error") if isinstance(value, dict) else None
            raise ServerError(
                answer.status,
                error_body
                if isinstance(error_body, dict)
                else {"message": raw.decode(errors="replace")[:500] or answer.reason},
            )
        return answer.status, value, got

    def _exchange(
        self, method: str, path: str, content: str | None, headers: dict[str, str]
    ) -> tuple[HTTPResponse, bytes]:
        while True:
            fresh = self._connection is None
            self._connection = self._connection or self._connect()
            try:
                self._connection.request(method, path, content, headers)
                answer = self._connection.getresponse()
                return answer, answer.read()
            except ConnectionError:
                # A connection that was idle for some seconds may be closed by the server just now: it took no request.
                self.close()
                if fresh:
                    raise

    def get(self, path: str) -> Any:
        return self.request("GET", path)[1]

    def get_or_none(self, path: str) -> Any:
        """Return what is there, None for 404."""
        try:
            return self.get(path)
        except ServerError as error:
            if error.status == 404:
                return None
            raise

    def list(self, path: str) -> list[Json]:
        found: list[Json] = self.get(path)["value"]
        return found

    def change(self, method: str, path: str, body: Json | None = None, *, steps: Steps | None = None) -> Json | None:
        """Send a change and wait for its operation, if it has one; return the operation, None if there was none.

        steps: told the operation's steps at each look. Raises ServerError if the operation fails.
        """
        operation = self.begin(method, path, body)
        if operation is None:
            return None
        return self.wait(operation, steps or (lambda _steps: None))

    def begin(self, method: str, path: str, body: Json | None = None) -> str | None:
        """Send a change; return the path of its operation, None if it is done."""
        _, _, headers = self.request(method, path, body)
        url = headers.get("azure-asyncoperation")
        if not url:
            return None
        parts = urlsplit(url)
        return f"{parts.path}?{parts.query}"

    def judge(self, method: str, path: str, body: Json | None = None) -> Any:
        """Let the server judge a change without making it; return what would be there."""
        return self.request(method, path, body, headers={DRY_RUN_HEADER: "true"})[1]

    def wait(self, operation: str, steps: Steps) -> Json:
        """Look at an operation until it ends, and return its document. Raises ServerError if it failed."""
        pause, longest = _POLL_S
        while True:
            document: Json = self.get(operation)
            steps(document.get("steps", []))
            if document["status"] == "Succeeded":
                return document
            if document["status"] != "InProgress":
                raise OperationFailedError(document)
            time.sleep(pause)
            pause = min(pause * 1.3, longest)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> HTTPConnection:
        parts = urlsplit(self._server.url)
        host, port = parts.hostname or "127.0.0.1", parts.port
        if parts.scheme == "http":
            return HTTPConnection(host, port, timeout=TIMEOUT_S)
        context = ssl.create_default_context(cafile=self._server.ca_file)
        return HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)


class OperationFailedError(ServerError):
    """A long-running operation ended in failure; `steps` are those it came through."""

    def __init__(self, document: Json) -> None:
        super().__init__(400, document.get("error") or {"message": f"the operation ended as {document['status']}"})
        self.steps: list[Json] = document.get("steps", [])
        self.exit_code = 1


def _decode(raw: bytes) -> Any:
    if not raw.strip():
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return None


def lab_name(chosen: str | None) -> str:
    """Return the lab that is meant: the option, else SLASH24_LAB, else `default`."""
    return chosen or os.environ.get("SLASH24_LAB") or DEFAULT_LAB
