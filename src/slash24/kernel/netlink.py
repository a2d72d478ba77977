"""rtnetlink: links, addresses, routes, neighbours and rules, in batches.

Raw netlink of our own, since a batch of messages in one send is eight times as fast as the library we measured against
(docs/decisions/0001-raw-netlink.md). Every builder returns a `Request`; `Netlink.send` carries them out in order.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, ip_address, ip_network
from types import TracebackType
from typing import Self

from slash24.core.addresses import IPAddress, IPNetwork
from slash24.errors import Slash24Error
from slash24.kernel.netns import inside

Interface = IPv4Interface | IPv6Interface

#: Marks the routes that slash24 made, as `ip route show proto 24` selects them; unassigned in iproute2's rt_protos.
ROUTE_PROTOCOL = 24
#: What iproute2 calls `static`: routes that an administrator made.
STATIC_PROTOCOL = 4
MAIN_TABLE = 254

_SOL_NETLINK, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 270, 10, 11
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_REQUEST, _ACK, _DUMP, _REPLACE, _EXCL, _CREATE = 1, 4, 0x300, 0x100, 0x200, 0x400
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NEWLINK, _DELLINK, _GETLINK, _NEWADDR, _DELADDR, _GETADDR = 16, 17, 18, 20, 21, 22
_NEWROUTE, _DELROUTE, _GETROUTE, _NEWNEIGH, _DELNEIGH, _GETNEIGH, _NEWRULE, _DELRULE = 24, 25, 26, 28, 29, 30, 32, 33
_AF_BRIDGE = 7
_NUD_PERMANENT, _NUD_NOARP = 0x80, 0x40
_SCOPES = {"global": 0, "link": 253, "host": 254}
_KINDS = {"unicast": 1, "local": 2, "broadcast": 3, "blackhole": 6, "unreachable": 7, "prohibit": 8, "throw": 9}
_SCOPE_NAMES = {number: name for name, number in _SCOPES.items()}
_KIND_NAMES = {number: name for name, number in _KINDS.items()}
# IPV4_DEVCONF_* of linux/ip.h: per-link sysctls that a link message can set, which needs no setns and no file.
_IPV4_CONF = {"forwarding": 1, "proxy_arp": 3, "accept_redirects": 4, "send_redirects": 6, "rp_filter": 8,
              "arp_announce": 18, "arp_ignore": 19, "accept_local": 23}  # fmt: skip
# Messages a send: a batch has to fit the socket's buffer, which a user namespace may not force above rmem_max.
_BATCH_BYTES = 96 * 1024


class NetlinkError(Slash24Error):
    """The kernel refused a netlink request; `errno` says why."""

    def __init__(self, number: int, what: str, detail: str = "") -> None:
        text = f"the kernel refused {what}: {os.strerror(number)}" + (f" ({detail})" if detail else "")
        super().__init__(text)
        self.errno = number


@dataclass(frozen=True, slots=True)
class Request:
    """One message: its type, flags beyond NLM_F_REQUEST, body, and what it does in words."""

    type: int
    flags: int
    body: bytes
    what: str


@dataclass(frozen=True, slots=True)
class Link:
    """One network device. `kind` is veth, vxlan, bridge, ... or "" for a physical or loopback device.

    vni, local: of a VXLAN device its network identifier and outer source address; else 0 and None.
    """

    index: int
    name: str
    mac: str
    mtu: int
    up: bool
    kind: str
    master: int
    peer_netnsid: int | None
    vni: int = 0
    local: IPAddress | None = None


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """One route as the kernel has it. `mtu` is 0 unless the route sets one."""

    dst: IPNetwork
    via: IPAddress | None
    device: int
    src: IPAddress | None
    scope: str
    kind: str
    protocol: int
    mtu: int


@dataclass(frozen=True, slots=True)
class NeighbourEntry:
    device: int
    ip: IPAddress
    mac: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class FdbEntry:
    """One forwarding entry of a VXLAN device: frames to `mac` go to the tunnel end point `dst`."""

    device: int
    mac: str
    dst: IPAddress


@dataclass(frozen=True, slots=True)
class AddressEntry:
    device: int
    interface: Interface


def _attr(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + bytes(-length % 4)


def _nest(kind: int, *values: bytes) -> bytes:
    return _attr(kind | 0x8000, b"".join(values))


def _u32(value: int) -> bytes:
    return struct.pack("=I", value)


def _name(text: str) -> bytes:
    return text.encode() + b"\0"


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _family(address: IPAddress | IPNetwork) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def _ifinfo(index: int = 0, up: bool | None = None) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, 1 if up else 0, 0 if up is None else 1)


def add_veth(
    name: str,
    peer: str,
    *,
    peer_netns: int | None = None,
    index: int = 0,
    peer_index: int = 0,
    mtu: int = 1500,
    mac: str | None = None,
    peer_mac: str | None = None,
    group: int = 0,
) -> Request:
    """Create a veth pair, the peer born inside the namespace of the descriptor `peer_netns`. Both ends are down."""
    # Born there, not moved: moving a link between namespaces waits 16 to 108 ms for RCU.
    one_queue = _attr(31, _u32(1)) + _attr(32, _u32(1))
    far = _ifinfo(peer_index) + _attr(3, _name(peer)) + _attr(4, _u32(mtu)) + one_queue
    far += _attr(1, _mac(peer_mac)) if peer_mac else b""
    far += _attr(28, _u32(peer_netns)) if peer_netns is not None else b""
    near = _ifinfo(index) + _attr(3, _name(name)) + _attr(4, _u32(mtu)) + _attr(27, _u32(group)) + one_queue
    near += _attr(1, _mac(mac)) if mac else b""
    near += _nest(18, _attr(1, b"veth\0"), _nest(2, _attr(1, far)))
    return Request(_NEWLINK, _CREATE | _EXCL, near, f"link {name}")


def add_vxlan(
    name: str,
    *,
    vni: int,
    local: IPv4Address,
    device: int,
    mtu: int,
    mac: str,
    index: int = 0,
    port: int = 4789,
    df: bool = True,
    gbp: bool = True,
    group: int = 0,
) -> Request:
    """Create a VXLAN device without learning, on top of the device with index `device`."""
    data = _attr(1, _u32(vni)) + _attr(3, _u32(device)) + _attr(4, local.packed) + _attr(7, b"\0")
    data += _attr(15, struct.pack(">H", port)) + _attr(29, b"\1" if df else b"\0") + (_attr(23, b"") if gbp else b"")
    # The MAC goes into the creating message: set later, systemd's MACAddressPolicy may have replaced it (flannel#1155).
    body = _ifinfo(index) + _attr(3, _name(name)) + _attr(4, _u32(mtu)) + _attr(1, _mac(mac))
    body += _attr(27, _u32(group)) + _nest(18, _attr(1, b"vxlan\0"), _nest(2, data))
    return Request(_NEWLINK, _CREATE | _EXCL, body, f"VXLAN link {name}")


def add_bridge(name: str, *, index: int = 0, mtu: int = 1500) -> Request:
    """Create a bridge."""
    body = _ifinfo(index) + _attr(3, _name(name)) + _attr(4, _u32(mtu)) + _nest(18, _attr(1, b"bridge\0"))
    return Request(_NEWLINK, _CREATE | _EXCL, body, f"bridge {name}")


def set_link(
    index: int,
    *,
    up: bool | None = None,
    mtu: int | None = None,
    name: str | None = None,
    netns: int | None = None,
    mac: str | None = None,
    group: int | None = None,
    master: int | None = None,
    ipv4: Mapping[str, int] | None = None,
    no_ipv6: bool = False,
) -> Request:
    """Change a link. `ipv4` sets per-link sysctls (rp_filter, proxy_arp, ...); `no_ipv6` stops address generation."""
    body = _ifinfo(index, up)
    body += _attr(4, _u32(mtu)) if mtu is not None else b""
    body += _attr(3, _name(name)) if name is not None else b""
    body += _attr(28, _u32(netns)) if netns is not None else b""
    body += _attr(1, _mac(mac)) if mac is not None else b""
    body += _attr(27, _u32(group)) if group is not None else b""
    body += _attr(10, _u32(master)) if master is not None else b""
    families = []
    if ipv4:
        families.append(_nest(2, _nest(1, *(_attr(_IPV4_CONF[key], _u32(value)) for key, value in ipv4.items()))))
    if no_ipv6:
        families.append(_nest(10, _attr(8, b"\1")))
    body += _nest(26, *families) if families else b""
    return Request(_NEWLINK, 0, body, f"change of link {index}")


def delete_link(index: int) -> Request:
    """Delete a link; the kernel answers only after an RCU barrier of 16 to 64 ms."""
    return Request(_DELLINK, 0, _ifinfo(index), f"deletion of link {index}")


def delete_link_group(group: int) -> Request:
    """Delete all links of a group by one message: 100 links in 50 ms, against 2,300 ms one by one."""
    return Request(_DELLINK, 0, _ifinfo() + _attr(27, _u32(group)), f"deletion of link group {group}")


def _address(kind: int, flags: int, index: int, interface: Interface) -> Request:
    ip = interface.ip.packed
    # IFA_F_NOPREFIXROUTE (0x200): which routes there are is our decision; IFA_F_PERMANENT (0x80), IFA_F_NODAD (2).
    body = struct.pack("=BBBBI", _family(interface.ip), interface.network.prefixlen, 0x82, 0, index)
    body += _attr(2, ip) + _attr(1, ip) + _attr(8, _u32(0x282))
    return Request(kind, flags, body, f"address {interface} on link {index}")


def add_address(index: int, interface: Interface) -> Request:
    """Give a link an address, without the kernel's own route to its network."""
    return _address(_NEWADDR, _CREATE | _REPLACE, index, interface)


