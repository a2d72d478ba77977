"""A lab under test: the installed command, its answers, and what stands on the machine."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from slash24.kernel.process import children
from slash24.lab.paths import LabPaths

_COMMAND = Path(sys.executable).parent / "slash24"
_KUBECTL = Path(sys.executable).parent / "kubectl"
T = TypeVar("T")


def eventually(look: Callable[[], T], patience_s: float = 10.0) -> T:
    """Return the first true answer of `look`; its last answer if none comes."""
    deadline = time.monotonic() + patience_s
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


class LabUnderTest:
    """One lab, in a SLASH24_HOME of its own. `words` stand before each of its commands: who gives it, and where."""

    def __init__(self, home: Path, name: str = "default", words: Sequence[str] = ()) -> None:
        self.paths = LabPaths(home, name)
        self._words = words
        self.programs = _COMMAND.parent
        self.environment = {**os.environ, "SLASH24_HOME": str(home), "SLASH24_LAB": name, "HOME": str(home.parent)}
        self.environment.pop("KUBECONFIG", None)

    # Commands

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._words, _COMMAND, *arguments],
            env=self.environment,
            cwd=self.paths.home.parent,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, code: int | None = 0, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `slash24`; its exit code must be `code` (None: any)."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=timeout)
        words = " ".join(arguments)
        assert code is None or process.returncode == code, f"slash24 {words}: {process.returncode}\n{out}{err}"
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "-o", "json").stdout)

    def kubectl(self, *arguments: str, code: int | None = 0, stdin: str = "", cluster: str = "lab") -> str:
        """Run the real kubectl against a cluster of the lab; return what it says."""
        words = [*self._words, str(_KUBECTL), "--kubeconfig", str(self.paths.kubeconfig), "--request-timeout", "20s"]
        words += ["--context", cluster]
        done = subprocess.run(
            [*words, *arguments], input=stdin, env=self.environment, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        text = done.stdout + done.stderr
        assert code is None or done.returncode == code, f"kubectl {' '.join(arguments)}: {done.returncode}\n{text}"
        return text

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json("lab", "status")
        return found

    def wait_until_ready(self) -> None:
        self.run("lab", "status", "--wait", "--timeout", "20")

    def check(self, name: str, *, code: int) -> dict[str, Any]:
        """Run one connectivity check by the command; return its entry."""
        done = self.run("test", "connectivity", "--test", name, "-o", "json", code=code)
        (found,) = json.loads(done.stdout)["checks"]
        return dict(found)

    # What stands on the machine

    def inside(self, namespace: str, *command: str) -> str:
        """Run a command in a network namespace of the lab; return its output."""
        return run_inside(self.paths.netns(namespace), *command)

    def first_process(self, node: str) -> int:
        return int((self.paths.node(node) / "pid").read_text().split()[0])

    def part(self, node: str, part: str) -> int:
        """Return the pid of a node's agent or kubelet: a child of its first process."""
        return children(self.first_process(node))[f"slash24-{part}"]

    def part_of_server(self, name: str) -> int | None:
        """Return the pid of the server's zygote or of a controller (`control`): of its process group."""
        group = self.status()["server"]["pid"]
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                pid, _, rest = path.read_text().partition(" (")
                found, _, fields = rest.rpartition(") ")
                if found == f"slash24-{name}" and int(fields.split()[2]) == group and fields[0] != "Z":
                    return int(pid)
        return None

    @contextmanager
    def frozen(self, *nodes: str) -> Iterator[None]:
        """Stop the agents of these nodes meanwhile, so that they repair nothing."""
        with ExitStack() as thaw:
            for node in nodes:
                pid = self.part(node, "agent")
                os.kill(pid, signal.SIGSTOP)
                thaw.callback(os.kill, pid, signal.SIGCONT)
            yield

    def down(self) -> None:
        self.run("lab", "down", "--quiet")

    def remains(self) -> list[str]:
        """Return what is left of the lab on the machine: files, mounts, processes, control groups."""
        home = str(self.paths.home)
        found = [str(path) for path in self.paths.home.rglob("*")] if self.paths.home.exists() else []
        found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if home in line]
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if home in (path / "cmdline").read_text():
                    found.append(f"process {path.name}")
        found += [str(path) for path in Path("/sys/fs/cgroup").rglob(f"{self.paths.slug}*")]
        return found


def run_inside(namespace: Path, *command: str) -> str:
    done = subprocess.run(["nsenter", f"--net={namespace}", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def network_namespaces() -> set[str]:
    """Return the network namespaces that processes of this machine are in."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/ns/net"):
        with suppress(OSError):
            found.add(str(path.readlink()))
    return found
