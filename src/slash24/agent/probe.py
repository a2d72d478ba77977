"""Proof that a node's network works: an ICMP echo from a probe pod of its own to another node's probe.

A node that is alone in its cluster asks the VNet's gateway instead. What counts as failure is decided by `judge`, pure.
"""

import asyncio
import secrets
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from slash24.core.addresses import IPAddress
from slash24.core.cluster import View
from slash24.core.topology import Transport
from slash24.kernel import netns as netns_files

#: So many other nodes are asked in one round; the answer of one of them is enough.
PEERS_A_ROUND = 4
_ECHO_REPLY, _ECHO = 0, 8


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node: its probe's pod address and its own address."""

    node: str
    probe: IPAddress
    address: IPAddress
    ready: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether packets cross; if not, `reason` names the path that fails."""

    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answered in a round: probes by the overlay, node addresses and the gateway by the VNet."""

    probes: frozenset[IPAddress] = frozenset()
    hosts: frozenset[IPAddress] = frozenset()
    gateway: bool = False


def peers(view: View, me: str) -> list[Peer]:
    """Return the other nodes whose probe is up."""
    return [
        Peer(node.name, node.probe, node.address, node.ready)
        for node in view.nodes
        if node.name != me and node.probe is not None and node.address is not None and node.blocks
    ]


def choose(candidates: list[Peer], round_number: int) -> list[Peer]:
    """Return whom to ask in this round: ready nodes first, and over the rounds all of them."""
    ready = [peer for peer in candidates if peer.ready]
    rest = [peer for peer in candidates if not peer.ready]
    chosen = _turn(ready, round_number, PEERS_A_ROUND)
    return chosen + _turn(rest, round_number, PEERS_A_ROUND - len(chosen))


def _turn(candidates: list[Peer], round_number: int, count: int) -> list[Peer]:
    if not candidates or count <= 0:
        return []
    start = round_number * count % len(candidates)
    return (candidates[start:] + candidates[:start])[:count]


def judge(
    asked: list[Peer],
    answers: Answers,
    *,
    transport: Transport,
    alone: bool,
    settled: bool,
    known: Iterable[str] = (),
    gateway: IPAddress | None = None,
) -> Verdict:
    """Return whether this round shows that packets cross the node's dataplane.

    One probe's answer is enough. Otherwise a peer speaks against this node if its host answers by the VNet, so that
    not the whole peer is down; of a node that is `settled` (its overlay is proven, or it has been ready alone for long)
    moreover only peers which are ready, or have answered before (`known`, names): one that joins with a broken
    dataplane must not take the others down. Without such a peer the gateway decides, for which a node must be `alone`
    or settled, or have asked in vain peers that are down.
    """
    if any(peer.probe in answers.probes for peer in asked):
        return Verdict(True)
    known = set(known)
    against = [
        peer for peer in asked if peer.address in answers.hosts and (not settled or peer.ready or peer.node in known)
    ]
    if against:
        way = "over VXLAN (UDP 4789)" if transport is Transport.ENCAPSULATED else "through the VNet's routes"
        first, others = against[0], len(against) - 1
        more = f", nor of {others} other{'s' if others > 1 else ''}" if others else ""
        return Verdict(
            False,
            f"no echo from probe {first.probe} of node {first.node} {way}{more}; "
            f"the node's own address {first.address} answers",
        )
    if not asked and not alone and not settled:
        return Verdict(False, "no other node of the cluster has a probe yet")
    if gateway is None or answers.gateway:
        return Verdict(True)
    silent = f", nor from the probes of {', '.join(peer.node for peer in asked)}" if asked else ""
    return Verdict(False, f"no echo from the VNet's gateway {gateway}{silent}")


class Echo:
    """ICMP echoes sent from one namespace (None: the node's own)."""

    def __init__(self, netns: Path | None = None) -> None:
        with netns_files.inside(netns):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP)
        self._socket.setblocking(False)
        self._id = secrets.randbelow(1 << 16)
        self._sequence = 0
        self.answered: set[IPAddress] = set()
        self.heard = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def ask(self, addresses: Iterable[IPAddress]) -> None:
        """Begin a round: send one echo to each address; `answered` fills."""
        self.answered = set()
        self._sequence = (self._sequence + 1) & 0xFFFF
        packet = _echo_packet(self._id, self._sequence)
        for address in addresses:
            # Unreachable, or a socket buffer that is full: no answer comes, which says it all.
            with suppress(OSError):
                self._socket.sendto(packet, (str(address), 0))

    def _receive(self) -> None:
        with suppress(BlockingIOError):
            while True:
                packet = self._socket.recv(2048)
                start = (packet[0] & 15) * 4
                if len(packet) < start + 8 or packet[start] != _ECHO_REPLY:
                    continue
                if struct.unpack_from("!HH", packet, start + 4) == (self._id, self._sequence):
                    self.answered.add(ip_address(packet[12:16]))
                    self.heard.set()


def _echo_packet(identity: int, sequence: int) -> bytes:
    body = b"slash24 probe"
    header = struct.pack("!BBHHH", _ECHO, 0, 0, identity, sequence)
    return struct.pack("!BBHHH", _ECHO, 0, _checksum(header + body), identity, sequence) + body


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Prober:
    """Asks other nodes' probes from this node's, their hosts from this host, and the gateway."""

    def __init__(self, netns: Path) -> None:
        self._pod = Echo(netns)
        self._host = Echo()
        self._pod.heard = self._host.heard

    def close(self) -> None:
        self._pod.close()
        self._host.close()

    async def ask(self, asked: list[Peer], gateway: IPAddress | None, wait_s: float) -> Answers:
        """Send one round of echoes; return after the first answer that proves the network, or after `wait_s`."""
        probes = {peer.probe for peer in asked}
        self._pod.ask([*probes, *([gateway] if gateway else [])])
        self._host.ask(peer.address for peer in asked)
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while (left := until - loop.time()) > 0:
            if probes & self._pod.answered or (not probes and gateway in self._pod.answered):
                break
            self._host.heard.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._host.heard.wait(), left)
        answered = frozenset(self._pod.answered)
        return Answers(answered & probes, frozenset(self._host.answered), gateway in answered)