def delete_address(index: int, interface: Interface) -> Request:
    return _address(_DELADDR, 0, index, interface)


def add_route(
    dst: IPNetwork,
    *,
    via: IPAddress | None = None,
    device: int = 0,
    src: IPAddress | None = None,
    scope: str = "global",
    table: int = MAIN_TABLE,
    kind: str = "unicast",
    mtu_lock: int | None = None,
    onlink: bool = False,
    metric: int = 0,
    protocol: int = ROUTE_PROTOCOL,
) -> Request:
    """Add or replace the route to `dst`. `mtu_lock` is its path MTU in bytes, which PMTU discovery can't change."""
    body = struct.pack("=BBBBBBBBI", _family(dst), dst.prefixlen, 0, 0, table if table < 256 else 0, protocol,
                       _SCOPES[scope], _KINDS[kind], 4 if onlink else 0)  # fmt: skip
    body += _attr(1, dst.network_address.packed) if dst.prefixlen else b""
    body += _attr(15, _u32(table))
    body += _attr(5, via.packed) if via else b""
    body += _attr(4, _u32(device)) if device else b""
    body += _attr(7, src.packed) if src else b""
    body += _attr(6, _u32(metric)) if metric else b""
    if mtu_lock is not None:
        body += _nest(8, _attr(1, _u32(1 << 2)), _attr(2, _u32(mtu_lock)))
    return Request(_NEWROUTE, _CREATE | _REPLACE, body, f"route to {dst}")


