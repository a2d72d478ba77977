"""The way to the pods of other nodes: one VXLAN device, and a route, a neighbour and a forwarding entry a node."""

from dataclasses import dataclass

from slash24.core.addresses import IPAddress, IPNetwork
from slash24.core.cluster import Node, View, without_conflicts
from slash24.core.snat import overlay_masquerade
from slash24.core.topology import Transport
from slash24.dataplane import names
from slash24.dataplane.guard import compile_guard
from slash24.dataplane.masquerade import compile_masquerade
from slash24.dataplane.nft import Table


@dataclass(frozen=True, slots=True)
class Uplink:
    """A node's link to the VNet: where its default route leads."""

    name: str
    address: IPAddress
    mtu_bytes: int
    gateway: IPAddress | None = None


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The VXLAN device: `local` is the outer source address, `address` the node's own inside the overlay."""

    vni: int
    local: IPAddress
    mtu_bytes: int
    mac: str
    address: IPAddress


@dataclass(frozen=True, slots=True)
class Route:
    """A route to a node block: by the tunnel `via` another node's tunnel address, or `unreachable` (via None)."""

    dst: IPNetwork
    via: IPAddress | None = None
    src: IPAddress | None = None


@dataclass(frozen=True, slots=True)
class Neighbour:
    ip: IPAddress
    mac: str


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Frames to `mac` go to the node whose address is `dst`."""

    mac: str
    dst: IPAddress


@dataclass(frozen=True, slots=True)
class Overlay:
    """All that the overlay needs of a node's routing tables; `tunnel` is None in `routed`."""

    tunnel: Tunnel | None = None
    routes: frozenset[Route] = frozenset()
    neighbours: frozenset[Neighbour] = frozenset()
    forwarding: frozenset[Forwarding] = frozenset()


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A setting of the kernel; a value out of `accepted` is left as it is."""

    name: str
    value: str
    accepted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Dataplane:
    """The state that a node's kernel should have, but for the links of its pods."""

    overlay: Overlay
    tables: tuple[Table, ...]
    sysctls: tuple[Sysctl, ...]
    pod_mtu_bytes: int


def tunnel_mac(address: IPAddress) -> str:
    """Return the MAC of the tunnel device of the node with this address.

    It follows from the address, so no node has to be asked for it, and a node that returns has the one it had
    (flannel#1828). Unique in a VNet: VXLAN drops frames whose source is the receiver's own MAC.

    >>> from ipaddress import IPv4Address
    >>> tunnel_mac(IPv4Address("10.224.0.4"))
    '02:24:0a:e0:00:04'
    """
    return "02:24:" + address.packed[-4:].hex(":")


def pod_mtu(uplink_mtu_bytes: int, transport: Transport) -> int:
    """Return the MTU of a pod's link: the uplink's, less what encapsulation adds."""
    return uplink_mtu_bytes - (names.VXLAN_OVERHEAD_BYTES if transport is Transport.ENCAPSULATED else 0)


def compile_overlay(view: View, me: str, uplink: Uplink) -> Overlay:
    """Return the overlay of node `me`, which must have a block."""
    node = view.node(me)
    if node is None or node.tunnel_address is None:
        raise ValueError(f"node {me} has no block")
    # Addresses of ours that no pod has must not leave by the default route, nor must those that no node has.
    refused = {Route(block) for block in node.blocks}
    if view.settings.transport is Transport.ROUTED:
        return Overlay(routes=frozenset(refused))
    refused.add(Route(view.settings.pod_cidr))
    tunnel = Tunnel(
        view.settings.vni,
        uplink.address,
        pod_mtu(uplink.mtu_bytes, view.settings.transport),
        tunnel_mac(uplink.address),
        node.tunnel_address,
    )
    routes, neighbours, forwarding = set(refused), set(), set()
    for other in view.nodes:
        via = other.tunnel_address
        if other.name == me or other.address is None or via is None or other.address == uplink.address:
            continue
        mac = tunnel_mac(other.address)
        routes.update(_remote_routes(other, via, node.tunnel_address))
        neighbours.add(Neighbour(via, mac))
        forwarding.add(Forwarding(mac, other.address))
    return Overlay(tunnel, frozenset(routes), frozenset(neighbours), frozenset(forwarding))


