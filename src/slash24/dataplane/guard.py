"""What a node drops: forged sources, strangers at the tunnel port, a tunnel that is used as a way through."""

from slash24.core.addresses import IPAddress, IPNetwork
from slash24.core.cluster import View
from slash24.dataplane import names
from slash24.dataplane.nft import Chain, Set, Table


def compile_guard(view: View, me: str, uplink: str) -> Table:
    """Return the guard table of node `me`, whose link to the VNet is called `uplink`. Each reason has its counter."""
    node = view.node(me)
    own: frozenset[IPNetwork] = frozenset(node.blocks) if node else frozenset()
    addresses: frozenset[IPAddress] = frozenset(node.address for node in view.nodes if node.address is not None)
    tunnel = f'"{names.TUNNEL}"'
    pod_cidr = view.settings.pod_cidr
    prerouting = (
        # One rule for every pod: the way back to the source must be the link that the packet came by. Each pod's route
        # goes to its own link, and the own block is unreachable besides, so no other source passes.
        f"iifname {names.POD_LINKS} fib saddr . iif oif missing {_drop(names.POD_FORGED_SOURCE)}",
        # Masqueraded, it would come to the other node with this node's address, which that node trusts.
        f"iifname {names.POD_LINKS} udp dport {names.VXLAN_PORT} ip daddr @nodes {_drop(names.POD_TO_TUNNEL)}",
        f"iifname {tunnel} ip saddr != {pod_cidr} {_drop(names.TUNNEL_FORGED_SOURCE)}",
        f"iifname {tunnel} ip saddr @own-blocks {_drop(names.TUNNEL_FORGED_SOURCE)}",
        f"iifname {tunnel} ip daddr != @own-blocks {_drop(names.TUNNEL_TRANSIT)}",
        f'iifname "{uplink}" ip saddr @own-blocks {_drop(names.UPLINK_FORGED_SOURCE)}',
    )
    # In the input hook, so that a pod's own use of the port (a forwarded packet) is not meant.
    incoming = (f"udp dport {names.VXLAN_PORT} ip saddr != @nodes {_drop(names.TUNNEL_STRANGER)}",)
    return Table(
        names.GUARD_TABLE,
        (
            # Before conntrack and before the raw tables of others, after defragmentation (-400): a port is only seen
            # in a whole datagram.
            Chain("prerouting", "type filter hook prerouting priority -310", prerouting),
            Chain("input", "type filter hook input priority -310", incoming),
        ),
        (Set("nodes", addresses), Set("own-blocks", own, interval=True)),
        names.GUARD_COUNTERS,
    )


def _drop(counter: str) -> str:
    return f"counter name {counter} drop"


def compile_notrack(uplink: str) -> Table:
    """Return the table that keeps the tunnels' outer packets out of conntrack, which would cost each about 2%."""
    # Only what comes by the uplink: a pod may talk to such a port outside, and needs conntrack for its translation.
    incoming = f'iifname "{uplink}" udp dport {names.VXLAN_PORT} notrack'
    outgoing = f"udp dport {names.VXLAN_PORT} notrack"
    return Table(
        names.NOTRACK_TABLE,
        (
            Chain("prerouting", "type filter hook prerouting priority raw", (incoming,)),
            Chain("output", "type filter hook output priority raw", (outgoing,)),
        ),
    )
