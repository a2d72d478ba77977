"""Starts the runs of a node's containers, and finds those that an earlier kubelet started."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from slash24 import programs
from slash24.kernel import userns
from slash24.lab.kubelet import files, images, spawn
from slash24.lab.kubelet.container import Launch, Run, StartError, identify

#: Folders of the host that a container sees empty: they are the user's own, or the machine's state.
_EMPTY = ("/root", "/home", "/var/lib", "/var/log", "/var/cache", "/var/spool", "/var/tmp", "/mnt", "/media", "/srv")  # noqa: S108
#: Files of the machine that no container sees.
MASKED = ("/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-", "/etc/ssh", "/etc/ssl/private", "/boot")
#: Folders that hold programs: where they are mounts of their own, the layer beneath a container would lack them.
_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/gnu")


class Launcher:
    """Starts runs, and finds those that an earlier kubelet started."""

    def __init__(self, run_dir: str, masked_paths: Sequence[str]) -> None:
        self._pod = spawn.sealed(str(programs.path("pod")))
        self._agnhost = str(programs.path("agnhost"))
        self._sockets = Path(run_dir, "c")
        stage = Path(run_dir, "stage")
        self._sockets.mkdir(parents=True, exist_ok=True)
        stage.mkdir(exist_ok=True)
        fixed = ["--stage", str(stage)]
        if not userns.owns_all_users():
            fixed.append("--user-namespace")
        for path in _program_mounts(Path("/proc/self/mountinfo").read_text()):
            fixed += ["--bind-ro", path, path]
        fixed += ["--bind-ro", self._agnhost, images.AGNHOST]
        for path in _EMPTY:
            if Path(path).is_dir():
                fixed += ["--empty", path]
        for path in (*MASKED, *(os.path.realpath(path) for path in masked_paths)):
            fixed += ["--mask", path]
        self._fixed = fixed

    def socket(self, container_id: str) -> Path:
        """Return where the runner takes clients that attach."""
        return self._sockets / container_id[:16]

    async def start(self, folder: Path, attempt: int, container_id: str, launch: Launch) -> Run:
        """Start the `attempt`-th run of a container in its folder. Raises StartError."""
        words = [
            "pod", "run", "--id", container_id, "--folder", str(folder), "--attempt", str(attempt),
            "--socket", str(self.socket(container_id)), "--hostname", launch.hostname, "--cwd", launch.directory,
            "--caps", f"{launch.capabilities:x}", "--uid", str(launch.uid), "--gid", str(launch.gid),
        ]  # fmt: skip
        for option, value in (("netns", launch.netns), ("pidns", launch.pidns), ("cgroup", launch.cgroup)):
            words += [f"--{option}", value] if value else []
        for option, given in (
            ("tty", launch.tty), ("stdin", launch.stdin), ("stdin-once", launch.stdin_once),
            ("read-only", launch.read_only), ("no-new-privileges", launch.no_new_privileges),
        ):  # fmt: skip
            words += [f"--{option}"] if given else []
        words += self._fixed
        for source, target, read_only in launch.binds:
            words += ["--bind-ro" if read_only else "--bind", source, target]
        reader, writer = os.pipe()
        try:
            runner = spawn.start(self._pod, [*words, "--", *launch.words], launch.env, {spawn.REPORT_FD: writer})
        except spawn.ProcessError as error:
            os.close(reader)
            raise StartError(str(error)) from error
        finally:
            os.close(writer)
        answer = await spawn.report(reader)
        if not answer.startswith("pid "):
            await runner.wait(5.0)
            raise StartError(_runtime_text(answer.removeprefix("error ") or "the runner died"))
        return Run(folder, attempt, container_id, runner, int(answer[4:]))

    async def exec(
        self, run: Run, words: Sequence[str], env: Mapping[str, str], client: int, wants: int, options: Sequence[str]
    ) -> spawn.Process:
        """Run a command in a container for the client behind the descriptor `client`. Raises StartError."""
        call = ["pod", "exec", "--pid", str(run.pid), "--wants", str(wants), *options, "--", *words]
        reader, writer = os.pipe()
        try:
            process = spawn.start(self._pod, call, env, {0: client, spawn.REPORT_FD: writer})
        finally:
            os.close(writer)
        answer = await spawn.report(reader)
        if not answer.startswith("pid "):
            raise StartError(answer.removeprefix("error ") or "the runner died")
        return process

    def adopt(self, folder: Path, pod_uid: str, name: str) -> Run | None:
        """Return the last run in a container's folder, alive or not; None if there was none."""
        attempts = [int(path.stem) for path in folder.glob("*.pid") if path.stem.isdigit()]
        if not attempts:
            return None
        attempt = max(attempts)
        try:
            runner_pid, pid, started = (int(part) for part in (folder / f"{attempt}.pid").read_text().split())
        except (OSError, ValueError):
            runner_pid, pid, started = 0, 0, time.time_ns()
        runner = None
        if runner_pid and not (folder / f"{attempt}.exit").exists() and _is_runner(runner_pid, folder):
            try:
                runner = spawn.Process(runner_pid)
            except ProcessLookupError:
                runner = None
        run = Run(folder, attempt, identify(pod_uid, name, attempt), runner, pid)
        run.started_at = files.stamp(started)
        return run


def _is_runner(pid: int, folder: Path) -> bool:
    """Tell whether the process still is the runner of that folder: after a crash its number may be another's."""
    try:
        return str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _program_mounts(mountinfo: str) -> list[str]:
    """Return the mount points among the folders of programs, outermost only: their binds are recursive."""
    points = sorted({line.split()[4] for line in mountinfo.splitlines()}, key=len)
    found: list[str] = []
    for point in points:
        inside = any(point == folder or point.startswith(f"{folder}/") for folder in _PROGRAMS)
        if inside and not any(point.startswith(f"{outer}/") for outer in found):
            found.append(point)
    return found


def _runtime_text(text: str) -> str:
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
        f"unable to start container process: error during container init: {text}: unknown"
    )