def delete_route(dst: IPNetwork, *, table: int = MAIN_TABLE, device: int = 0) -> Request:
    body = struct.pack("=BBBBBBBBI", _family(dst), dst.prefixlen, 0, 0, table if table < 256 else 0, 0, 255, 0, 0)
    body += _attr(1, dst.network_address.packed) if dst.prefixlen else b""
    body += _attr(15, _u32(table)) + (_attr(4, _u32(device)) if device else b"")
    return Request(_DELROUTE, 0, body, f"deletion of the route to {dst}")


def add_neighbour(index: int, ip: IPAddress, mac: str) -> Request:
    """Add or replace a permanent neighbour; permanent ones are exempt from the machine-wide gc_thresh3."""
    body = struct.pack("=BBHiHBB", _family(ip), 0, 0, index, _NUD_PERMANENT, 0, 0)
    return Request(_NEWNEIGH, _CREATE | _REPLACE, body + _attr(1, ip.packed) + _attr(2, _mac(mac)), f"neighbour {ip}")


def delete_neighbour(index: int, ip: IPAddress) -> Request:
    body = struct.pack("=BBHiHBB", _family(ip), 0, 0, index, 0, 0, 0) + _attr(1, ip.packed)
    return Request(_DELNEIGH, 0, body, f"deletion of neighbour {ip}")


