"""ADD, DEL and CHECK with real links."""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from slash24.attach.link import LinkError
from slash24.attach.pods import Attachment, DamagedError, GoneError, Pods
from slash24.kernel.netlink import Netlink, NetlinkError
from slash24.store.leases import BlockFullError, Leases, NodeSettings
from tests.conftest import Netns, NetnsFactory

pytestmark = pytest.mark.kernel


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    store = Leases(tmp_path / "leases.db", boot="this")
    store.configure(NodeSettings("n1", "10.224.0.4", ("192.168.0.0/28",), ("192.168.0.0",), 1450))
    yield store
    store.close()


@pytest.fixture
def pods(leases: Leases, netns: Netns) -> Iterator[Pods]:
    with netns.netlink() as netlink:
        netns.run("ip", "addr", "add", "10.224.0.4/32", "dev", "lo")
        yield Pods(leases, netlink)


def attachment(pod: Netns, container: str = "c1") -> Attachment:
    return Attachment(container, "eth0", str(pod.path), "default", pod.path.name, f"uid-{container}")


def test_two_pods_of_a_node_reach_each_other_and_the_node(pods: Pods, netns: Netns, namespaces: NetnsFactory) -> None:
    netns.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    first, second = namespaces("a"), namespaces("b")
    a = pods.add(attachment(first, "c1")).lease.ip
    b = pods.add(attachment(second, "c2")).lease.ip
    assert (a, b) == (ip_address("192.168.0.1"), ip_address("192.168.0.2"))
    assert first.pings(b)
    assert second.pings(a)
    assert netns.pings(a)
    assert first.pings("10.224.0.4")
    assert first.ip("route", "get", str(b))[0]["gateway"] == "169.254.1.1"
    pods.check(attachment(first, "c1"), [a])


def test_the_ways_to_pods_come_back_when_the_nodes_address_was_away(
    pods: Pods, netns: Netns, namespaces: NetnsFactory
) -> None:
    pod, other = namespaces("a"), namespaces("b")
    address = pods.add(attachment(pod, "c1")).lease.ip
    pods.add(attachment(other, "c2"))
    assert pods.mend() == 0
    netns.run("ip", "addr", "del", "10.224.0.4/32", "dev", "lo")  # takes the routes whose source it is
    netns.run("ip", "addr", "add", "10.224.0.4/32", "dev", "lo")
    assert not netns.pings(address)
    assert pods.mend() == 2
    assert netns.pings(address)
    pods.check(attachment(pod, "c1"), [address])
    netns.run("ip", "neigh", "del", str(address), "dev", netns.ip("route", "get", str(address))[0]["dev"])
    assert (pods.mend(), pods.mend()) == (1, 0)


def test_a_deleted_pod_leaves_nothing_and_its_address_is_used_last(
    pods: Pods, netns: Netns, namespaces: NetnsFactory
) -> None:
    pod = namespaces("a")
    first = pods.add(attachment(pod, "c1")).lease.ip
    pods.delete("c1", "eth0")
    pods.delete("c1", "eth0")
    assert [link["ifname"] for link in netns.ip("link")] == ["lo"]
    assert pod.ip("link") == netns.ip("link") or len(pod.ip("link")) == 1
    assert pods.leases.all() == []
    assert pods.add(attachment(pod, "c2")).lease.ip == first + 1


def test_a_del_after_the_namespace_is_gone_succeeds(pods: Pods, namespaces: NetnsFactory) -> None:
    pod = namespaces("a")
    pods.add(attachment(pod))
    namespaces.made.remove(pod)
    pod.close()
    pods.delete("c1", "eth0")
    assert pods.leases.all() == []


