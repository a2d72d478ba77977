"""Fixtures of all tests: golden files, and network namespaces that vanish with the test."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slash24.kernel import abilities, mounts, nft, process, userns
from slash24.kernel import netns as netns_files
from slash24.kernel.netlink import Netlink

GOLDEN = Path(__file__).parent / "golden"


def pytest_configure() -> None:
    """Make whoever isn't root the root of namespaces of the suite's own, where nearly all tests find what they need."""
    if os.geteuid() != 0 and not abilities.user_namespaces().problem:
        userns.unshare(process.CLONE_NEWNS | process.CLONE_NEWNET)
        mounts.mount("tmpfs", Path("/run"), "tmpfs")
        netns_files.raise_loopback()


def pytest_report_header() -> str:
    """Say at the head of a run which tests it can carry out."""
    if not userns.owns_all_users():
        return "slash24: in a user namespace, root of its own networks and mounts"
    return "slash24: as root" if os.geteuid() == 0 else "slash24: neither root nor user namespaces: no kernel tests"


class Golden:
    """Expected text in tests/golden; GOLDEN=rewrite in the environment (`make golden`) writes it anew."""

    def check(self, name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("GOLDEN") == "rewrite":
            path.write_text(text)
        assert text == path.read_text(), f"{path} differs; if the change is meant, run make golden and review its diff"


@pytest.fixture
def golden() -> Golden:
    return Golden()


class Netns:
    """One network namespace of a test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        netns_files.create(path)
        self.fd = netns_files.open_fd(path)

    def close(self) -> None:
        os.close(self.fd)
        netns_files.delete(self.path)

    def run(self, *command: str, timeout: float = 10, check: bool = True, stdin: str = "") -> str:
        """Run a command in the namespace and return its output."""
        with netns_files.inside(self.fd):
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def works(self, *command: str, timeout: float = 10) -> bool:
        with netns_files.inside(self.fd):
            done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
        return done.returncode == 0

    def pings(self, address: object, *options: str) -> bool:
        return self.works("ping", "-c1", "-W1", "-n", "-q", *options, str(address))

    def nft(self, script: str) -> None:
        nft.apply_script(script, self.fd)

    def counters(self, table: str) -> dict[str, int]:
        """Return how many packets each named counter of a table saw."""
        return {name: packets for name, (packets, _) in nft.counters(table, self.fd).items()}

    def netlink(self) -> Netlink:
        return Netlink(self.fd)

    def ip(self, *arguments: str) -> Any:
        """Return what `ip -j` says."""
        text = self.run("ip", "-j", *arguments)
        return json.loads(text) if text.strip() else []


class NetnsFactory:
    """Makes network namespaces for one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[Netns] = []

    def __call__(self, name: str) -> Netns:
        self.made.append(Netns(self.folder / name))
        return self.made[-1]


def _can_make_namespaces() -> bool:
    return os.geteuid() == 0 and shutil.which("nft") is not None


@pytest.fixture
def namespaces() -> Iterator[NetnsFactory]:
    if not _can_make_namespaces():
        reason = "needs nft, and root or user namespaces"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="slash24-test-", dir="/run") as folder:
        factory = NetnsFactory(Path(folder))
        try:
            yield factory
        finally:
            for made in factory.made:
                made.close()


@pytest.fixture
def netns(namespaces: NetnsFactory) -> Netns:
    return namespaces("here")
