from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slash24.core.cluster import Node, Settings, View
from slash24.core.routes import Way, next_hop
from slash24.core.topology import Transport
from slash24.dataplane.nft import Table, render, render_change
from slash24.dataplane.overlay import (
    Forwarding,
    Neighbour,
    Overlay,
    OverlayChange,
    Route,
    Tunnel,
    Uplink,
    compile_dataplane,
    compile_overlay,
    diff_overlay,
)
from tests.conftest import Golden

UPLINK = Uplink("eth0", ip_address("10.224.0.4"), 1500, ip_address("10.224.0.1"))


def view(transport: Transport, count: int = 3) -> View:
    nodes = tuple(
        Node(f"n{i}", ip_address(f"10.224.0.{4 + i}"), (ip_network(f"192.168.{i}.0/24"),), created=str(i))
        for i in range(count)
    )
    return View(Settings(pod_cidr=ip_network("192.168.0.0/16"), transport=transport, vni=7), nodes)


def text(overlay: Overlay) -> str:
    """Return an overlay as the commands that would make it."""
    lines = []
    if tunnel := overlay.tunnel:
        lines += [
            f"ip link add s24vx address {tunnel.mac} mtu {tunnel.mtu_bytes} type vxlan id {tunnel.vni} "
            f"local {tunnel.local} dstport 4789 df set gbp nolearning",
            f"ip address add {tunnel.address}/32 dev s24vx",
        ]
    for route in sorted(overlay.routes, key=lambda route: str(route.dst)):
        via = f"via {route.via} dev s24vx onlink src {route.src}" if route.via else ""
        lines.append(f"ip route add {route.dst} {via}" if via else f"ip route add unreachable {route.dst}")
    lines += sorted(f"ip neighbour add {entry.ip} lladdr {entry.mac} dev s24vx" for entry in overlay.neighbours)
    lines += sorted(f"bridge fdb append {entry.mac} dst {entry.dst} dev s24vx" for entry in overlay.forwarding)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("transport", Transport)
def test_the_overlay_and_the_tables_of_a_node_are_golden(transport: Transport, golden: Golden) -> None:
    wanted = compile_dataplane(view(transport), "n0", UPLINK)
    golden.check(f"overlay-{transport}.sh", text(wanted.overlay))
    golden.check(f"tables-{transport}.nft", "".join(render(table) for table in wanted.tables))
    golden.check(f"sysctls-{transport}.conf", "".join(f"{one.name} = {one.value}\n" for one in wanted.sysctls))
    assert wanted.pod_mtu_bytes == (1450 if transport is Transport.ENCAPSULATED else 1500)


def test_what_is_compiled_does_not_depend_on_the_order_of_the_nodes() -> None:
    there = view(Transport.ENCAPSULATED, 9)
    back = View(there.settings, tuple(reversed(there.nodes)))
    assert compile_dataplane(there, "n0", UPLINK) == compile_dataplane(back, "n0", UPLINK)


@pytest.mark.parametrize("transport", Transport)
@given(number=st.integers(0, 2**32 - 1), inside=st.booleans())
def test_routes_lead_where_the_meaning_says(transport: Transport, number: int, inside: bool) -> None:
    cluster = view(transport, 5)
    address = IPv4Address(0xC0A80000 + number % 2048 if inside else number)
    hop = next_hop(cluster, "n0", address)
    routes = compile_overlay(cluster, "n0", UPLINK).routes
    matching = [route for route in routes if address in route.dst]
    best = max(matching, key=lambda route: route.dst.prefixlen, default=None)
    if hop.way is Way.TUNNEL:
        assert best is not None
        assert best.via == cluster.node(hop.node).tunnel_address  # type: ignore[union-attr]
    elif hop.way is Way.FABRIC:
        assert best is None
    elif hop.way is Way.LOCAL:
        # a pod's own /32, or a local address, is more specific than the block's refusal
        assert best is None or best.via is None
    elif transport is Transport.ENCAPSULATED:
        assert best is not None
        assert best.via is None


