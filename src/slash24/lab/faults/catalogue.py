"""The faults of `slash24 lab break`. Another fault is another entry.

The agent mends within a second whatever of its own somebody changes. So an exercise that lasts is either something that
isn't the agent's (somebody else's route, table or setting), or it has the agent hang.
"""

import difflib
from dataclasses import dataclass

from slash24.errors import NotFoundError
from slash24.lab.faults import damage
from slash24.lab.faults.damage import Damage, foreign_table, hanging_agent

_FOREIGN = "it is none of the agent's: that touches only what it made itself"
_HANGS = "the agent hangs, so it mends nothing"
_WAKE = "kill -CONT the node's process slash24-agent, which then mends the rest"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `what` is wrong, what is `seen` of it, why it `stays`, and its `repair` by hand.

    encapsulated: it needs a tunnel, so it can't be put into a cluster whose transport is `routed`.
    """

    name: str
    what: str
    seen: str
    stays: str
    repair: str
    damage: Damage
    encapsulated: bool = False


FAULTS = (
    Fault(
        "wrong-route",
        what="black holes for both halves of a peer's block, more specific than the route to it",
        seen="pods reach neither the peer's pods nor get their answers",
        stays=_FOREIGN,
        repair="ip route del blackhole each of them",
        damage=Damage(damage.route_into_nothing, damage.remove_black_holes),
    ),
    Fault(
        "lost-entry",
        what="the forwarding entry of the tunnel that leads to a peer is gone",
        seen="packets to the peer's pods are lost, those to other nodes arrive",
        stays=_HANGS,
        repair=_WAKE,
        damage=hanging_agent(damage.lose_forwarding_entry),
        encapsulated=True,
    ),
    Fault(
        "stale-entry",
        what="the forwarding entry for a peer leads to an address that no node has any more",
        seen="packets to the peer's pods leave the node, but never arrive",
        stays=_HANGS,
        repair=_WAKE,
        damage=hanging_agent(damage.stale_forwarding_entry),
        encapsulated=True,
    ),
    Fault(
        "wrong-neighbour",
        what="the permanent neighbour entry of a peer's tunnel address has a MAC that nobody has",
        seen="packets to the peer's pods are lost",
        stays=_HANGS,
        repair=_WAKE,
        damage=hanging_agent(damage.wrong_neighbour),
        encapsulated=True,
    ),
    Fault(
        "small-mtu",
        what="the node's link to the network has an MTU of 1400, its peers' have 1500",
        seen="small packets cross, large ones from other nodes are lost: connections open, then stall",
        stays="the MTU of a node's own link is not the agent's to set; it follows it",
        repair="ip link set eth0 mtu 1500 on the node; its pods keep the size that they learned for ten minutes",
        damage=Damage(damage.shrink_uplink, damage.restore_uplink),
    ),
    Fault(
        "hanging-agent",
        what="the agent is there and does nothing",
        seen="what stands goes on; changes of the cluster don't reach the node any more",
        stays="nobody watches it: its parent starts it again only when it ends",
        repair="kill -CONT the node's process slash24-agent, or kill it",
        damage=hanging_agent(),
    ),
    Fault(
        "leaked-lease",
        what="an address is leased to a pod that is no more",
        seen="nothing yet: one address fewer",
        stays="the kubelet has leases without pods collected when it starts, not before",
        repair="kill the node's process slash24-kubelet: it starts again and has them collected",
        damage=Damage(damage.leak_lease, damage.release_leaked),
    ),
    Fault(
        "full-block",
        what="leaked leases hold every free address of the node's block",
        seen="new pods of the node wait in ContainerCreating: not enough IPs available",
        stays="the kubelet has leases without pods collected when it starts, not before",
        repair="kill the node's process slash24-kubelet: it starts again and has them collected",
        damage=Damage(damage.fill_block, damage.release_leaked),
    ),
    Fault(
        "lost-masquerade",
        what="somebody's table takes pods' packets to the outside out of connection tracking: none is translated",
        seen="pods reach pods, and nothing outside of the cluster",
        stays=_FOREIGN,
        repair="nft delete table ip tuning",
        damage=foreign_table(
            "tuning",
            "type filter hook prerouting priority raw; ip saddr {block} ip daddr != {pod_cidr} notrack",
        ),
    ),
    Fault(
        "clock-ahead",
        what="the node's clock is years ahead: to it the certificate of the API's authority has expired",
        seen="agent and kubelet can't reach the API; the node's pods go on, new ones don't start",
        stays="nobody renews what a node trusts (Linux can't give a node a clock: the certificate is made old)",
        repair="put another node's /var/lib/slash24/ca.pem there, then kill slash24-agent and slash24-kubelet",
        damage=Damage(damage.expire_authority, damage.renew_authority),
    ),
    Fault(
        "no-forwarding",
        what="the kernel's setting net.ipv4.ip_forward is 0",
        seen="the node itself is reached, its pods send and get nothing",
        stays=_HANGS,
        repair=_WAKE,
        damage=hanging_agent(damage.stop_forwarding),
    ),
    Fault(
        "forward-drop",
        what="somebody's table drops what the node forwards, as a container engine's or a hardening script's does",
        seen="pods send and get nothing; the agent says ForwardPolicyDrop in an event",
        stays="an accept in one table can't overrule a drop in another",
        repair="nft delete table ip hardening",
        damage=foreign_table("hardening", "type filter hook forward priority filter; policy drop;"),
    ),
    Fault(
        "blocked-port",
        what="somebody's table drops VXLAN, UDP port 4789, as a network security group might",
        seen="pods of other nodes can't be reached; the node itself can",
        stays=_FOREIGN,
        repair="nft delete table ip baseline",
        damage=foreign_table("baseline", "type filter hook input priority filter; udp dport 4789 drop"),
        encapsulated=True,
    ),
)


def find(word: str) -> Fault:
    """Return the fault with a name, or with a number of the list. Raises NotFoundError."""
    named = {fault.name: fault for fault in FAULTS} | {str(i): fault for i, fault in enumerate(FAULTS, 1)}
    if word in named:
        return named[word]
    near = difflib.get_close_matches(word, named, 1)
    raise NotFoundError(
        f"there is no fault {word!r}",
        why=f"did you mean {near[0]}?" if near else "",
        fix=f"slash24 lab break list has their names, and numbers from 1 to {len(FAULTS)}",
    )
