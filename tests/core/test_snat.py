from ipaddress import ip_address, ip_network

import pytest

from slash24.core.cluster import Node, Settings, View
from slash24.core.routes import Hop, Way, next_hop
from slash24.core.snat import source_seen
from slash24.core.topology import Transport

ONE, TWO = "10.224.0.4", "10.224.0.5"
POD_1, POD_1B, POD_2 = "192.168.0.7", "192.168.0.8", "192.168.1.9"
TUNNEL_1, TUNNEL_2 = "192.168.0.0", "192.168.1.0"
VM, PEERED, INTERNET, IMDS, DNS = "10.224.0.9", "172.16.0.4", "198.51.100.20", "169.254.169.254", "168.63.129.16"


def view(transport: Transport) -> View:
    nodes = (
        Node("n1", ip_address(ONE), (ip_network("192.168.0.0/24"),)),
        Node("n2", ip_address(TWO), (ip_network("192.168.1.0/24"),)),
    )
    return View(Settings(pod_cidr=ip_network("192.168.0.0/16"), transport=transport), nodes)


# The column Overlay of the AKS matrix (docs/sources.md#snat): from, to, source seen.
MATRIX = [
    (POD_1, POD_1B, POD_1),
    (POD_1, POD_2, POD_1),
    (POD_1, TWO, ONE),
    (POD_1, ONE, POD_1),
    (POD_1, VM, ONE),
    (POD_1, PEERED, ONE),
    (POD_1, INTERNET, ONE),
    (POD_1, IMDS, ONE),
    (POD_1, DNS, ONE),
    (ONE, POD_1, ONE),
    (ONE, VM, ONE),
    (VM, POD_1, None),
    (INTERNET, POD_1, None),
    (VM, ONE, VM),
    (POD_1, "192.168.9.9", None),
    ("192.168.9.9", POD_1, None),
]


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize(("source", "destination", "seen"), MATRIX)
def test_overlay_shows_the_sources_that_aks_documents(
    transport: Transport, source: str, destination: str, seen: str | None
) -> None:
    got = source_seen(view(transport), ip_address(source), ip_address(destination))
    assert got == (ip_address(seen) if seen else None)


def test_a_host_speaks_to_a_pod_elsewhere_with_its_tunnel_address_if_there_are_tunnels() -> None:
    encapsulated, routed = view(Transport.ENCAPSULATED), view(Transport.ROUTED)
    assert source_seen(encapsulated, ip_address(ONE), ip_address(POD_2)) == ip_address(TUNNEL_1)
    assert source_seen(routed, ip_address(ONE), ip_address(POD_2)) == ip_address(ONE)


def test_the_way_of_a_packet() -> None:
    encapsulated, routed = view(Transport.ENCAPSULATED), view(Transport.ROUTED)
    assert next_hop(encapsulated, "n1", ip_address(POD_2)) == Hop(Way.TUNNEL, "n2", ip_address(TWO))
    assert next_hop(encapsulated, "n1", ip_address(TUNNEL_2)) == Hop(Way.TUNNEL, "n2", ip_address(TWO))
    assert next_hop(routed, "n1", ip_address(POD_2)) == Hop(Way.FABRIC, "n2")
    for each in (encapsulated, routed):
        assert next_hop(each, "n1", ip_address(POD_1)) == Hop(Way.LOCAL, "n1")
        assert next_hop(each, "n1", ip_address(ONE)) == Hop(Way.LOCAL, "n1")
        assert next_hop(each, "n1", ip_address(TWO)) == Hop(Way.FABRIC, "n2")
        assert next_hop(each, "n1", ip_address(INTERNET)) == Hop(Way.FABRIC)
        assert next_hop(each, "n1", ip_address("192.168.9.9")) == Hop(Way.NOWHERE)
