"""The kernel adapters, on real namespaces."""

import errno
import os
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from slash24.errors import UnsupportedError
from slash24.kernel import abilities, ethtool, mounts, netlink, netns, nft, process, sysctl

pytestmark = pytest.mark.kernel

A, B = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")


@pytest.fixture
def spaces(tmp_path: Path) -> Iterator[tuple[int, int]]:
    paths = [tmp_path / "a", tmp_path / "b"]
    fds = []
    for path in paths:
        netns.create(path)
        fds.append(netns.open_fd(path))
    yield fds[0], fds[1]
    for fd, path in zip(fds, paths, strict=True):
        os.close(fd)
        netns.delete(path)


def test_a_veth_is_born_on_both_sides_with_the_addresses_it_was_given(spaces: tuple[int, int]) -> None:
    here, there = spaces
    with netlink.Netlink(here) as near, netlink.Netlink(there) as far:
        near.send(
            netlink.add_veth("x", "eth0", peer_netns=there, index=10, peer_index=5, mtu=1450, mac="aa:aa:aa:aa:aa:aa"),
            netlink.set_link(10, up=True),
        )
        far.send(netlink.set_link(5, up=True), netlink.add_address(5, IPv4Interface("10.0.0.2/32")))
        (link,) = near.links("x")
        assert (link.index, link.mtu, link.mac, link.kind, link.up) == (10, 1450, "aa:aa:aa:aa:aa:aa", "veth", True)
        assert far.index_of("eth0") == 5
        assert [entry.interface for entry in far.addresses(5)] == [IPv4Interface("10.0.0.2/32")]


def test_routes_read_back_as_they_were_written(spaces: tuple[int, int]) -> None:
    with netlink.Netlink(spaces[0]) as link:
        link.send(netlink.add_veth("x", "y", index=10), netlink.set_link(10, up=True))
        link.send(netlink.set_link(link.index_of("y"), up=True))
        link.send(
            netlink.add_address(10, IPv4Interface("10.0.0.1/32")),
            netlink.add_route(IPv4Network("10.0.0.2/32"), device=10, scope="link", src=A, mtu_lock=1400),
            netlink.add_route(IPv4Network("10.9.0.0/16"), via=B, device=10, onlink=True, table=1001),
            netlink.add_route(IPv4Network("10.8.0.0/16"), kind="blackhole"),
        )
        found = {str(route.dst): route for route in link.routes()}
        assert (found["10.0.0.2/32"].scope, found["10.0.0.2/32"].src, found["10.0.0.2/32"].mtu) == ("link", A, 1400)
        assert found["10.8.0.0/16"].kind == "blackhole"
        assert {route.protocol for route in found.values()} == {netlink.ROUTE_PROTOCOL}
        assert [(str(route.dst), route.via) for route in link.routes(1001)] == [("10.9.0.0/16", B)]
        link.send(netlink.delete_route(IPv4Network("10.9.0.0/16"), table=1001))
        assert link.routes(1001) == []


def test_a_batch_goes_on_past_an_error_and_raises_the_first(spaces: tuple[int, int]) -> None:
    with netlink.Netlink(spaces[0]) as link:
        with pytest.raises(netlink.NetlinkError, match="deletion of link 99") as caught:
            link.send(netlink.delete_link(99), netlink.add_bridge("br0"))
        assert caught.value.errno == errno.ENODEV
        assert link.links("br0")
        link.send(netlink.delete_link(99), ignore={errno.ENODEV})


def test_a_batch_larger_than_the_socket_is_sent_in_parts(spaces: tuple[int, int]) -> None:
    with netlink.Netlink(spaces[0]) as link:
        blocks = list(IPv4Network("10.0.0.0/8").subnets(new_prefix=21))
        link.send(*(netlink.add_route(block, kind="blackhole") for block in blocks))
        assert len(link.routes()) == len(blocks) == 8192


def test_a_vxlan_device_has_its_entries(spaces: tuple[int, int]) -> None:
    with netlink.Netlink(spaces[0]) as link:
        link.send(netlink.add_veth("up", "far", index=10), netlink.set_link(10, up=True))
        mac, other = "02:24:0a:00:00:01", "02:24:0a:00:00:02"
        link.send(netlink.add_vxlan("vx", vni=7, local=A, device=10, mtu=1450, mac=mac, index=20))
        link.send(netlink.add_fdb(20, other, B), netlink.add_neighbour(20, B, other))
        assert link.links("vx")[0].mac == mac
        assert [(entry.mac, entry.dst) for entry in link.fdb(20)] == [(other, B)]
        assert [(n.ip, n.mac, n.permanent) for n in link.neighbours(20)] == [(B, other, True)]
        link.send(netlink.delete_fdb(20, other, B), netlink.delete_neighbour(20, B))
        assert link.fdb(20) == []


