"""Read what the kernel of this node has, and make it what it should be."""

import errno
import logging
from ipaddress import IPv4Address, IPv4Interface

from slash24.agent.kernelevents import Counts
from slash24.core.addresses import IPAddress
from slash24.dataplane import names
from slash24.dataplane.nft import Table, render_change
from slash24.dataplane.overlay import (
    Dataplane,
    Forwarding,
    Neighbour,
    Overlay,
    OverlayChange,
    Route,
    Tunnel,
    Uplink,
    diff_overlay,
)
from slash24.errors import Slash24Error
from slash24.kernel import ethtool, nft, sysctl
from slash24.kernel.netlink import (
    ROUTE_PROTOCOL,
    Link,
    Netlink,
    Request,
    add_address,
    add_fdb,
    add_neighbour,
    add_route,
    add_vxlan,
    default_route,
    delete_address,
    delete_fdb,
    delete_link,
    delete_neighbour,
    delete_route,
    set_link,
)

log = logging.getLogger(__name__)

#: Errors of a removal that mean that the thing is gone already.
_GONE = frozenset({errno.ESRCH, errno.ENOENT, errno.ENODEV, errno.EADDRNOTAVAIL})


class UplinkError(Slash24Error):
    """The node's way to the VNet can't be found."""


def find_uplink(netlink: Netlink, address: IPAddress) -> Uplink:
    """Return the link that bears the node's `address`, with the gateway of the default route if that uses it."""
    entry = next((entry for entry in netlink.addresses() if entry.interface.ip == address), None)
    if entry is None:
        raise UplinkError(
            f"no link of this node has its address {address}", fix="the Node's InternalIP must be one of its links'"
        )
    link = next(link for link in netlink.links() if link.index == entry.device)
    default = (route for route in netlink.routes() if route.dst == default_route() and route.device == link.index)
    return Uplink(link.name, address, link.mtu, next((route.via for route in default), None))


def read_overlay(netlink: Netlink) -> Overlay:
    """Return what there is of the overlay: only what bears our device's name or our route protocol."""
    device = next(iter(netlink.links(names.TUNNEL)), None)
    index = device.index if device else -1
    routes = set()
    for route in netlink.routes():
        if route.protocol == ROUTE_PROTOCOL and (route.device == index or route.kind == "unreachable"):
            routes.add(Route(route.dst, route.via, route.src))
    if device is None:
        return Overlay(routes=frozenset(routes))
    neighbours = (entry for entry in netlink.neighbours(index) if entry.permanent)
    return Overlay(
        _tunnel(netlink, device),
        frozenset(routes),
        frozenset(Neighbour(entry.ip, entry.mac) for entry in neighbours),
        frozenset(Forwarding(entry.mac, entry.dst) for entry in netlink.fdb(index)),
    )


def _tunnel(netlink: Netlink, device: Link) -> Tunnel:
    addresses = [entry.interface.ip for entry in netlink.addresses(device.index)]
    nothing = IPv4Address(0)
    return Tunnel(
        device.vni,
        device.local or nothing,
        device.mtu if device.up else 0,  # one that is down never equals what is wanted
        device.mac,
        addresses[0] if len(addresses) == 1 else nothing,
    )


def apply_overlay(netlink: Netlink, change: OverlayChange, uplink: Uplink) -> None:
    """Carry out `change`; raises NetlinkError with the first thing that the kernel refused."""
    index = next((link.index for link in netlink.links(names.TUNNEL)), 0)
    if change.rebuild and index:
        netlink.send(delete_link(index), ignore=_GONE)
        index = 0
    if change.tunnel is not None:
        index = _set_tunnel(netlink, change.tunnel, index, uplink)
    removals: list[Request] = [delete_route(route.dst) for route in _sorted(change.remove.routes)]
    removals += [delete_neighbour(index, entry.ip) for entry in change.remove.neighbours]
    removals += [delete_fdb(index, entry.mac, entry.dst) for entry in change.remove.forwarding]
    if removals:
        netlink.send(*removals, ignore=_GONE)
    # Routes last: no packet takes a way that isn't whole.
    additions: list[Request] = [add_fdb(index, entry.mac, entry.dst) for entry in change.add.forwarding]
    additions += [add_neighbour(index, entry.ip, entry.mac) for entry in change.add.neighbours]
    additions += [_route(route, index) for route in _sorted(change.add.routes)]
    if additions:
        netlink.send(*additions)


def _set_tunnel(netlink: Netlink, tunnel: Tunnel, index: int, uplink: Uplink) -> int:
    if not index:
        device = netlink.index_of(uplink.name)
        local = IPv4Address(str(tunnel.local))
        netlink.send(
            add_vxlan(
                names.TUNNEL, vni=tunnel.vni, local=local, device=device, mtu=tunnel.mtu_bytes, mac=tunnel.mac,
                group=names.TUNNEL_GROUP,
            )
        )  # fmt: skip
        index = netlink.index_of(names.TUNNEL)
        netlink.send(set_link(index, no_ipv6=True))
    stale = [entry for entry in netlink.addresses(index) if entry.interface.ip != tunnel.address]
    netlink.send(*(delete_address(index, entry.interface) for entry in stale), ignore=_GONE)
    netlink.send(
        set_link(index, mtu=tunnel.mtu_bytes, mac=tunnel.mac),
        set_link(index, up=True),
        add_address(index, IPv4Interface(f"{tunnel.address}/32")),
    )
    return index


