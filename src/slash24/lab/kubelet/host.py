"""What all pods of a node share."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from slash24.lab.kubelet.configuration import Configuration
from slash24.lab.kubelet.container import Launch, Run
from slash24.lab.kubelet.events import Recorder
from slash24.lab.kubelet.sandbox import Sandboxes
from slash24.lab.kubelet.spawn import Process


class Api(Protocol):
    """The part of the Kubernetes API that a pod's care needs."""

    async def patch(self, path: str, body: Any, *, kind: str = "merge") -> dict[str, Any]: ...
    async def delete(self, path: str, *, grace_s: int | None = None, uid: str | None = None) -> dict[str, Any]: ...


class Starter(Protocol):
    """Starts containers' processes, and finds those that an earlier kubelet started."""

    async def start(self, folder: Path, attempt: int, container_id: str, launch: Launch) -> Run: ...
    async def exec(
        self, run: Run, words: Sequence[str], env: Mapping[str, str], client: int, wants: int, options: Sequence[str]
    ) -> Process: ...
    def adopt(self, folder: Path, pod_uid: str, name: str) -> Run | None: ...


@dataclass(slots=True)
class Host:
    """allocatable: the node's resources. slots: how many sandboxes may be made at a time. starting: how many pods are
    being started now."""

    api: Api
    configuration: Configuration
    sandboxes: Sandboxes
    launcher: Starter
    events: Recorder
    node_ip: str
    allocatable: Mapping[str, str]
    slots: asyncio.Semaphore
    starting: int = 0
