"""What changed in the kernel's network state, as it happens: links, addresses, routes, neighbours, nft tables."""

import errno
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from slash24.kernel.netns import inside

# RTMGRP_* of linux/rtnetlink.h; the groups above 31 need setsockopt, and none of ours is.
LINKS = 0x1
NEIGHBOURS = 0x4
IPV4_ADDRESSES = 0x10
IPV4_ROUTES = 0x40
IPV4_SETTINGS = 1 << 23  # RTNLGRP_IPV4_NETCONF: forwarding, rp_filter

# linux/netfilter/nfnetlink.h and nf_tables.h
_NETLINK_NETFILTER, _NFNLGRP_NFTABLES, _NFNL_SUBSYS_NFTABLES = 12, 7, 10
_NEWGEN = (_NFNL_SUBSYS_NFTABLES << 8) | 15  # NFT_MSG_NEWGEN: the end of a transaction
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_TABLE_NAME = 1  # NFTA_TABLE_NAME, and NFTA_*_TABLE of chains, rules, sets and their elements

_SO_RCVBUFFORCE = 33
_NAMES = {
    16: "link", 17: "link deleted", 20: "address", 21: "address deleted", 24: "route", 25: "route deleted",
    28: "neighbour", 29: "neighbour deleted", 80: "settings",
}  # fmt: skip
_NETCONFA_IFINDEX = 1  # linux/netconf.h
#: The device of settings that hold for all links: NETCONFA_IFINDEX_ALL.
ALL_LINKS = -1
_AF_BRIDGE = 7  # a neighbour of this family is a forwarding entry


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `device` is the link's index (0: unknown or of no link); "lost" means that changes were missed.

    `table`: of the change "nft", the name of the table. `port`: the netlink socket by which it was asked for; 0 where
    the kernel doesn't say, as for all forwarding entries, and for links before Linux 6.2.
    """

    what: str
    device: int = 0
    prefix: int = 0
    protocol: int = 0
    table: str = ""
    port: int = 0


class Monitor:
    """Listens to the changes of `groups` in the namespace of the descriptor `netns` (None: in the caller's)."""

    def __init__(self, groups: int, netns: int | None = None) -> None:
        self._socket = self._listen(0, netns)
        self._socket.bind((0, groups))

    def _listen(self, protocol: int, netns: int | None) -> socket.socket:
        with inside(netns):
            listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 << 20)
        except PermissionError:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        listener.setblocking(False)
        return listener

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def changes(self) -> Iterator[Change]:
        """Yield the changes that have happened since the last call; never waits."""
        while True:
            try:
                packet = self._socket.recv(1 << 18)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                yield Change("lost")
                continue
            yield from self._decode(packet)

    def _decode(self, packet: bytes) -> Iterator[Change]:
        return _decode(packet)


class TableMonitor(Monitor):
    """Listens to the changes of nft tables: "nft" with the table's name, "transaction" at the end of each."""

    def __init__(self, netns: int | None = None) -> None:
        self._socket = self._listen(_NETLINK_NETFILTER, netns)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _NFNLGRP_NFTABLES)

    def _decode(self, packet: bytes) -> Iterator[Change]:
        offset = 0
        while offset + 20 <= len(packet):
            length, kind = struct.unpack_from("=IH", packet, offset)
            if kind == _NEWGEN:
                yield Change("transaction")
            elif kind >> 8 == _NFNL_SUBSYS_NFTABLES and length >= 24:
                size, attribute = struct.unpack_from("=HH", packet, offset + 20)
                if attribute == _TABLE_NAME:
                    name = packet[offset + 24 : offset + 20 + size].rstrip(b"\0")
                    yield Change("nft", table=name.decode(errors="replace"))
            offset += (length + 3) & ~3


def _link_of_settings(attributes: bytes) -> int:
    offset = 0
    while offset + 8 <= len(attributes):
        length, kind, device = struct.unpack_from("=HHi", attributes, offset)
        if kind == _NETCONFA_IFINDEX:
            return int(device)
        offset += max(4, (length + 3) & ~3)
    return 0


def _decode(packet: bytes) -> Iterator[Change]:
    offset = 0
    while offset + 16 <= len(packet):
        length, kind, _, _, port = struct.unpack_from("=IHHII", packet, offset)
        what = _NAMES.get(kind)
        if what in ("link", "link deleted", "address", "address deleted", "neighbour", "neighbour deleted"):
            forwarding = what.startswith("neighbour") and packet[offset + 16] == _AF_BRIDGE
            what = what.replace("neighbour", "forwarding") if forwarding else what
            yield Change(what, struct.unpack_from("=i", packet, offset + 20)[0], port=port)
        elif what in ("route", "route deleted"):
            yield Change(what, 0, packet[offset + 17], packet[offset + 21], port=port)
        elif what:
            yield Change(what, _link_of_settings(packet[offset + 20 : offset + length]), port=port)
        offset += (length + 3) & ~3
