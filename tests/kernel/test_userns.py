"""User namespaces: what is root inside and nobody outside, what ends with its first process, and who forbids them."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from slash24.errors import Slash24Error
from slash24.kernel import abilities, process, sysctl, userns

pytestmark = pytest.mark.kernel


@pytest.fixture(autouse=True)
def _able() -> None:
    problem = abilities.user_namespaces().problem
    if problem and os.environ.get("CI"):
        pytest.fail(problem)
    if problem:
        pytest.skip(problem)


def ask_first(question: Callable[[], object]) -> str:
    """Return what a first process answers."""
    reader, writer = os.pipe()
    userns.fork_first(lambda: os.write(writer, str(question()).encode()))
    os.close(writer)
    with os.fdopen(reader) as answer:
        return answer.read()


@pytest.fixture
def first() -> Iterator[int]:
    """A first process that waits for its end."""
    pid = userns.fork_first(lambda: os.execvp("sleep", ["sleep", "60"]))
    yield pid
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _processes() -> list[str]:
    return sorted(path.name for path in Path("/proc").glob("[0-9]*"))


def test_the_first_process_is_root_and_alone_in_what_is_its_own() -> None:
    assert ask_first(lambda: (os.getpid(), os.geteuid(), os.getegid(), _processes())) == "(1, 0, 0, ['1'])"
    assert ask_first(lambda: [path.name for path in Path("/sys/class/net").iterdir()]) == "['lo']"
    assert ask_first(lambda: list(Path("/sys/fs/cgroup").rglob("*"))) == "[]"
    assert ask_first(userns.owns_all_users) == "False"


def test_the_first_process_is_the_caller_to_everybody_else() -> None:
    assert ask_first(lambda: Path("/proc/self/uid_map").read_text().split()[1:]) == f"['{os.geteuid()}', '1']"
    assert ask_first(lambda: Path("/proc/self/gid_map").read_text().split()[1:]) == f"['{os.getegid()}', '1']"


def test_a_process_that_enters_has_its_next_child_inside(first: int, tmp_path: Path) -> None:
    answer = tmp_path / "answer"

    def inside() -> None:
        here = Path.cwd()
        userns.enter(first)
        if os.fork() == 0:
            answer.write_text(f"{os.geteuid()} {_processes()} {Path.cwd() == here}")
            os._exit(0)
        os.wait()

    child = os.fork()
    if child == 0:
        inside()
        os._exit(0)
    os.waitpid(child, 0)
    assert answer.read_text() == "0 ['1', '2'] True"
    assert answer.stat().st_uid == os.geteuid()


def test_everything_inside_ends_with_the_first_process(first: int) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        userns.enter(first)
        if os.fork() == 0:
            signal.pause()  # holds the pipe open until it is killed
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    assert not select.select([reader], [], [], 0)[0]
    os.kill(first, signal.SIGKILL)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_process_that_is_gone_can_not_be_entered(first: int) -> None:
    pidfd = os.pidfd_open(first)
    os.kill(first, signal.SIGKILL)
    select.select([pidfd], [], [])
    os.close(pidfd)
    assert process.started_at(first) is None
    with pytest.raises(Slash24Error, match=f"process {first} can't be entered: No such process"):
        userns.enter(first)


def test_where_the_limit_is_zero_the_refusal_names_it_and_both_ways_out(tmp_path: Path) -> None:
    command = (
        f"echo 0 > /proc/sys/user/max_user_namespaces; exec {sys.executable} -m slash24.cli.main lab up --rootless"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", command],
        env={**os.environ, "SLASH24_HOME": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "user.max_user_namespaces is 0" in done.stderr
    assert "sudo sysctl -w user.max_user_namespaces=15000, or run the same command with sudo" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("kernel.unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user.max_user_namespaces", "0", "user.max_user_namespaces=15000"),
    ],
)
def test_a_setting_that_forbids_is_named_with_the_command_that_allows(
    name: str, value: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(asked: str) -> str:
        if asked != name:
            raise sysctl.SysctlError("not there")
        return value

    monkeypatch.setattr(sysctl, "read", read)
    why, how = userns.why_refused()
    assert why.startswith(f"{name} is {value}: ")
    assert how == f"sudo sysctl -w {fix}"


def test_a_machine_that_forbids_nothing_has_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(userns, "_is_filtered", lambda: False)
    assert userns.why_refused() == ("", "")
