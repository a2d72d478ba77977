"""Translation of what leaves the cluster to the node's address."""

from slash24.core.addresses import IPNetwork
from slash24.core.snat import LINK_LOCAL, Masquerade
from slash24.dataplane.names import MASQUERADE_TABLE, MASQUERADED
from slash24.dataplane.nft import Chain, Set, Table


def compile_masquerade(masquerade: Masquerade, own_blocks: tuple[IPNetwork, ...]) -> Table:
    """Return the table that gives packets of this node's pods the node's address when they leave the cluster."""
    # fully-random: pods that choose the same source port in the same instant would race for it otherwise (weave#3287).
    translate = f"counter name {MASQUERADED} masquerade fully-random"
    rules = ["ip saddr != @own-blocks return"]
    if masquerade.link_local:
        rules.append(f"ip daddr {LINK_LOCAL} {translate}")
    rules += ["ip daddr @non-masquerade return", translate]
    return Table(
        MASQUERADE_TABLE,
        (Chain("postrouting", "type nat hook postrouting priority srcnat", tuple(rules)),),
        (
            Set("own-blocks", frozenset(own_blocks), interval=True),
            Set("non-masquerade", frozenset(masquerade.non_masquerade), interval=True),
        ),
        (MASQUERADED,),
    )