def _fdb(kind: int, flags: int, index: int, mac: str, dst: IPAddress) -> Request:
    body = struct.pack("=BBHiHBB", _AF_BRIDGE, 0, 0, index, _NUD_NOARP | _NUD_PERMANENT, 2, 0)
    return Request(kind, flags, body + _attr(2, _mac(mac)) + _attr(1, dst.packed), f"forwarding entry {mac} to {dst}")


def add_fdb(index: int, mac: str, dst: IPAddress) -> Request:
    """Send frames for `mac` on the VXLAN device `index` to the tunnel end point `dst`."""
    return _fdb(_NEWNEIGH, _CREATE | _REPLACE, index, mac, dst)


def delete_fdb(index: int, mac: str, dst: IPAddress) -> Request:
    return _fdb(_DELNEIGH, 0, index, mac, dst)


def _rule(kind: int, flags: int, fwmark: int, table: int, priority: int) -> Request:
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, table if table < 256 else 0, 0, 0, 1, 0)
    body += _attr(6, _u32(priority)) + _attr(10, _u32(fwmark)) + _attr(15, _u32(table))
    return Request(kind, flags, body, f"rule fwmark {fwmark:#x} lookup {table}")


def add_rule(*, fwmark: int, table: int, priority: int) -> Request:
    return _rule(_NEWRULE, _CREATE | _EXCL, fwmark, table, priority)


def delete_rule(*, fwmark: int, table: int, priority: int) -> Request:
    return _rule(_DELRULE, 0, fwmark, table, priority)


