"""The nft script of a virtual network, whole."""

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from slash24.core.topology import Subnet, VNet
from slash24.lab.fabric import Port, compile_filter, nic_mac, public_address

VNET = VNet("/v", (IPv4Network("10.10.0.0/16"),), (Subnet("s", IPv4Network("10.10.0.0/24")),))
GATEWAY = IPv4Address("10.10.0.1")


def test_the_filter_of_a_virtual_network(golden: Any) -> None:
    ports = [
        Port(2, IPv4Address("10.10.0.5"), GATEWAY, 2, (IPv4Network("192.168.0.0/24"),), routed=True),
        Port(1, IPv4Address("10.10.0.4"), GATEWAY, 1),
    ]
    golden.check("fabric.nft", compile_filter(VNET, ports))


def test_a_network_without_ports_has_a_filter_too() -> None:
    assert "ip daddr 10.10.0.0/16 notrack" in compile_filter(VNET, [])
    assert "snat to ip saddr map @outbound" in compile_filter(VNET, [])


def test_public_addresses_and_macs_follow_from_numbers() -> None:
    assert str(public_address(1)) == "203.0.113.2"
    assert len({public_address(n) for n in range(253)}) == 253
    assert nic_mac(IPv4Address("10.10.0.4")) == "02:00:0a:0a:00:04"


def test_blocks_that_lie_in_each_other_are_no_conflict() -> None:
    wide, narrow = IPv4Network("10.244.0.0/20"), IPv4Network("10.244.1.0/24")
    ports = [
        Port(1, IPv4Address("10.10.0.4"), GATEWAY, 1, (wide,), routed=True),
        Port(2, IPv4Address("10.10.0.5"), GATEWAY, 2, (narrow,), routed=True),
    ]
    assert "routed { 10.244.0.0/20 }" in compile_filter(VNET, ports)
