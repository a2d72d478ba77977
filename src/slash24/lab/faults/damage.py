"""What faults do to a node, and how it is undone: kernel state, processes, the disk.

An undo takes away what is there of the damage; what somebody has repaired already is no error.
"""

import errno
import os
import secrets
import signal
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

from slash24.attach.link import host_veth
from slash24.dataplane.overlay import tunnel_mac
from slash24.errors import Slash24Error
from slash24.kernel import netlink, nft, sysctl
from slash24.lab.faults.place import PartGoneError, Place
from slash24.store.leases import Leases

Action = Callable[[Place], None]


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done to a node, and how it is undone; both at once."""

    inject: Action
    undo: Action


_FORWARDING = "net.ipv4.ip_forward"
_SMALL_MTU, _FABRIC_MTU = 1400, 1500
_NOBODY_MAC = "02:24:00:00:00:99"
#: So far from the peer's address the next one is taken for that of a node that is no more.
_FORMER = 128
_GONE = frozenset({errno.ESRCH, errno.ENOENT})


def hanging_agent(then: Action = lambda _place: None) -> Damage:
    """Return a damage that the agent would mend at once: it hangs from before it is done.

    Awake again, it has heard of every change meanwhile, and mends what is its own.
    """

    def inject(place: Place) -> None:
        os.kill(place.part("agent"), signal.SIGSTOP)
        then(place)

    def undo(place: Place) -> None:
        os.kill(place.part("agent"), signal.SIGCONT)

    return Damage(inject, undo)


def foreign_table(name: str, chain: str) -> Damage:
    """Return the damage of an nft table as somebody else might make one.

    chain: its one chain; {block} stands for the node's block, {pod_cidr} for the cluster's range.
    """

    def inject(place: Place) -> None:
        words = chain.format(block=place.block_of(place.name), pod_cidr=place.cluster.status["podCidr"])
        nft.apply_script(f"table ip {name} {{\n chain rules {{\n {words}\n }}\n}}\n", place.node.netns)

    def undo(place: Place) -> None:
        nft.apply_script(f"add table ip {name}\ndelete table ip {name}\n", place.node.netns)

    return Damage(inject, undo)


def route_into_nothing(place: Place) -> None:
    """Route the peer's block into a black hole, by halves: more specific than the agent's route, which stays."""
    with place.netlink() as link:
        link.send(
            *(
                netlink.add_route(half, kind="blackhole", protocol=netlink.STATIC_PROTOCOL)
                for half in place.block_of(place.peer).subnets()
            )
        )


def remove_black_holes(place: Place) -> None:
    with place.netlink() as link:
        holes = [route.dst for route in link.routes() if route.kind == "blackhole"]
        link.send(*(netlink.delete_route(hole) for hole in holes), ignore=_GONE)


def lose_forwarding_entry(place: Place) -> None:
    address = place.address_of(place.peer)
    with place.netlink() as link:
        link.send(netlink.delete_fdb(place.tunnel(link), tunnel_mac(address), address))


def stale_forwarding_entry(place: Place) -> None:
    """Let frames for the peer go to an address that no node has any more."""
    address = place.address_of(place.peer)
    with place.netlink() as link:
        index, mac = place.tunnel(link), tunnel_mac(address)
        link.send(netlink.delete_fdb(index, mac, address), netlink.add_fdb(index, mac, address + _FORMER))


def wrong_neighbour(place: Place) -> None:
    with place.netlink() as link:
        tunnel_address = place.block_of(place.peer).network_address
        link.send(netlink.add_neighbour(place.tunnel(link), tunnel_address, _NOBODY_MAC))


def stop_forwarding(place: Place) -> None:
    sysctl.write(_FORWARDING, 0, place.node.netns)


def shrink_uplink(place: Place) -> None:
    """Give the node's link to the network a smaller MTU than its peers': what they send in full size is lost."""
    _set_uplink_mtu(place, _SMALL_MTU)


def restore_uplink(place: Place) -> None:
    _set_uplink_mtu(place, _FABRIC_MTU)


def _set_uplink_mtu(place: Place, mtu: int) -> None:
    with place.netlink() as link:
        link.send(netlink.set_link(place.uplink(link), mtu=mtu))


def leak_lease(place: Place) -> None:
    """Leave a lease whose pod is gone, as a runtime does that dies before it calls DEL (F11)."""
    with closing(place.leases()) as leases:
        _leak(leases)


def fill_block(place: Place) -> None:
    """Leak leases until no address of the node's block is free."""
    with closing(place.leases()) as leases:
        while leases.free_count():
            _leak(leases)


def _leak(leases: Leases) -> None:
    container = secrets.token_hex(32)
    lease = leases.reserve(
        container,
        "eth0",
        attempt=secrets.token_hex(8),
        host_veth=host_veth(container, "eth0"),
        netns=f"/run/netns/cni-{container[:12]}",
        pod_namespace="default",
        pod_name=f"batch-{container[:5]}",
    )
    leases.own(lease)


def release_leaked(place: Place) -> None:
    with closing(place.leases()) as leases:
        for lease in place.leaked(leases):
            leases.release(lease)


def expire_authority(place: Place) -> None:
    """Let the API's authority be past its time for this node, as with a clock that is years ahead."""
    expired = place.paths.expired_ca
    if not expired.exists():
        raise Slash24Error(
            "this lab has no expired certificate to give to a node",
            why="it was made by an earlier version of slash24",
            fix="slash24 lab down, then slash24 lab up",
        )
    _trust(place, expired.read_text())


def renew_authority(place: Place) -> None:
    _trust(place, place.paths.ca.read_text())


def _trust(place: Place, certificate: str) -> None:
    place.authority.write_text(certificate)
    for part in ("agent", "kubelet"):
        with suppress(PartGoneError):  # one that starts just now reads it too
            os.kill(place.part(part), signal.SIGKILL)
