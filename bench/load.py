"""The load: our own program `nb`, its servers and its runs, each in the namespace that it is told."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from slash24.errors import Slash24Error
from slash24.kernel import netns

SOURCE = Path(__file__).parent / "programs" / "nb.c"
BUILD = Path(__file__).parent.parent / "build"
PORT = 7100


class LoadError(Slash24Error):
    """A run of the load program failed."""


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load: `command` is nb's word for it, `unit` that of its rate."""

    name: str
    command: str
    unit: str


STREAM = Load("TCP stream", "stream", "Gbit/s")
ANSWERS = Load("TCP request/response", "rr", "/s")
CONNECTIONS = Load("TCP connections", "crr", "/s")
DATAGRAMS = Load("UDP, 32 bytes", "udp", "packets/s")
LOADS = (STREAM, ANSWERS, CONNECTIONS, DATAGRAMS)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run measured; the latencies are of rr and crr only."""

    rate: float
    p50_us: float
    p99_us: float
    loss: float
    errors: int


@dataclass(frozen=True, slots=True)
class Way:
    """A way for packets: from the namespace `client` to `address`, which the namespace `server` has."""

    name: str
    client: Path
    server: Path
    address: IPv4Address


def compile_nb(build: Path = BUILD) -> Path:
    """Compile the load program if it is older than its source; return its path."""
    program = build / "nb"
    if not program.exists() or program.stat().st_mtime < SOURCE.stat().st_mtime:
        build.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-pthread", "-o", program, SOURCE], check=True)
    return program


def one_cpu() -> int:
    """Return the CPU that client and server share.

    With both on one CPU a rate is the length of the path; with two, it is how the scheduler wakes the other one.
    """
    return max(os.sched_getaffinity(0))


@contextmanager
def serving(program: Path, way: Way, cpu: int) -> Iterator[None]:
    """Keep a server at the far end of `way` for the length of the block."""
    with netns.inside(way.server):
        server = subprocess.Popen(
            [program, "serve", str(way.address), str(PORT), str(cpu)], stdout=subprocess.PIPE, text=True
        )
    try:
        assert server.stdout
        if server.stdout.readline() != "ready\n":
            raise LoadError(f"the server of {way.name} did not start")
        yield
    finally:
        server.kill()
        server.communicate()


def run(program: Path, way: Way, load: Load, cpu: int, seconds: float) -> Sample:
    """Run one load along `way` for about `seconds`. Raises LoadError if it doesn't get through."""
    command = [str(program), load.command, str(way.address), str(PORT), str(cpu), str(seconds)]
    with netns.inside(way.client):
        client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        answer, complaint = client.communicate(timeout=seconds + 20)
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"{load.name} by {way.name} hangs") from error
    finally:
        client.kill()
        client.wait()
    if client.returncode:
        raise LoadError(f"{load.name} by {way.name}: {complaint.strip()}")
    sample = Sample(**json.loads(answer))
    if sample.errors:
        raise LoadError(f"{load.name} by {way.name}: {sample.errors} failed exchanges")
    return sample
