from ipaddress import IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slash24.core.cluster import Node, Settings, View, conflicts, without_conflicts
from slash24.core.ipam import assign_blocks, node_blocks, pod_addresses, tunnel_address
from slash24.core.topology import Transport

POD_CIDR = ip_network("192.168.0.0/16")


def test_a_16_holds_256_blocks_of_24() -> None:
    assert node_blocks(POD_CIDR) == 256
    with pytest.raises(ValueError, match="does not fit"):
        node_blocks(ip_network("10.0.0.0/25"))


def test_pods_have_all_addresses_of_a_block_but_the_tunnel_address() -> None:
    block = ip_network("192.168.1.0/24")
    assert pod_addresses(block, Transport.ENCAPSULATED) == 255
    assert pod_addresses(block, Transport.ROUTED) == 256
    assert str(tunnel_address(block, Transport.ENCAPSULATED)) == "192.168.1.0"
    assert tunnel_address(block, Transport.ROUTED) is None


def test_older_nodes_get_the_lower_blocks_and_freed_ones_are_used_again() -> None:
    nodes = [Node("b", created="2"), Node("a", created="2"), Node("c", created="1")]
    got = assign_blocks(POD_CIDR, 24, nodes).new
    assert {name: str(block) for name, block in got.items()} == {
        "c": "192.168.0.0/24", "a": "192.168.1.0/24", "b": "192.168.2.0/24",
    }  # fmt: skip
    left = [Node("c", blocks=(got["c"],)), Node("b", blocks=(got["b"],)), Node("d")]
    assert str(assign_blocks(POD_CIDR, 24, left).new["d"]) == "192.168.1.0/24"


def test_a_full_pod_cidr_leaves_the_youngest_node_without() -> None:
    nodes = [Node(f"n{number}", created=str(number)) for number in range(3)]
    got = assign_blocks(ip_network("192.168.0.0/23"), 24, nodes)
    assert got.without == ("n2",)
    assert len(got.new) == 2


def test_a_second_claim_and_a_foreign_block_are_refused_and_stay_taken() -> None:
    nodes = [
        Node("old", blocks=(ip_network("192.168.0.0/24"),), created="1"),
        Node("new", blocks=(ip_network("192.168.0.128/25"),), created="2"),
        Node("odd", blocks=(ip_network("10.0.0.0/24"),), created="3"),
        Node("none", created="4"),
    ]
    got = assign_blocks(POD_CIDR, 24, nodes)
    assert [(conflict.node, conflict.block) for conflict in got.refused] == [
        ("new", "192.168.0.128/25"),
        ("odd", "10.0.0.0/24"),
    ]
    assert str(got.new["none"]) == "192.168.1.0/24"
    view = without_conflicts(View(Settings(pod_cidr=POD_CIDR), tuple(nodes)))
    assert [len(node.blocks) for node in view.nodes] == [1, 0, 0, 0]


blocks = st.builds(
    lambda number, length: IPv4Network((0xC0A80000 + (number << (32 - length)) % 65536, length), strict=False),
    st.integers(0, 300),
    st.integers(22, 28),
)
clusters = st.lists(st.tuples(st.lists(blocks, max_size=2), st.integers(0, 3)), max_size=12).map(
    lambda rows: [Node(f"n{i}", blocks=tuple(b), created=str(c)) for i, (b, c) in enumerate(rows)]
)


@given(clusters, st.integers(22, 28))
def test_blocks_that_are_served_never_overlap(nodes: list[Node], prefix: int) -> None:
    got = assign_blocks(POD_CIDR, prefix, nodes)
    after = [
        Node(node.name, blocks=node.blocks or ((got.new[node.name],) if node.name in got.new else ()),
             created=node.created)
        for node in nodes
    ]  # fmt: skip
    # What was handed out conflicts with nothing ...
    assert {conflict.node for conflict in conflicts(POD_CIDR, after)} <= {c.node for c in got.refused}
    # ... and what is left after the refusals is disjoint.
    served = without_conflicts(View(Settings(pod_cidr=POD_CIDR), tuple(after)))
    every = [block for node in served.nodes for block in node.blocks]
    assert not any(a.overlaps(b) for i, a in enumerate(every) for b in every[:i])
    # Everybody has a block, or is named.
    assert set(got.without) == {node.name for node in after if not node.blocks}