def _remote_routes(node: Node, via: IPAddress, src: IPAddress) -> set[Route]:
    # `src` is what this node's own processes use: with the node's address, answers would come back untunnelled.
    return {Route(block, via, src) for block in node.blocks if block.version == via.version}


def compile_sysctls(uplink: Uplink, transport: Transport) -> tuple[Sysctl, ...]:
    """Return the settings that forwarding needs.

    rp_filter: the guard table checks the sources of pods; on the uplink not strict (1), for nodes with several; the
    larger of `all` and the link's own holds, so `all` is 0.
    ip_forward_use_pmtu: without it a forwarded packet ignores what path MTU discovery learned for the outer one.
    """
    wanted = [
        Sysctl("net.ipv4.ip_forward", "1"),
        Sysctl("net.ipv4.ip_forward_use_pmtu", "1"),
        Sysctl("net.ipv4.conf.all.rp_filter", "0"),
    ]
    if "." not in uplink.name:
        # Loose costs each packet a look at the routes: it stays off where the system has it off.
        wanted.append(Sysctl(f"net.ipv4.conf.{uplink.name}.rp_filter", "2", frozenset({"0"})))
    if transport is Transport.ENCAPSULATED:
        wanted.append(Sysctl(f"net.ipv4.conf.{names.TUNNEL}.rp_filter", "0"))
    return tuple(wanted)


def compile_dataplane(view: View, me: str, uplink: Uplink) -> Dataplane:
    """Return all that node `me` should have; raises ValueError if it has no block that it may use."""
    view = without_conflicts(view)
    overlay = compile_overlay(view, me, uplink)
    node = view.node(me)
    blocks = node.blocks if node else ()
    transport = view.settings.transport
    tables = (
        compile_masquerade(overlay_masquerade(view.settings.pod_cidr), blocks),
        compile_guard(view, me, uplink.name),
    )
    return Dataplane(overlay, tables, compile_sysctls(uplink, transport), pod_mtu(uplink.mtu_bytes, transport))


@dataclass(frozen=True, slots=True)
class OverlayChange:
    """What to do, in this order: remove, make or mend the tunnel, add. `rebuild` deletes the tunnel first."""

    rebuild: bool
    tunnel: Tunnel | None
    remove: Overlay
    add: Overlay

    @property
    def empty(self) -> bool:
        return not self.rebuild and self.tunnel is None and self.remove == self.add == Overlay()

    def summary(self) -> str:
        """Return what changes, for the log: `routes: 2 added, 1 removed`."""
        parts = []
        for what in ("routes", "neighbours", "forwarding"):
            added, removed = len(getattr(self.add, what)), len(getattr(self.remove, what))
            counts = [f"{added} added"] * bool(added) + [f"{removed} removed"] * bool(removed)
            parts += [f"{what}: {', '.join(counts)}"] if counts else []
        if self.rebuild or self.tunnel:
            parts.insert(0, f"tunnel: {'rebuilt' if self.rebuild else 'set'}")
        return "; ".join(parts)


def diff_overlay(wanted: Overlay, actual: Overlay) -> OverlayChange:
    """Return what turns `actual` into `wanted`.

    A tunnel whose network or outer address differs is made anew, and all that leads through it with it.
    """
    old, new = actual.tunnel, wanted.tunnel
    rebuild = old is not None and (new is None or (old.vni, old.local) != (new.vni, new.local))
    if rebuild:
        # Routes through the device go with it.
        kept = frozenset(route for route in actual.routes if route.via is None)
        actual = Overlay(None, kept)
    return OverlayChange(
        rebuild,
        new if new != actual.tunnel else None,
        Overlay(
            None,
            # A route that is wanted with another `via` is replaced by its addition: no gap.
            frozenset(
                route
                for route in actual.routes - wanted.routes
                if route.dst not in {other.dst for other in wanted.routes}
            ),
            frozenset(
                entry
                for entry in actual.neighbours - wanted.neighbours
                if entry.ip not in {other.ip for other in wanted.neighbours}
            ),
            actual.forwarding - wanted.forwarding,
        ),
        Overlay(
            None,
            wanted.routes - actual.routes,
            wanted.neighbours - actual.neighbours,
            wanted.forwarding - actual.forwarding,
        ),
    )
