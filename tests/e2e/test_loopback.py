"""The lab speaks with nobody outside: in the machine's own network it has loopback sockets only."""

import struct
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.e2e.labs import LabUnderTest

pytestmark = pytest.mark.lab


def _address(text: str) -> str:
    """Return the address in one field of /proc/net/tcp: words of 32 bits in the machine's byte order, and a port."""
    words, _, port = text.partition(":")
    raw = b"".join(struct.pack("=I", int(words[at : at + 8], 16)) for at in range(0, len(words), 8))
    address = ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return f"{mapped or address} {int(port, 16)}"


def _sockets(pid: int) -> list[tuple[str, str]]:
    """Return (local, remote) of a process' internet sockets in its own network namespace."""
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(str(fd.readlink()).removeprefix("socket:[").removesuffix("]"))
    found = []
    for protocol in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        with suppress(FileNotFoundError):
            for line in Path(f"/proc/{pid}/net/{protocol}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[9] in inodes:
                    found.append((_address(fields[1]), _address(fields[2])))
    return found


def test_the_processes_in_the_machines_network_use_loopback_only(lab: LabUnderTest) -> None:
    lab.kubectl("get", "nodes")
    home, own = str(lab.paths.home), Path("/proc/self/ns/net").readlink()
    seen = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if home in (path / "cmdline").read_text() and (path / "ns/net").readlink() == own:
                seen += _sockets(int(path.name))
    assert seen  # the server listens
    for local, remote in seen:
        assert ip_address(local.split()[0]).is_loopback, (local, remote)
        assert ip_address(remote.split()[0]).is_loopback or remote.endswith(" 0"), (local, remote)


def test_an_address_of_proc_is_read_right() -> None:
    assert _address("0100007F:1F90") == "127.0.0.1 8080"