def test_a_link_joins_received_packets_or_not(spaces: tuple[int, int]) -> None:
    with netlink.Netlink(spaces[0]) as link:
        link.send(netlink.add_veth("up", "far"))
    assert not ethtool.gro("up", spaces[0])  # a veth's default
    ethtool.set_gro("up", True, spaces[0])
    assert ethtool.gro("up", spaces[0])
    with pytest.raises(ethtool.EthtoolError, match="GRO of link none"):
        ethtool.gro("none", spaces[0])


def test_an_nft_script_is_all_or_nothing(spaces: tuple[int, int]) -> None:
    script = "table ip t {\n counter c {\n }\n}\n"
    with pytest.raises(nft.NftError, match="syntax error"):
        nft.apply_script(script + "nonsense\n", spaces[0])
    assert nft.list_ruleset(spaces[0]) == []
    nft.apply_script(script, spaces[0])
    assert nft.counters("t", spaces[0]) == {"c": (0, 0)}
    assert nft.counters("nosuch", spaces[0]) == {}


def test_every_transaction_makes_a_new_generation(spaces: tuple[int, int]) -> None:
    first = nft.generation(spaces[0])
    nft.apply_script("add table ip a\n", spaces[0])
    assert nft.generation(spaces[0]) == first + 1
    assert nft.list_tables(["a"], spaces[0])
    assert nft.generation(spaces[0]) == first + 1


def test_tables_are_listed_whole_or_not_at_all(spaces: tuple[int, int]) -> None:
    nft.apply_script("add table ip a\nadd table ip b\nadd chain ip b c\n", spaces[0])
    listing = nft.list_tables(["a", "b"], spaces[0])
    assert "table ip a" in listing and "chain c" in listing
    assert nft.list_tables(["a", "nosuch"], spaces[0]) == ""


def test_a_sysctl_is_set_in_its_own_namespace_only(spaces: tuple[int, int]) -> None:
    before = sysctl.read("net.ipv4.ip_forward")
    sysctl.write("net.ipv4.ip_forward", 1, spaces[0])
    assert sysctl.read("net.ipv4.ip_forward", spaces[0]) == "1"
    assert sysctl.read("net.ipv4.ip_forward") == before
    with pytest.raises(sysctl.SysctlError, match="could not be set"):
        sysctl.write("net.ipv4.no_such_setting", 1, spaces[0])


def test_a_deleted_namespace_has_no_name_left(tmp_path: Path) -> None:
    path = tmp_path / "a"
    netns.create(path)
    netns.delete(path)
    netns.delete(path)
    assert not path.exists()
    assert str(path) not in Path("/proc/self/mounts").read_text()


def test_the_thread_is_back_home_after_a_visit(spaces: tuple[int, int]) -> None:
    home = Path("/proc/thread-self/ns/net").stat().st_ino
    with pytest.raises(RuntimeError), netns.inside(spaces[0]):
        assert Path("/proc/thread-self/ns/net").stat().st_ino != home
        raise RuntimeError
    assert Path("/proc/thread-self/ns/net").stat().st_ino == home


def test_a_process_is_known_by_its_pid_and_start_time() -> None:
    pid = os.fork()
    if pid == 0:
        os.execvp("sleep", ["sleep", "60"])
    started = process.started_at(pid)
    assert started is not None
    process.end(pid, started + 1)  # another process: not touched
    assert process.started_at(pid) == started
    process.end(pid, started, grace_s=1)
    assert process.started_at(pid) is None
    os.waitpid(pid, 0)


@pytest.mark.parametrize("rootless", [False, True])
def test_this_machine_has_every_ability_a_lab_needs(rootless: bool) -> None:
    assert [ability.problem for ability in abilities.probe(rootless=rootless)] == [""] * 5


@pytest.mark.parametrize("name", ["veth", "vxlan", "nftables", "overlayfs", "namespaces"])
def test_a_missing_ability_is_named_with_its_fix(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ability = abilities.Ability(name, "something", "Operation not supported", "another kernel")
    monkeypatch.setattr(abilities, "probe", lambda rootless: [ability])
    with pytest.raises(UnsupportedError, match=f"lacks {name}: Operation not supported") as caught:
        abilities.require_all(rootless=False)
    assert (caught.value.fix, caught.value.exit_code) == ("another kernel", 4)


def test_the_probe_leaves_no_mount_behind() -> None:
    before = Path("/proc/self/mounts").read_text()
    abilities.probe()
    assert Path("/proc/self/mounts").read_text() == before


def test_a_mount_that_is_refused_names_its_target(tmp_path: Path) -> None:
    with pytest.raises(mounts.MountError, match=str(tmp_path)):
        mounts.mount("x", tmp_path, "nosuchfs")
