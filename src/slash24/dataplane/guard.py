"""What a node drops: forged sources, strangers at the tunnel port, a tunnel that is used as a way through."""

from slash24.core.addresses import IPAddress, IPNetwork
from slash24.core.cluster import View
from slash24.core.topology import Transport
from slash24.dataplane import names
from slash24.dataplane.nft import Chain, Set, Table


def _drop(counter: str) -> str:
    return f"counter name {counter} drop"


_TO_TUNNEL = f"udp dport {names.VXLAN_PORT}"
#: Of those that are no nodes. Local, so that a pod's own use of the port (a forwarded packet) is not meant.
_STRANGER = f"{_TO_TUNNEL} fib daddr type local {_drop(names.TUNNEL_STRANGER)}"


def compile_guard(view: View, me: str, uplink: str) -> Table:
    """Return the guard table of node `me`, whose link to the VNet is called `uplink`. Each reason has its counter.

    Every packet of a pod passes it up to three times, so each link has a chain of its own, the most frequent first, and
    the few blocks of a node are compared, not looked up: the rules as one list took a tenth of the overlay's speed.
    """
    node = view.node(me)
    own = sorted(node.blocks, key=str) if node else []
    addresses: frozenset[IPAddress] = frozenset(node.address for node in view.nodes if node.address is not None)
    encapsulated = view.settings.transport is Transport.ENCAPSULATED
    chains = [
        # Before conntrack and before the raw tables of others, after defragmentation (-400): a port is only seen in a
        # whole datagram.
        Chain("prerouting", "type filter hook prerouting priority -310", _dispatch(uplink)),
        Chain("pods", "", _pods()),
        Chain("pods-to-tunnel", "", _pods_to_tunnel()),
        Chain("tunnel", "", _tunnel(view.settings.pod_cidr, own)),
        Chain("uplink", "", _uplink(own, encapsulated=encapsulated)),
    ]
    if encapsulated:
        outgoing = f"{_TO_TUNNEL} notrack"
        chains.append(Chain("output", "type filter hook output priority raw", (outgoing,)))
    return Table(names.GUARD_TABLE, tuple(chains), (Set("nodes", addresses),), names.GUARD_COUNTERS)


def _dispatch(uplink: str) -> tuple[str, ...]:
    return (
        f"iifgroup {names.POD_LINK_GROUP} goto pods",
        f"iifgroup {names.TUNNEL_GROUP} goto tunnel",
        f'iifname "{uplink}" goto uplink',
        # Should somebody have put them into another group.
        f"iifname {names.POD_LINKS} goto pods",
        f'iifname "{names.TUNNEL}" goto tunnel',
        f"iifname != lo ip saddr != @nodes {_STRANGER}",  # by another link of the node
    )


def _pods() -> tuple[str, ...]:
    return (
        # One rule for every pod: the way back to the source must be the link that the packet came by. Each pod's route
        # goes to its own link, and the own block is unreachable besides, so no other source passes.
        f"fib saddr . iif oif missing {_drop(names.POD_FORGED_SOURCE)}",
        f"{_TO_TUNNEL} goto pods-to-tunnel",
    )


def _pods_to_tunnel() -> tuple[str, ...]:
    return (
        # Masqueraded, it would come to the other node with this node's address, which that node trusts.
        f"ip daddr @nodes {_drop(names.POD_TO_TUNNEL)}",
        f"fib daddr type local {_drop(names.POD_TO_TUNNEL)}",
    )


def _tunnel(pod_cidr: IPNetwork, own: list[IPNetwork]) -> tuple[str, ...]:
    return (
        f"ip saddr != {pod_cidr} {_drop(names.TUNNEL_FORGED_SOURCE)}",
        *(f"ip saddr {block} {_drop(names.TUNNEL_FORGED_SOURCE)}" for block in own),
        *(f"ip daddr {block} return" for block in own),
        f"counter name {names.TUNNEL_TRANSIT} drop",
    )


def _uplink(own: list[IPNetwork], *, encapsulated: bool) -> tuple[str, ...]:
    # What comes from nodes is kept out of conntrack, which would cost each packet about 2%; only what comes by the
    # uplink: a pod may talk to such a port outside, and needs conntrack for its translation.
    verdict = "notrack return" if encapsulated else "return"
    nodes = f"{_TO_TUNNEL} ip saddr @nodes {verdict}"
    forged = (f"ip saddr {block} {_drop(names.UPLINK_FORGED_SOURCE)}" for block in own)
    return (nodes, _STRANGER, *forged)
