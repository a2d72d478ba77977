"""The names of our kernel objects: links, nft tables, their counters."""

#: The VXLAN device; it must not match POD_LINKS.
TUNNEL = "s24vx"
#: The host's end of a pod's link is called this and 11 digits of a hash.
POD_LINK_PREFIX = "s24p"
#: The same as nft writes it in a rule.
POD_LINKS = f'"{POD_LINK_PREFIX}*"'
#: The groups that these links are in: nft compares a number faster than a name.
POD_LINK_GROUP, TUNNEL_GROUP = 2401, 2402
VXLAN_PORT = 4789
#: Outer Ethernet is not part of the packet; outer IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14.
VXLAN_OVERHEAD_BYTES = 50

MASQUERADE_TABLE = "slash24-masq"
GUARD_TABLE = "slash24-guard"
TABLES = (MASQUERADE_TABLE, GUARD_TABLE)

#: Counters of the guard table, one for each reason to drop.
POD_FORGED_SOURCE = "pod-forged-source"
POD_TO_TUNNEL = "pod-to-tunnel-port"
TUNNEL_STRANGER = "tunnel-port-stranger"
TUNNEL_FORGED_SOURCE = "tunnel-forged-source"
TUNNEL_TRANSIT = "tunnel-transit"
UPLINK_FORGED_SOURCE = "uplink-forged-source"
GUARD_COUNTERS = (
    POD_FORGED_SOURCE,
    POD_TO_TUNNEL,
    TUNNEL_STRANGER,
    TUNNEL_FORGED_SOURCE,
    TUNNEL_TRANSIT,
    UPLINK_FORGED_SOURCE,
)
#: Counter of the masquerade table.
MASQUERADED = "masqueraded"
