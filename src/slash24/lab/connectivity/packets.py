"""Packets sent and seen inside namespaces: one process, whose sockets stay in the namespace where they were made."""

import errno
import os
import selectors
import socket
import struct
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address

from slash24.kernel.netns import inside

_IP_MTU_DISCOVER, _IP_PMTUDISC_DO, _IP_MTU = 10, 2, 14
_PATIENCE_S = 1.0  # within one machine a packet takes microseconds; what isn't there after this is lost


@dataclass(frozen=True, slots=True)
class Machine:
    """Something with an address: a pod, a node, a virtual machine, an internet host. `netns` is an open descriptor."""

    name: str
    netns: int
    address: IPv4Address


def tcp_source(client: Machine, server: Machine, target: IPv4Address | None = None) -> str:
    """Return the source address that `server` sees when `client` connects to it (to its address, or to `target`).

    "refused" or "lost" stands for a connection that doesn't come about.
    """
    with ExitStack() as stack:
        with inside(server.netns):
            listener = stack.enter_context(socket.socket())
        listener.bind((str(target or server.address), 0))
        listener.listen(8)
        listener.settimeout(_PATIENCE_S)
        outcome, connection = connect(client, target or server.address, listener.getsockname()[1])
        if connection is not None:
            stack.enter_context(connection)
        if outcome != "connected":
            return outcome
        try:
            accepted, peer = listener.accept()
        except TimeoutError:
            return "answered by another machine"
        accepted.close()
        return str(peer[0])


def connect(client: Machine, target: IPv4Address, port: int) -> tuple[str, socket.socket | None]:
    """Open a TCP connection; return ("connected", socket), or ("refused" | "lost", None)."""
    with inside(client.netns):
        connection = socket.socket()
    connection.settimeout(_PATIENCE_S)
    try:
        connection.connect((str(target), port))
    except OSError as error:
        connection.close()
        refused = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES}
        return ("refused" if error.errno in refused else "lost"), None
    return "connected", connection


def serve_name(server: Machine, port: int) -> socket.socket:
    """Return a listening socket on `port` of the machine; `who_answers` reads from it who was reached."""
    with inside(server.netns):
        listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((str(server.address), port))
    listener.listen(8)
    listener.setblocking(False)
    return listener


def who_answers(client: Machine, target: IPv4Address, port: int, listeners: dict[str, socket.socket]) -> str:
    """Connect to `target` and return the name of the listener that got the connection, or "refused" or "lost"."""
    outcome, connection = connect(client, target, port)
    if connection is None:
        return outcome
    with connection, selectors.DefaultSelector() as selector:
        for name, listener in listeners.items():
            selector.register(listener, selectors.EVENT_READ, name)
        ready = selector.select(_PATIENCE_S)
        for key, _ in ready:
            listeners[key.data].accept()[0].close()
        return ", ".join(sorted(key.data for key, _ in ready)) or "nobody"


def both_ends(
    stack: ExitStack, client: Machine, server: Machine
) -> tuple[str, tuple[socket.socket, socket.socket] | None]:
    """Open a TCP connection; return ("connected", (client's end, server's end)), or what `connect` says and None."""
    with inside(server.netns):
        listener = stack.enter_context(socket.socket())
    listener.bind((str(server.address), 0))
    listener.listen(1)
    listener.settimeout(_PATIENCE_S)
    outcome, near = connect(client, server.address, listener.getsockname()[1])
    if near is None:
        return outcome, None
    stack.enter_context(near)
    return outcome, (near, stack.enter_context(listener.accept()[0]))


def transfer(client: Machine, server: Machine, size: int) -> str:
    """Send `size` bytes by TCP; return "complete", or how many bytes arrived in five seconds."""
    with ExitStack() as stack:
        outcome, ends = both_ends(stack, client, server)
        if ends is None:
            return outcome
        sender, receiver = ends
        sender.setblocking(False)
        receiver.setblocking(False)
        left, got, deadline = size, 0, time.monotonic() + 5
        payload = bytes(65536)
        while got < size and time.monotonic() < deadline:
            with suppress(BlockingIOError):
                left -= sender.send(payload[: min(left, 65536)]) if left else 0
            try:
                got += len(receiver.recv(1 << 20))
            except BlockingIOError:
                time.sleep(0.0005)
        return "complete" if got >= size else f"{got:,} of {size:,} bytes"


def echo(client: Machine, target: IPv4Address, size: int, *, wait_s: float = _PATIENCE_S) -> str:
    """Send one ICMP echo of `size` bytes (IP header included) that must not be fragmented.

    Return "answered", "lost", or "too big: N" with the path MTU that the sender has learned.
    """
    with inside(client.netns):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with raw:
        raw.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)
        raw.connect((str(target), 0))
        ident = os.getpid() & 0xFFFF
        packet = struct.pack("!BBHHH", 8, 0, 0, ident, 1) + bytes(size - 28)
        packet = packet[:2] + struct.pack("!H", _checksum(packet)) + packet[4:]
        try:
            raw.send(packet)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                return f"too big: {raw.getsockopt(socket.IPPROTO_IP, _IP_MTU)}"
            return "refused"
        deadline = time.monotonic() + wait_s
        while (left := deadline - time.monotonic()) > 0:
            raw.settimeout(left)
            try:
                answer = raw.recv(65536)
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    return f"too big: {raw.getsockopt(socket.IPPROTO_IP, _IP_MTU)}"
                break
            if answer[20] == 0 and struct.unpack_from("!H", answer, 24)[0] == ident and len(answer) == size:
                return "answered"
        return "lost"


def forge(sender: Machine, source: IPv4Address, target: IPv4Address, port: int, payload: bytes) -> None:
    """Send a UDP packet with a source address of the caller's choice."""
    udp = struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, source.packed, target.packed)
    with inside(sender.netns):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with raw:
        try:
            raw.sendto(header + udp, (str(target), 0))
        except OSError as error:  # refused before it left is as good as dropped
            if error.errno not in (errno.EPERM, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EINVAL):
                raise


def listen_udp(machine: Machine, port: int) -> socket.socket:
    with inside(machine.netns):
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((str(machine.address), port))
    return listener


def received(listener: socket.socket, wait_s: float = 0.15) -> bool:
    """Return whether a datagram came."""
    listener.settimeout(wait_s)
    try:
        listener.recv(65536)
    except TimeoutError:
        return False
    return True


def vxlan_packet(vni: int, source: IPv4Address, target: IPv4Address, port: int, payload: bytes, mac: str) -> bytes:
    """Return a VXLAN payload (RFC 7348) that holds a UDP packet from `source` to `target`."""
    udp = struct.pack("!HHHH", 40001, port, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, source.packed, target.packed)
    header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
    frame = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("022400000001") + b"\x08\x00" + header + udp
    return struct.pack("!BxxxI", 0x08, vni << 8) + frame


def send_udp(sender: Machine, target: IPv4Address, port: int, payload: bytes) -> None:
    with inside(sender.netns):
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with datagram:
        try:
            datagram.sendto(payload, (str(target), port))
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH):
                raise


def _checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)