def test_a_failed_add_returns_the_address(pods: Pods, netns: Netns, namespaces: NetnsFactory) -> None:
    pod = namespaces("a")
    pod.run("ip", "link", "add", "eth0", "type", "bridge")
    with pytest.raises(LinkError, match="eth0 exists already"):
        pods.add(attachment(pod))
    with pytest.raises(GoneError):
        pods.add(Attachment("c9", "eth0", "/run/none"))
    with pytest.raises(GoneError, match="no network namespace"):
        pods.add(Attachment("c9", "eth0", "/etc/passwd"))
    with pytest.raises(GoneError, match="own network namespace"):
        pods.add(Attachment("c9", "eth0", "/proc/self/ns/net"))
    assert pods.leases.all() == []
    assert [link["ifname"] for link in netns.ip("link")] == ["lo"]


def test_a_left_over_link_of_the_same_name_is_replaced(pods: Pods, netns: Netns, namespaces: NetnsFactory) -> None:
    pod = namespaces("a")
    name = pods.add(attachment(pod)).link.host_veth
    pods.leases.release(pods.leases.all()[0])  # as if the store had been lost
    other = namespaces("b")
    made = pods.add(attachment(other))
    assert made.link.host_veth == name
    assert netns.pings(made.lease.ip)


def test_a_new_sandbox_of_a_pod_frees_the_old_one(pods: Pods, namespaces: NetnsFactory) -> None:
    pod = namespaces("a")
    pods.add(Attachment("old", "eth0", str(pod.path), "default", "a", "uid-1"))
    again = namespaces("b")
    pods.add(Attachment("new", "eth0", str(again.path), "default", "a", "uid-1"))
    assert [lease.container_id for lease in pods.leases.all()] == ["new"]


def test_a_full_block_refuses_with_the_words_of_aks(pods: Pods, namespaces: NetnsFactory) -> None:
    pod = namespaces("a")
    for number in range(15):
        pods.leases.reserve(f"x{number}", "eth0", attempt="1", host_veth=f"v{number}", netns="")
    with pytest.raises(BlockFullError, match="not enough IPs available of type IPv4 for default/a, waiting on"):
        pods.add(attachment(pod))


def test_check_names_each_damage(pods: Pods, netns: Netns, namespaces: NetnsFactory) -> None:
    pod = namespaces("a")
    attached = pods.add(attachment(pod))
    ip = attached.lease.ip
    netns.run("ip", "route", "del", f"{ip}/32")
    netns.run("ip", "neigh", "flush", "dev", attached.link.host_veth, "nud", "permanent")
    pod.run("ip", "route", "del", "default")
    pod.run("ip", "link", "set", "eth0", "mtu", "1400")
    with pytest.raises(DamagedError) as error:
        pods.check(attachment(pod), [ip_address("192.168.0.9")])
    for words in ("192.168.0.9 is not", "no route to", "no permanent neighbour", "no default route", "MTU 1400"):
        assert words in str(error.value)


def test_gc_takes_what_is_not_listed_but_the_probe(pods: Pods, namespaces: NetnsFactory) -> None:
    for number, container in enumerate(("keep", "drop", "slash24-probe")):
        pods.add(attachment(namespaces(f"p{number}"), container))
    assert pods.collect([("keep", "eth0")]) == []
    assert {lease.container_id for lease in pods.leases.all()} == {"keep", "slash24-probe"}


def test_an_add_that_dies_at_any_message_leaves_nothing(
    pods: Pods, netns: Netns, namespaces: NetnsFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = namespaces("a")
    send = Netlink.send
    for dies_at in range(3):
        calls = iter(range(100))

        def failing(
            self: Netlink,
            *requests: object,
            calls: Iterator[int] = calls,
            dies_at: int = dies_at,
            **options: object,
        ) -> None:
            if next(calls) == dies_at:
                raise NetlinkError(12, "a test")
            send(self, *requests, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(Netlink, "send", failing)
        with pytest.raises(NetlinkError):
            pods.add(attachment(pod))
        monkeypatch.setattr(Netlink, "send", send)
        assert pods.leases.all() == []
        assert [link["ifname"] for link in netns.ip("link")] == ["lo"]
