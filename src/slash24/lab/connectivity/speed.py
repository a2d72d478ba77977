"""How fast packets go, told beside the checks and never judged: figures of one machine in one moment."""

import socket
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from slash24.errors import Slash24Error
from slash24.lab.connectivity.checks import Scene
from slash24.lab.connectivity.packets import Machine, both_ends

_STREAM_S, _TURNS_S = 0.5, 0.3
_WAIT_S = 5.0
_CHUNK = bytes(1 << 18)


@dataclass(frozen=True, slots=True)
class Speed:
    """One way's figures. gbit_per_s: one TCP stream; round_trip_us: the median of one byte there and back by TCP.

    problem: why there are none; "" if there are.
    """

    way: str
    gbit_per_s: float = 0.0
    round_trip_us: int = 0
    problem: str = ""


def measure(scene: Scene, told: Callable[[Speed], None]) -> None:
    """Measure between nodes, between their pods and between pods of one node; call `told` after each."""
    ways = {
        "node to node": (scene.node_a, scene.node_b),
        "pod to pod, across nodes": (scene.a1, scene.b1),
        "pod to pod, same node": (scene.a1, scene.a2),
    }
    for name, (client, server) in ways.items():
        try:
            speed = Speed(name, round(_stream(client, server), 2), round(_turns(client, server)))
        except (Slash24Error, OSError) as error:
            speed = Speed(name, problem=str(error))
        told(speed)


def _ends(stack: ExitStack, client: Machine, server: Machine) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a TCP connection. Raises Slash24Error if there is none to be had."""
    outcome, ends = both_ends(stack, client, server)
    if ends is None:
        raise Slash24Error(f"a connection is {outcome}")
    for end in ends:
        end.settimeout(_WAIT_S)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ends


def _stream(client: Machine, server: Machine) -> float:
    """Return how many Gbit/s arrive in one TCP stream."""
    with ExitStack() as stack:
        near, far = _ends(stack, client, server)

        def send() -> None:
            until = time.monotonic() + _STREAM_S
            with suppress(OSError):  # the receiver tells
                while time.monotonic() < until:
                    near.sendall(_CHUNK)
                near.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        buffer, got, began = bytearray(len(_CHUNK)), 0, time.monotonic()
        sender.start()
        try:
            while size := far.recv_into(buffer):
                got += size
        finally:
            sender.join()
        return got * 8 / (time.monotonic() - began) / 1e9


def _turns(client: Machine, server: Machine) -> float:
    """Return how many microseconds one byte takes there and back, the median of many."""
    with ExitStack() as stack:
        near, far = _ends(stack, client, server)

        def answer() -> None:
            with suppress(OSError):  # the asker tells
                while byte := far.recv(1):
                    far.sendall(byte)

        answerer = threading.Thread(target=answer)
        answerer.start()
        took_us: list[float] = []
        try:
            until = time.monotonic() + _TURNS_S
            while time.monotonic() < until:
                began = time.perf_counter()
                near.sendall(b"x")
                near.recv(1)
                took_us.append((time.perf_counter() - began) * 1e6)
        finally:
            near.shutdown(socket.SHUT_WR)
            answerer.join()
        return statistics.median(took_us)