def _attributes(body: bytes, offset: int) -> dict[int, bytes]:
    found = {}
    while offset + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = body[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


class Netlink:
    """One rtnetlink socket, in the namespace of the descriptor `netns` (None: in the caller's)."""

    def __init__(self, netns: int | None = None) -> None:
        # A socket stays in the namespace where it was made, so the thread only visits.
        with inside(netns):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        for option in (_SO_SNDBUFFORCE, _SO_RCVBUFFORCE):
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
            except PermissionError:  # in a user namespace; the batches are small enough without
                break
        self._socket.bind((0, 0))
        self._sequence = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def port(self) -> int:
        """The socket's netlink address: the kernel names it in what it tells others of our changes."""
        port: int = self._socket.getsockname()[0]
        return port

    def send(self, *requests: Request, ignore: frozenset[int] | set[int] = frozenset()) -> None:
        """Carry out `requests` in order.

        The kernel goes on past a request that fails, so the rest is done too; afterwards the first error that is not in
        `ignore` (errno values) is raised as NetlinkError.
        """
        batch: list[Request] = []
        size = 0
        first_error: NetlinkError | None = None
        for request in requests:
            batch.append(request)
            size += 16 + len(request.body)
            if size > _BATCH_BYTES:
                first_error = first_error or self._send_batch(batch, ignore)
                batch, size = [], 0
        if batch:
            first_error = first_error or self._send_batch(batch, ignore)
        if first_error:
            raise first_error

    def _send_batch(self, batch: list[Request], ignore: frozenset[int] | set[int]) -> NetlinkError | None:
        first = self._sequence
        last = first + len(batch) - 1
        self._sequence += len(batch)
        packets = []
        for sequence, request in enumerate(batch, first):
            flags = request.flags | _REQUEST | (_ACK if sequence == last else 0)
            packets.append(
                struct.pack("=IHHII", 16 + len(request.body), request.type, flags, sequence, 0) + request.body
            )
        self._socket.send(b"".join(packets))
        found: NetlinkError | None = None
        for kind, flags, sequence, body in self._messages():
            if kind != _NLMSG_ERROR or not first <= sequence <= last:
                continue
            number = -struct.unpack_from("=i", body)[0]
            if number and number not in ignore and found is None:
                found = NetlinkError(number, batch[sequence - first].what, self._extended_ack(flags, body))
            if sequence == last:
                return found
        raise AssertionError("unreachable: the last request is always acknowledged")

    @staticmethod
    def _extended_ack(flags: int, body: bytes) -> str:
        if not flags & 0x200:  # NLM_F_ACK_TLVS
            return ""
        return _attributes(body, 20).get(1, b"").rstrip(b"\0").decode(errors="replace")

    def _messages(self) -> Iterator[tuple[int, int, int, bytes]]:
        while True:
            packet = self._socket.recv(1 << 18)
            offset = 0
            while offset + 16 <= len(packet):
                length, kind, flags, sequence, _ = struct.unpack_from("=IHHII", packet, offset)
                yield kind, flags, sequence, packet[offset + 16 : offset + length]
                offset += (length + 3) & ~3

    def _dump(self, kind: int, body: bytes, what: str) -> Iterator[bytes]:
        sequence = self._sequence
        self._sequence += 1
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | _DUMP, sequence, 0) + body)
        for answer, _, answered, payload in self._messages():
            if answered != sequence:
                continue
            if answer == _NLMSG_DONE:
                return
            if answer == _NLMSG_ERROR:
                raise NetlinkError(-struct.unpack_from("=i", payload)[0], what)
            yield payload

    def index_of(self, name: str) -> int:
        """Return a link's index. Raises NetlinkError with ENODEV if there is none of that name."""
        for link in self.links(name):
            return link.index
        raise NetlinkError(errno.ENODEV, f"link {name}")

    def links(self, name: str | None = None) -> list[Link]:
        """Return the links of this namespace (or the one called `name`)."""
        if name is None:
            return [_decode_link(body) for body in self._dump(_GETLINK, _ifinfo(), "the list of links")]
        request = _ifinfo() + _attr(3, _name(name))
        sequence = self._sequence
        self._sequence += 1
        self._socket.send(struct.pack("=IHHII", 16 + len(request), _GETLINK, _REQUEST, sequence, 0) + request)
        for kind, _, answered, body in self._messages():
            if answered != sequence:
                continue
            return [] if kind == _NLMSG_ERROR else [_decode_link(body)]
        return []

    def routes(self, table: int = MAIN_TABLE, family: int = socket.AF_INET) -> list[RouteEntry]:
        """Return the routes of one table."""
        found = []
        for body in self._dump(_GETROUTE, struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0), "the routes"):
            _, length, _, _, number, protocol, scope, kind, _ = struct.unpack_from("=BBBBBBBBI", body)
            attributes = _attributes(body, 12)
            if struct.unpack("=I", attributes[15])[0] != table if 15 in attributes else number != table:
                continue
            dst = attributes.get(1, bytes(4 if family == socket.AF_INET else 16))
            via, src, device = attributes.get(5), attributes.get(7), attributes.get(4)
            mtu = _attributes(attributes.get(8, b""), 0).get(2)
            found.append(
                RouteEntry(
                    dst=ip_network((dst, length)),
                    via=ip_address(via) if via else None,
                    device=struct.unpack("=I", device)[0] if device else 0,
                    src=ip_address(src) if src else None,
                    scope=_SCOPE_NAMES.get(scope, str(scope)),
                    kind=_KIND_NAMES.get(kind, str(kind)),
                    protocol=protocol,
                    mtu=struct.unpack("=I", mtu)[0] if mtu else 0,
                )
            )
        return found

    def neighbours(self, device: int = 0, family: int = socket.AF_INET) -> list[NeighbourEntry]:
        """Return the neighbours of the link `device` (0: of every link)."""
        found = []
        for body in self._dump(_GETNEIGH, struct.pack("=BBHiHBB", family, 0, 0, 0, 0, 0, 0), "the neighbours"):
            _, _, _, index, state, _, _ = struct.unpack_from("=BBHiHBB", body)
            attributes = _attributes(body, 12)
            if 1 in attributes and (not device or device == index):
                mac = attributes.get(2, b"").hex(":")
                found.append(NeighbourEntry(index, ip_address(attributes[1]), mac, bool(state & _NUD_PERMANENT)))
        return found

    def fdb(self, device: int) -> list[FdbEntry]:
        """Return the forwarding entries of the VXLAN device `device`."""
        # The header is an ifinfomsg here: the kernel filters bridge entries by the index in it.
        body = struct.pack("=BxHiII", _AF_BRIDGE, 0, 0, 0, 0)
        found = []
        for answer in self._dump(_GETNEIGH, body, "the forwarding entries"):
            index = struct.unpack_from("=BBHi", answer)[3]
            attributes = _attributes(answer, 12)
            if index == device and 1 in attributes and 2 in attributes:
                found.append(FdbEntry(index, attributes[2].hex(":"), ip_address(attributes[1])))
        return found

    def addresses(self, device: int = 0, family: int = socket.AF_INET) -> list[AddressEntry]:
        """Return the addresses of the link `device` (0: of every link)."""
        found = []
        for body in self._dump(_GETADDR, struct.pack("=BBBBI", family, 0, 0, 0, 0), "the addresses"):
            _, length, _, _, index = struct.unpack_from("=BBBBI", body)
            attributes = _attributes(body, 8)
            raw = attributes.get(2, attributes.get(1))
            if raw and (not device or device == index):
                text = f"{ip_address(raw)}/{length}"
                found.append(AddressEntry(index, IPv4Interface(text) if len(raw) == 4 else IPv6Interface(text)))
        return found


def _decode_link(body: bytes) -> Link:
    _, _, index, flags, _ = struct.unpack_from("=BxHiII", body)
    attributes = _attributes(body, 16)
    info = _attributes(attributes.get(18, b""), 0)
    netnsid = attributes.get(37)
    vxlan = _attributes(info.get(2, b""), 0) if info.get(1) == b"vxlan\0" else {}
    return Link(
        index=index,
        name=attributes.get(3, b"\0").rstrip(b"\0").decode(),
        mac=attributes.get(1, b"").hex(":"),
        mtu=struct.unpack("=I", attributes[4])[0],
        up=bool(flags & 1),
        kind=info.get(1, b"").rstrip(b"\0").decode(),
        master=struct.unpack("=I", attributes[10])[0] if 10 in attributes else 0,
        peer_netnsid=struct.unpack("=i", netnsid)[0] if netnsid else None,
        vni=struct.unpack("=I", vxlan[1])[0] if 1 in vxlan else 0,
        local=ip_address(vxlan[4]) if 4 in vxlan else None,
    )


def host_route(ip: IPAddress) -> IPNetwork:
    """Return the network that holds `ip` alone."""
    return ip_network(ip)


def default_route() -> IPv4Network:
    return IPv4Network("0.0.0.0/0")
