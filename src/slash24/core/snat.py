"""Which source address a destination sees: the oracle of masquerading (docs/sources.md#snat)."""

from dataclasses import dataclass
from ipaddress import IPv4Network

from slash24.core.addresses import IPAddress, IPNetwork
from slash24.core.cluster import View, without_conflicts
from slash24.core.topology import Transport

#: Masqueraded even if the non-masquerade list should cover it: AKS' MasqLinkLocal is true in Overlay.
LINK_LOCAL = IPv4Network("169.254.0.0/16")


@dataclass(frozen=True, slots=True)
class Masquerade:
    """The node's translation of what leaves: destinations in `non_masquerade` see the pod, all others the node."""

    non_masquerade: tuple[IPNetwork, ...]
    link_local: bool = True

    def applies(self, dst: IPAddress) -> bool:
        """Return whether a pod's packet to `dst`, when it leaves the node, carries the node's address."""
        if self.link_local and dst in LINK_LOCAL:
            return True
        return not any(dst in network for network in self.non_masquerade)


def overlay_masquerade(pod_cidr: IPNetwork) -> Masquerade:
    """Return what an Overlay cluster has: NonMasqueradeCIDRs [pod CIDR], MasqLinkLocal true."""
    return Masquerade((pod_cidr,))


def source_seen(view: View, src: IPAddress, dst: IPAddress) -> IPAddress | None:
    """Return the source address that `dst` sees when `src` speaks first, or None if the packet never arrives.

    `src` is a pod's address, a node's (the node itself chooses which of its addresses it uses), or one outside the
    cluster. What the VNet does beyond the node, as the outbound public address, is not in here.
    """
    view = without_conflicts(view)
    pod_cidr = view.settings.pod_cidr
    sender = view.host(src)
    if sender is not None:
        return _from_host(view, sender.name, dst)
    if src in pod_cidr:
        return _from_pod(view, src, dst)
    # From outside: nobody but the cluster's nodes has a way to the pods.
    return None if dst in pod_cidr else src


def _from_pod(view: View, src: IPAddress, dst: IPAddress) -> IPAddress | None:
    node = view.owner(src)
    if node is None:
        return None  # a source that no node owns: dropped as forged
    if dst in view.settings.pod_cidr:
        return src if view.owner(dst) is not None else None
    if view.host(dst) == node:
        return src  # to its own node a packet is delivered, it doesn't leave
    return node.address if overlay_masquerade(view.settings.pod_cidr).applies(dst) else src


def _from_host(view: View, name: str, dst: IPAddress) -> IPAddress | None:
    node = view.node(name)
    if node is None:
        return None
    if dst not in view.settings.pod_cidr:
        return node.address
    owner = view.owner(dst)
    if owner is None:
        return None
    if owner.name != name and view.settings.transport is Transport.ENCAPSULATED:
        # With the node's own address the answer would leave untunnelled.
        return node.tunnel_address
    return node.address