def test_a_block_that_two_nodes_claim_leads_to_the_older_one_only() -> None:
    cluster = view(Transport.ENCAPSULATED)
    twin = Node("twin", ip_address("10.224.0.99"), (ip_network("192.168.1.0/24"),), created="9")
    with_twin = View(cluster.settings, (*cluster.nodes, twin))
    assert compile_dataplane(with_twin, "n0", UPLINK).overlay == compile_dataplane(cluster, "n0", UPLINK).overlay
    with pytest.raises(ValueError, match="no block"):
        compile_dataplane(with_twin, "twin", UPLINK)


# Small universes, so that things coincide.
ips = st.integers(0, 3).map(lambda n: IPv4Address(0x0A000000 + n))
macs = st.sampled_from(["02:00:00:00:00:01", "02:00:00:00:00:02"])
tunnels = st.none() | st.builds(Tunnel, st.integers(1, 2), ips, st.sampled_from([1400, 1450]), macs, ips)


@st.composite
def overlays(draw: st.DrawFn) -> Overlay:
    tunnel = draw(tunnels)
    keyed = st.dictionaries(st.integers(0, 3).map(lambda n: IPv4Network((0xC0A80000 + n * 256, 24))),
                            st.tuples(st.none() | ips, st.none() | ips))  # fmt: skip
    routes = {Route(dst, via, src) if via and tunnel else Route(dst) for dst, (via, src) in draw(keyed).items()}
    neighbours = draw(st.dictionaries(ips, macs)) if tunnel else {}
    forwarding = draw(st.sets(st.tuples(macs, ips))) if tunnel else set()
    return Overlay(
        tunnel,
        frozenset(routes),
        frozenset(Neighbour(ip, mac) for ip, mac in neighbours.items()),
        frozenset(Forwarding(mac, dst) for mac, dst in forwarding),
    )


def applied(actual: Overlay, change: OverlayChange) -> Overlay:
    """Return what a kernel has after a change: a model of `apply_overlay`."""
    routes = {route.dst: route for route in actual.routes}
    neighbours = {entry.ip: entry for entry in actual.neighbours}
    forwarding = set(actual.forwarding)
    tunnel = actual.tunnel
    if change.rebuild:
        tunnel, neighbours, forwarding = None, {}, set()
        routes = {dst: route for dst, route in routes.items() if route.via is None}
    tunnel = change.tunnel or tunnel
    for route in change.remove.routes:
        del routes[route.dst]  # KeyError: it would be removed twice
    for entry in change.remove.neighbours:
        del neighbours[entry.ip]
    forwarding -= change.remove.forwarding
    assert tunnel or not (change.add.neighbours or change.add.forwarding)
    routes.update({route.dst: route for route in change.add.routes})
    neighbours.update({entry.ip: entry for entry in change.add.neighbours})
    forwarding |= change.add.forwarding
    return Overlay(tunnel, frozenset(routes.values()), frozenset(neighbours.values()), frozenset(forwarding))


@given(overlays(), overlays())
def test_a_difference_applied_gives_what_is_wanted(wanted: Overlay, actual: Overlay) -> None:
    change = diff_overlay(wanted, actual)
    assert applied(actual, change) == wanted
    assert diff_overlay(wanted, wanted).empty
    assert change.empty == (wanted == actual)


def test_a_joining_node_changes_only_the_elements_of_a_set() -> None:
    before = compile_dataplane(view(Transport.ENCAPSULATED, 3), "n0", UPLINK).tables
    after = compile_dataplane(view(Transport.ENCAPSULATED, 4), "n0", UPLINK).tables
    script = "".join(render_change(old, new) for old, new in zip(before, after, strict=True))
    assert script == "add element ip slash24-guard nodes { 10.224.0.7 }\n"
    assert render_change(after[0], after[0]) == ""


def test_a_table_that_is_replaced_goes_on_counting() -> None:
    table = Table("slash24-x", (), (), ("seen", "unseen"))
    lines = render(table, {"seen": (3, 90)}).splitlines()
    assert lines[-2:] == [
        "add counter ip slash24-x seen { packets 3 bytes 90 ; }",
        "add counter ip slash24-x unseen",
    ]
