"""Long-running operations: begun by a request, polled by its client, kept across a restart of the server."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from slash24.azure.errors import ArmError, from_slash24
from slash24.azure.provisioner import Report
from slash24.core.topology import resource_key
from slash24.errors import Slash24Error
from slash24.store.database import DiskFullError
from slash24.store.resources import Resources

log = logging.getLogger(__name__)

KEPT = 200  # finished operations that can still be asked for
Work = Callable[[Report], Awaitable[None]]


class Operations:
    """The running operations and the documents of all. At most one runs per resource."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsaved: dict[str, dict[str, Any]] = {}  # by id
        self._busy: dict[str, str] = {}  # resource key -> what is being done to it

    def check_free(self, resource_id: str) -> None:
        """Raise ArmError 409 if an operation on the resource is under way."""
        doing = self._busy.get(resource_key(resource_id))
        if doing:
            raise ArmError(
                409,
                "OperationNotAllowed",
                f"Operation is not allowed: Another operation ({doing}) is in progress, please wait for it to finish "
                "before starting a new operation.",
                why="a cluster takes one change at a time",
                fix="wait for it: slash24 aks show -o table",
            )

    def is_busy(self, resource_id: str) -> bool:
        return resource_key(resource_id) in self._busy

    @contextmanager
    def holding(self, resource_ids: Sequence[str], doing: str) -> Iterator[None]:
        """Let nobody else begin anything on these resources meanwhile."""
        keys = [resource_key(resource_id) for resource_id in resource_ids]
        self._busy.update(dict.fromkeys(keys, doing))
        try:
            yield
        finally:
            for key in keys:
                self._busy.pop(key, None)

    def begin(
        self,
        base: str,
        doing: str,
        work: Work,
        *,
        resource_ids: Sequence[str],
        warnings: Sequence[dict[str, Any]] = (),
    ) -> dict[str, Any]:
        """Start `work` and return the document of its operation.

        base: `/subscriptions/S/providers/NS/locations/L`, below which the operation's id lies.
        doing: Creating, Updating, Deleting: what another client is told meanwhile.
        resource_ids: what is busy until it ends, the resource itself first.
        """
        name = str(uuid.uuid4())
        document: dict[str, Any] = {
            "id": f"{base}/operations/{name}",
            "name": name,
            "resourceId": resource_ids[0],
            "status": "InProgress",
            "startTime": _now(),
            "steps": [],
            "warnings": list(warnings),
        }
        self._resources.put(document)
        self._resources.trim("/".join([base.rsplit("/providers/", 1)[1].split("/")[0], "locations/operations"]), KEPT)
        held = ExitStack()
        held.enter_context(self.holding(resource_ids, doing))
        task = asyncio.get_running_loop().create_task(self._run(document, work, held), name=f"arm {doing}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return document

    async def _run(self, document: dict[str, Any], work: Work, held: ExitStack) -> None:
        began = time.monotonic()

        def end_step() -> None:
            if document["steps"]:
                document["steps"][-1]["seconds"] = round(time.monotonic() - began, 3)

        def report(title: str) -> None:
            nonlocal began
            end_step()
            began = time.monotonic()
            document["steps"].append({"title": title, "seconds": None})
            self._keep(document)

        try:
            await work(report)
        except Slash24Error as error:
            document["error"] = from_slash24(error).envelope
        except asyncio.CancelledError:
            # The server goes down. The operation stays InProgress on disk: `recover` finishes or undoes it.
            raise
        except Exception as error:
            log.exception("operation %s on %s failed", document["name"], document["resourceId"])
            document["error"] = {"code": "InternalServerError", "message": f"{type(error).__name__}: {error}"}
        finally:
            held.close()
        if "error" not in document:
            end_step()
        document["status"] = "Failed" if "error" in document else "Succeeded"
        document["endTime"] = _now()
        self._keep(document)

    def _keep(self, document: dict[str, Any]) -> None:
        """Store how far an operation is; on a full disk it is remembered, so that nobody waits for its end in vain."""
        try:
            self._resources.put(document)
            self._unsaved.pop(document["id"], None)
        except DiskFullError as error:
            log.warning("operation %s: %s", document["name"], error)
            self._unsaved[document["id"]] = document

    def get(self, operation_id: str) -> dict[str, Any] | None:
        return self._unsaved.get(operation_id) or self._resources.get(operation_id)

    async def wait(self) -> None:
        """Wait until no operation runs."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        """Stop what runs, as a killed server would; `recover` of the next server deals with it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
