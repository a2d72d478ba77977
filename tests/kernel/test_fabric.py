"""The fabric: what a port lets through, which way packets go, what the internet sees."""

import os
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from slash24.core.topology import Subnet, VNet
from slash24.kernel import netlink, netns
from slash24.lab.connectivity.packets import Machine, echo, forge, listen_udp, received, tcp_source
from slash24.lab.fabric import WHOAMI, Internet, Port, VNetNamespace, public_address

pytestmark = pytest.mark.kernel

PREFIX = IPv4Network("10.224.0.0/16")
GATEWAY = IPv4Address("10.224.0.1")
POD_CIDR = IPv4Network("192.168.0.0/16")


class Bed:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.internet = Internet(folder / "internet")
        vnet = VNet("/vnet", (IPv4Network("10.224.0.0/12"),), (Subnet("nodes", PREFIX),))
        self.vnet = VNetNamespace(folder / "vnet", 1, vnet, self.internet)
        self.fds: list[int] = []

    def machine(self, number: int, cluster: int = 1) -> Machine:
        name = f"m{number}"
        netns.create(self.folder / name)
        port = Port(number, PREFIX[3 + number], GATEWAY, cluster)
        self.vnet.plug(name, port, self.folder / name, PREFIX)
        self.vnet.apply_filter()
        fd = netns.open_fd(self.folder / name)
        self.fds.append(fd)
        return Machine(name, fd, port.address)

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)
        self.vnet.delete()
        self.internet.close()
        os.close(self.internet.fd)
        for path in self.folder.iterdir():
            netns.delete(path)


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path)
    yield made
    made.close()


def give(machine: Machine, address: str) -> None:
    with netlink.Netlink(machine.netns) as link:
        link.send(netlink.add_address(1, IPv4Interface(address)))


def test_machines_reach_each_other_with_their_own_addresses(bed: Bed) -> None:
    one, two = bed.machine(1), bed.machine(2)
    assert tcp_source(one, two) == str(one.address)


def test_the_gateway_answers_and_an_unused_address_does_not(bed: Bed) -> None:
    one = bed.machine(1)
    assert echo(one, GATEWAY, 100) == "answered"
    assert echo(one, IPv4Address("10.224.9.9"), 100, wait_s=0.1) in ("lost", "refused")


def test_the_internet_sees_the_clusters_public_address(bed: Bed) -> None:
    one, other = bed.machine(1, cluster=1), bed.machine(2, cluster=2)
    host = Machine("internet", bed.internet.fd, WHOAMI)
    assert tcp_source(one, host) == str(public_address(1))
    assert tcp_source(other, host) == str(public_address(2))


def test_a_private_address_outside_the_network_never_reaches_the_internet(bed: Bed) -> None:
    one = bed.machine(1)
    with netlink.Netlink(bed.internet.fd) as link:
        link.send(netlink.add_address(1, IPv4Interface("172.20.0.1/32")))
    assert echo(one, IPv4Address("172.20.0.1"), 100, wait_s=0.1) == "lost"


@pytest.mark.parametrize("source", ["10.224.0.5", "192.168.0.7", "9.9.9.9"])
def test_a_port_drops_and_counts_what_its_nic_does_not_own(bed: Bed, source: str) -> None:
    one, two = bed.machine(1), bed.machine(2)
    with listen_udp(two, 5000) as listener:
        forge(one, IPv4Address(source), two.address, 5000, b"forged")
        assert not received(listener)
        assert bed.vnet.spoofed() == 1
        forge(one, one.address, two.address, 5000, b"honest")
        assert received(listener)
    assert bed.vnet.spoofed() == 1


def test_a_change_of_ports_keeps_what_was_counted(bed: Bed) -> None:
    one, two = bed.machine(1), bed.machine(2)
    forge(one, two.address, two.address, 5000, b"forged")
    bed.machine(3)
    assert bed.vnet.spoofed() == 1


def test_a_smaller_path_is_learned(bed: Bed) -> None:
    one, two = bed.machine(1), bed.machine(2)
    bed.vnet.set_path_mtu("m2", 1400)
    assert [echo(one, two.address, 1500, wait_s=0.2) for _ in range(2)][-1] == "too big: 1400"
    assert echo(one, two.address, 1400) == "answered"


def test_blocks_are_routed_within_their_cluster_only(bed: Bed) -> None:
    nodes = [bed.machine(1, cluster=1), bed.machine(2, cluster=1), bed.machine(3, cluster=2), bed.machine(4, cluster=2)]
    for i, node in enumerate(nodes):
        block = IPv4Network(f"192.168.{i % 2}.0/24")
        give(node, f"{block[7]}/32")
        bed.vnet.set_blocks(node.name, (block,), POD_CIDR)
    bed.vnet.apply_filter()
    pod = IPv4Address("192.168.1.7")
    for client, server, stranger in ((nodes[0], nodes[1], nodes[3]), (nodes[2], nodes[3], nodes[1])):
        with (
            listen_udp(Machine("s", server.netns, pod), 5000) as own,
            listen_udp(Machine("t", stranger.netns, pod), 5000) as other,
        ):
            forge(client, IPv4Address("192.168.0.7"), pod, 5000, b"pod")
            assert received(own)
            assert not received(other, 0.05)


def test_a_machine_outside_the_cluster_has_no_way_to_its_blocks(bed: Bed) -> None:
    node, vm = bed.machine(1, cluster=1), bed.machine(2, cluster=0)
    give(node, "192.168.0.7/32")
    bed.vnet.set_blocks(node.name, (IPv4Network("192.168.0.0/24"),), POD_CIDR)
    bed.vnet.apply_filter()
    assert tcp_source(vm, Machine("pod", node.netns, IPv4Address("192.168.0.7"))) in ("lost", "refused")


def test_an_unplugged_nic_leaves_nothing_behind(bed: Bed) -> None:
    one, two = bed.machine(1), bed.machine(2)
    bed.vnet.set_blocks(two.name, (IPv4Network("192.168.1.0/24"),), POD_CIDR)
    bed.vnet.unplug("m2")
    bed.vnet.apply_filter()
    assert echo(one, two.address, 100, wait_s=0.1) in ("lost", "refused")
    assert bed.vnet.netlink.links("p2") == []
    assert [route for route in bed.vnet.netlink.routes(1001) if route.device] == []


def test_a_new_server_adopts_the_network_that_stands(bed: Bed) -> None:
    one, two = bed.machine(1), bed.machine(2)
    again = VNetNamespace(bed.folder / "vnet", 1, bed.vnet.vnet, bed.internet)
    for machine, number in ((one, 1), (two, 2)):
        again.plug(machine.name, Port(number, machine.address, GATEWAY, 1), bed.folder / machine.name, PREFIX)
    again.apply_filter()
    assert tcp_source(one, two) == str(one.address)
    again.close()
