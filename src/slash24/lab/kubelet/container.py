"""One run of a container: a runner process (`pod run`) that outlives us, and what it leaves in a folder.

The folder is `<pod's folder>/<container>`; the files of the n-th run are `n.pid`, `n.log`, `n.exit` (programs/pod.c).
"""

import asyncio
import hashlib
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slash24.errors import Slash24Error
from slash24.lab.kubelet import files, spawn

_MESSAGE_BYTES, _LOG_BYTES, _LOG_LINES = 4096, 2048, 80  # docs/sources.md#pods
#: Exit codes that runtimes give when there is none of the program's own.
START_ERROR, UNKNOWN = 128, 137


class StartError(Slash24Error):
    """A container's process could not be started; the text is the one that a runtime gives."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended. `signal` is 0 unless a signal ended it; times as Kubernetes writes them."""

    code: int
    signal: int
    started_at: str
    finished_at: str
    container_id: str
    reason: str
    message: str = ""

    def state(self) -> dict[str, Any]:
        """Return `state.terminated`."""
        found = {
            "exitCode": self.code, "reason": self.reason, "startedAt": self.started_at, "finishedAt": self.finished_at,
            "containerID": f"slash24://{self.container_id}",
        }  # fmt: skip
        return (
            found
            | ({"signal": self.signal} if self.signal else {})
            | ({"message": self.message} if self.message else {})
        )


@dataclass(frozen=True, slots=True)
class Launch:
    """All that a run needs.

    binds: (source, target, read-only); a source A/./B is B within A, wherever a link of B may lead.
    cgroup: the folder of the group to be born in, "" for the kubelet's. pidns: a PID namespace to join, "" for an own.
    """

    words: Sequence[str]
    env: Mapping[str, str]
    netns: str
    hostname: str
    binds: Sequence[tuple[str, str, bool]]
    capabilities: int
    cgroup: str = ""
    pidns: str = ""
    uid: int = -1
    gid: int = -1
    directory: str = "/"
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    read_only: bool = False
    no_new_privileges: bool = False


class Run:
    """A run that was started, by us or by an earlier kubelet."""

    def __init__(self, folder: Path, attempt: int, container_id: str, runner: spawn.Process | None, pid: int) -> None:
        self.folder = folder
        self.attempt = attempt
        self.id = container_id
        self.pid = pid
        self._runner = runner
        self.started_at = files.now()

    @property
    def alive(self) -> bool:
        return self._runner is not None and not self._runner.ended.done()

    @property
    def ended(self) -> "asyncio.Future[None] | None":
        return self._runner.ended if self._runner else None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.attempt}.log"

    def signal(self, number: int) -> None:
        """Send SIGTERM or SIGKILL to the container's first process, through its runner."""
        if self._runner:
            self._runner.signal(signal.SIGUSR1 if number == signal.SIGKILL else signal.SIGTERM)

    async def kill_runner(self) -> None:
        """The last resort, for a runner that doesn't answer: the kernel ends the container with it."""
        if self._runner:
            self._runner.signal(signal.SIGKILL)
            await self._runner.wait(5.0)

    def forget(self) -> None:
        if self._runner:
            self._runner.forget()

    @property
    def message(self) -> Path:
        """The file in which the container may leave its last words."""
        return self.folder / f"{self.attempt}.message"

    def outcome(self, *, log_on_error: bool = False) -> Ended:
        """Return how it ended; to be asked when it isn't alive.

        log_on_error: where a run that failed left no last words, the end of its log stands for them.
        """
        try:
            code, number, finished = (int(part) for part in (self.folder / f"{self.attempt}.exit").read_text().split())
            reason = "Completed" if code == 0 else "Error"
            words = _last_words(self.message) or (_log_end(self.log) if code and log_on_error else "")
            return Ended(code, number, self.started_at, files.stamp(finished), self.id, reason, words)
        except (OSError, ValueError):
            return Ended(
                UNKNOWN, 0, self.started_at, files.now(), self.id, "ContainerStatusUnknown",
                "The container could not be located when the pod was terminated",
            )  # fmt: skip


def prepare(folder: Path, attempt: int) -> Path:
    """Make a container's folder ready for its next run, and forget the runs before the last; return the message file.

    So a container that fails for ever takes room for two logs, each of which its runner keeps short.
    """
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        number = path.name.partition(".")[0]
        if number.isdigit() and int(number) < attempt - 1:
            path.unlink()
    message = folder / f"{attempt}.message"
    message.touch(mode=0o666)
    message.chmod(0o666)
    return message


def _last_words(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_MESSAGE_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _log_end(path: Path) -> str:
    """Return the end of a log as Kubernetes takes it for a termination message: 80 lines, 2048 bytes at most."""
    try:
        with open(path, "rb") as log:
            log.seek(max(0, path.stat().st_size - 4 * _LOG_BYTES))
            lines = log.read().splitlines()[-_LOG_LINES:]
    except OSError:
        return ""
    text = b"\n".join(line.split(b" ", 3)[-1] for line in lines)
    return text[-_LOG_BYTES:].decode(errors="replace")


def identify(pod_uid: str, name: str, attempt: int) -> str:
    """Return the id of a container's run: 64 hexadecimal digits, the same whenever it is asked for."""
    return hashlib.sha256(f"{pod_uid}/{name}/{attempt}".encode()).hexdigest()
