"""A Kubernetes API of a few kinds of objects in memory: enough for agents and controllers under test.

tests/lab/kubeapi/test_contract.py holds it to what the embedded API does.
"""

import asyncio
import json
import socket
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Object = dict[str, Any]
_COLLECTIONS = {"nodes", "configmaps", "events", "leases", "pods", "nodenetworkconfigs"}


class FakeApi:
    """Serves HTTP on `listener` from a thread of its own. Any path is a collection; objects live below it."""

    def __init__(self, listener: socket.socket) -> None:
        self.objects: dict[str, dict[str, Object]] = {}  # collection path -> name -> object
        self.refuse: dict[tuple[str, str], int] = {}  # (method, path) -> status to answer once
        self._version = 0
        self._log: list[tuple[str, str, Object]] = []  # (collection, type, object)
        self._loop = asyncio.new_event_loop()
        self._grown = asyncio.Condition()
        self._listener = listener
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def url(self) -> str:
        host, port = self._listener.getsockname()[:2]
        return f"http://{host}:{port}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.cancel)
        self._thread.join(5)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._stop = self._loop.create_task(self._main())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._stop)
        rest = asyncio.all_tasks(self._loop)
        for task in rest:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))

    async def _main(self) -> None:
        server = await asyncio.start_server(self._serve, sock=self._listener)
        self._ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    def put(self, collection: str, item: Object) -> Object:
        """Store an object from the test's thread."""
        done = asyncio.run_coroutine_threadsafe(self._store(collection, item), self._loop)
        return done.result(5)

    def remove(self, collection: str, name: str) -> None:
        asyncio.run_coroutine_threadsafe(self._drop(collection, name), self._loop).result(5)

    def get(self, collection: str, name: str) -> Object:
        return self.objects.get(collection, {})[name]

    def all(self, collection: str) -> list[Object]:
        return list(self.objects.get(collection, {}).values())

    async def _store(self, collection: str, item: Object) -> Object:
        self._version += 1
        item = json.loads(json.dumps(item))
        metadata = item.setdefault("metadata", {})
        metadata.setdefault("uid", f"uid-{self._version}")
        metadata.setdefault("creationTimestamp", f"2026-01-01T00:00:{self._version:02}Z")
        metadata["resourceVersion"] = str(self._version)
        known = self.objects.setdefault(collection, {})
        kind = "MODIFIED" if metadata["name"] in known else "ADDED"
        known[metadata["name"]] = item
        await self._tell(collection, kind, item)
        return item

    async def _drop(self, collection: str, name: str) -> None:
        self._version += 1
        item = self.objects[collection].pop(name)
        item = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self._version)}}
        await self._tell(collection, "DELETED", item)

    async def _tell(self, collection: str, kind: str, item: Object) -> None:
        self._log.append((collection, kind, item))
        async with self._grown:
            self._grown.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                lengths = [int(line.split(":")[1]) for line in head if line.lower().startswith("content-length")]
                strategic = any("strategic" in line for line in head)
                body = json.loads(await reader.readexactly(lengths[0])) if lengths and lengths[0] else {}
                parts = urlsplit(target)
                query = dict(parse_qsl(parts.query))
                if query.get("watch"):
                    await self._watch(parts.path, int(query["resourceVersion"]), writer)
                    return
                status, answer = await self._answer(method, parts.path, body, strategic)
                text = json.dumps(answer).encode()
                writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _watch(self, path: str, version: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        seen = 0
        while True:
            for collection, kind, item in self._log[seen:]:
                if collection == path and int(item["metadata"]["resourceVersion"]) > version:
                    line = json.dumps({"type": kind, "object": item}).encode() + b"\n"
                    writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            seen = len(self._log)
            await writer.drain()
            async with self._grown:
                if len(self._log) == seen:
                    await self._grown.wait()

    async def _answer(self, method: str, path: str, body: Object, strategic: bool) -> tuple[int, Object]:
        if (method, path) in self.refuse:
            status = self.refuse.pop((method, path))
            return status, {"kind": "Status", "message": "as the test wants", "code": status}
        path = path.removesuffix("/status")
        collection, _, name = path.rpartition("/")
        known = self.objects.get(collection, {})
        if method == "POST":
            if body["metadata"]["name"] in self.objects.get(path, {}):
                return 409, {"message": "exists", "reason": "AlreadyExists"}
            return 201, await self._store(path, body)
        if method == "GET" and name in _COLLECTIONS:
            items = [*self.objects.get(path, {}).values()]
            return 200, {"metadata": {"resourceVersion": str(self._version)}, "items": items}
        if name not in known:
            return 404, {"message": f"{path} not found", "reason": "NotFound"}
        if method == "GET":
            return 200, known[name]
        if method == "DELETE":
            await self._drop(collection, name)
            return 200, {}
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted and wanted != known[name]["metadata"]["resourceVersion"]:
            return 409, {"message": "the object has been modified", "reason": "Conflict"}
        if method == "PUT":
            return 200, await self._store(collection, body)
        return 200, await self._store(collection, _merge(known[name], body, strategic))


def _merge(old: Any, new: Any, strategic: bool) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        merged = {**old, **{key: _merge(old.get(key), value, strategic) for key, value in new.items()}}
        return {key: value for key, value in merged.items() if value is not None}
    if strategic and isinstance(old, list) and isinstance(new, list) and new and "type" in new[0]:
        kinds = {entry["type"] for entry in new}
        return [entry for entry in old if entry["type"] not in kinds] + new
    return new