def _route(route: Route, tunnel: int) -> Request:
    if route.via is None:
        return add_route(route.dst, kind="unreachable")
    return add_route(route.dst, via=route.via, device=tunnel, src=route.src, onlink=True)


def _sorted(routes: frozenset[Route]) -> list[Route]:
    return sorted(routes, key=lambda route: (int(route.dst.network_address), route.dst.prefixlen))


class KernelState:
    """The node's kernel, and what of ours it is known to have. For one thread at a time."""

    def __init__(self, netns: int | None = None) -> None:
        self._netns = netns
        self._netlink = Netlink(netns)
        self._overlay: Overlay | None = None
        self._tables: dict[str, Table] = {}
        self._generation = 0  # of nft, when they were last known to be as they should
        self._listing = ""  # their text then; "" if it wasn't looked at
        self._transactions = self._forwarding = 0

    @property
    def port(self) -> int:
        """The netlink socket by which the changes are made, as the kernel names it when it tells of them."""
        return self._netlink.port

    def made(self) -> Counts:
        """Return how much has been done so far."""
        return Counts(self._transactions, self._forwarding)

    def close(self) -> None:
        self._netlink.close()

    def uplink(self, address: IPAddress) -> Uplink:
        return find_uplink(self._netlink, address)

    def sync(self, wanted: Dataplane, uplink: Uplink, *, look: bool, thorough: bool) -> list[str]:
        """Make the kernel what `wanted` says; return what had to be done, in words.

        look: somebody else may have changed something, so that what was made last isn't all that is known.
        thorough: look at the nft tables too.
        """
        # Tables first: nobody reaches the tunnel's port before it is guarded.
        done = [*self._sync_tables(wanted.tables, thorough=thorough)]
        look = look or thorough or self._overlay is None
        actual = read_overlay(self._netlink) if look or self._overlay is None else self._overlay
        self._overlay = None  # not known, if the change fails
        change = diff_overlay(wanted.overlay, actual)
        if not change.empty:
            self._forwarding += len(change.add.forwarding) + len(change.remove.forwarding)
            apply_overlay(self._netlink, change, uplink)
            done.append(change.summary())
        self._overlay = wanted.overlay
        if not look and change.tunnel is None:
            return done
        if wanted.overlay.tunnel is not None:
            done += self._sync_offloads(uplink)
        for setting in wanted.sysctls:
            seen = sysctl.read(setting.name, self._netns)
            if seen != setting.value and seen not in setting.accepted:
                sysctl.write(setting.name, setting.value, self._netns)
                done.append(f"{setting.name}: {seen} set to {setting.value}")
        return done

    def _sync_offloads(self, uplink: Uplink) -> list[str]:
        """Have the tunnel join received packets (GRO) where the uplink does, and only there.

        An uplink that doesn't gets whole segments already, as a veth does; a second look costs each packet 5%.
        """
        wanted = ethtool.gro(uplink.name, self._netns)
        if ethtool.gro(names.TUNNEL, self._netns) == wanted:
            return []
        ethtool.set_gro(names.TUNNEL, wanted, self._netns)
        return [f"{names.TUNNEL}: GRO {'on' if wanted else 'off'}, as on {uplink.name}"]

    def _sync_tables(self, wanted: tuple[Table, ...], *, thorough: bool) -> list[str]:
        suspected = thorough and bool(self._tables) and self._changed_by_somebody()
        if suspected:
            self._tables.clear()  # replace all
        scripts = {}
        fresh = nft.generation(self._netns) == nft.FIRST_GENERATION  # nobody has counted anything
        for table in wanted:
            known = self._tables.get(table.name)
            counted = nft.counters(table.name, self._netns) if known is None and not fresh else {}
            scripts[table.name] = render_change(known, table, counted)
        script = "".join(scripts.values())
        if not script:
            return []
        before = nft.generation(self._netns)
        nft.apply_script(script, self._netns)
        self._transactions += 1
        self._tables = {table.name: table for table in wanted}
        # Where others change tables of theirs all the time, the generation alone would have us replace ours each time.
        self._listing = nft.list_tables(self._tables, self._netns) if suspected else ""
        after = nft.generation(self._netns)
        # If it isn't ours alone that was made meanwhile, what is there now is known by nobody.
        self._generation, self._listing = (after, self._listing) if after == before + 1 else (0, "")
        return [f"table {name}" for name, text in scripts.items() if text]

    def _changed_by_somebody(self) -> bool:
        generation = nft.generation(self._netns)
        if generation == self._generation:
            return False
        if not self._listing or nft.list_tables(self._tables, self._netns) != self._listing:
            return True
        self._generation = generation
        return False
