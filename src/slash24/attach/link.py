"""One pod's link: a veth pair whose far end is born in the pod's namespace, /32 addresses, no bridge.

The pod's default gateway is 169.254.1.1, which nothing owns: a permanent neighbour leads to the host's end, as on AKS
(docs/sources.md#pod-link). So pods of one node reach each other by the host's routing table only.
"""

import errno
import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, ip_network

from slash24.core.addresses import IPAddress
from slash24.dataplane.names import POD_LINK_GROUP, POD_LINK_PREFIX
from slash24.errors import Slash24Error
from slash24.kernel.netlink import (
    Netlink,
    NetlinkError,
    Request,
    add_address,
    add_neighbour,
    add_route,
    add_veth,
    default_route,
    delete_link,
    host_route,
    set_link,
)

GATEWAY = IPv4Address("169.254.1.1")
#: Every host end has this MAC: a pod's packets go to it whatever link they use.
HOST_MAC = "aa:aa:aa:aa:aa:aa"
_LOOPBACK = 1
#: Host ends get indexes of their own far above those that the kernel gives, so that none has to be read back.
_INDEX_BASE = 1 << 24


class LinkError(Slash24Error):
    """A pod's link can't be made, or isn't what it should be."""


@dataclass(frozen=True, slots=True)
class Link:
    """A pod's link as it was made: names, MACs and indexes of both ends."""

    host_veth: str
    host_index: int
    ifname: str
    pod_mac: str
    address: IPAddress
    mtu_bytes: int


def host_veth(container_id: str, ifname: str) -> str:
    """Return the name of the host's end: 15 bytes, the same for the same attachment.

    >>> len(host_veth("c" * 64, "eth0"))
    15
    """
    return POD_LINK_PREFIX + hashlib.sha256(f"{container_id}/{ifname}".encode()).hexdigest()[:11]


def pod_mac(address: IPAddress) -> str:
    """Return the MAC of a pod's end, which follows from its address."""
    return "02:00:" + address.packed[-4:].hex(":")


def create_link(
    node: Netlink, name: str, netns: int, ifname: str, *, address: IPAddress, source: IPAddress | None, mtu_bytes: int
) -> Link:
    """Make and start a pod's link, up to its route.

    node: netlink of the node's namespace; netns: descriptor of the pod's. source: what the node's own processes use.
    Raises LinkError if `ifname` is taken in the pod, NetlinkError for what the kernel refuses. Leaves nothing then.
    """
    index = _INDEX_BASE + (int(address) & 0xFFFFFF)
    mac = pod_mac(address)

    def make(number: int) -> None:
        node.send(
            add_veth(
                name, ifname, peer_netns=netns, index=number, mtu=mtu_bytes, mac=HOST_MAC, peer_mac=mac,
                group=POD_LINK_GROUP,
            )
        )  # fmt: skip

    try:
        make(index)
    except NetlinkError as error:
        if error.errno not in (errno.EEXIST, errno.EBUSY):
            raise
        remains = node.links(name)
        if error.errno == errno.EEXIST and not remains:
            raise LinkError(f"interface {ifname} exists already in the pod's namespace") from error
        # Of an ADD that died, or whose lease was lost: this attachment has no lease, so the link is nobody's.
        node.send(*(delete_link(link.index) for link in remains), ignore={errno.ENODEV})
        make(0)  # the index may be another's
        index = node.index_of(name)
    try:
        with Netlink(netns) as pod:
            node.send(*_host_end(index, address, mac, source))
            pod.send(*_pod_end(pod.index_of(ifname), address))
    except BaseException:
        node.send(delete_link(index), ignore={errno.ENODEV})
        raise
    return Link(name, index, ifname, mac, address, mtu_bytes)


def _host_end(index: int, address: IPAddress, mac: str, source: IPAddress | None) -> tuple[Request, ...]:
    return (
        # rp_filter: the guard table drops forged sources and counts them; a second look at the routes takes 2 to 4 %.
        set_link(index, ipv4={"rp_filter": 0, "accept_redirects": 0, "send_redirects": 0}, no_ipv6=True),
        set_link(index, up=True),
        *way_to_pod(index, address, mac, source),
    )


def way_to_pod(index: int, address: IPAddress, mac: str, source: IPAddress | None) -> tuple[Request, ...]:
    """Return what leads to the pod behind the link `index`; what is there already is replaced."""
    return (
        add_route(host_route(address), device=index, scope="link", src=source),
        add_neighbour(index, address, mac),
    )


def _pod_end(index: int, address: IPAddress) -> tuple[Request, ...]:
    return (
        set_link(_LOOPBACK, up=True),
        set_link(index, no_ipv6=True),
        set_link(index, up=True),
        add_address(index, IPv4Interface(f"{address}/32")),
        add_route(ip_network(GATEWAY), device=index, scope="link"),
        add_route(default_route(), via=GATEWAY, device=index),
        add_neighbour(index, GATEWAY, HOST_MAC),
    )


def check_link(node: Netlink, name: str, netns: int, ifname: str, *, address: IPAddress, mtu_bytes: int) -> list[str]:
    """Return what is wrong with a pod's link, one sentence each; nothing if it is as it was made."""
    wrong = []
    links = {link.name: link for link in node.links(name)}
    host = links.get(name)
    if host is None:
        return [f"link {name} is missing on the node"]
    if not host.up:
        wrong.append(f"link {name} is down")
    if host.mac != HOST_MAC:
        wrong.append(f"link {name} has MAC {host.mac} instead of {HOST_MAC}")
    if not any(route.dst == host_route(address) and route.device == host.index for route in node.routes()):
        wrong.append(f"the node has no route to {address} by {name}")
    if not any(entry.ip == address and entry.permanent for entry in node.neighbours(host.index)):
        wrong.append(f"the node has no permanent neighbour {address} on {name}")
    with Netlink(netns) as pod:
        found = pod.links(ifname)
        if not found:
            return [*wrong, f"interface {ifname} is missing in the pod"]
        end = found[0]
        if not end.up:
            wrong.append(f"interface {ifname} is down in the pod")
        if end.mtu != mtu_bytes:
            wrong.append(f"interface {ifname} has MTU {end.mtu} instead of {mtu_bytes}")
        if not any(entry.interface.ip == address for entry in pod.addresses(end.index)):
            wrong.append(f"interface {ifname} lacks its address {address}")
        if not any(route.dst == default_route() and route.via == GATEWAY for route in pod.routes()):
            wrong.append(f"the pod has no default route by {GATEWAY}")
        if not any(entry.ip == GATEWAY and entry.mac == HOST_MAC for entry in pod.neighbours(end.index)):
            wrong.append(f"the pod has no neighbour {GATEWAY}")
    return wrong
