"""Which way a packet goes from a node: to a pod of its own, to another node's, to the VNet, or nowhere."""

from dataclasses import dataclass
from enum import StrEnum

from slash24.core.addresses import IPAddress
from slash24.core.cluster import View, without_conflicts
from slash24.core.topology import Transport


class Way(StrEnum):
    """Where a node sends a packet."""

    LOCAL = "local"  # to a pod of this node, or to the node itself
    TUNNEL = "tunnel"  # to another node, encapsulated
    FABRIC = "fabric"  # to the VNet as it is
    NOWHERE = "nowhere"  # nobody owns the destination: refused


@dataclass(frozen=True, slots=True)
class Hop:
    """The next hop: `node` is the node that owns the destination ("" if none does), `via` the tunnel's other end."""

    way: Way
    node: str = ""
    via: IPAddress | None = None


def next_hop(view: View, me: str, dst: IPAddress) -> Hop:
    """Return which way node `me` sends a packet to `dst`."""
    view = without_conflicts(view)
    host = view.host(dst)
    owner = view.owner(dst)
    if host is not None and host.name == me:
        return Hop(Way.LOCAL, me)
    if owner is not None and owner.name == me:
        return Hop(Way.LOCAL, me)
    if dst not in view.settings.pod_cidr:
        return Hop(Way.FABRIC, host.name if host else "")
    if view.settings.transport is Transport.ROUTED:
        # The VNet keeps the routes to the blocks, and refuses what no node owns.
        return Hop(Way.FABRIC, owner.name) if owner else Hop(Way.NOWHERE)
    if owner is None or owner.address is None:
        return Hop(Way.NOWHERE)
    return Hop(Way.TUNNEL, owner.name, owner.address)
