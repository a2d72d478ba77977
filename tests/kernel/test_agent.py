"""Agents, each in a network namespace of its own, joined by a router as in a VNet: the dataplane with real packets."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from slash24.core.topology import Transport
from slash24.dataplane import names
from slash24.kernel import ethtool
from slash24.kernel import netns as netns_files
from slash24.kube import decode, encode
from tests.conftest import Netns, NetnsFactory
from tests.fakeapi import FakeApi

pytestmark = pytest.mark.kernel

NODES = "/api/v1/nodes"
CONFIGS = "/api/v1/namespaces/kube-system/configmaps"
EVENTS = "/api/v1/namespaces/default/events"


def eventually(check: Callable[[], Any], *, for_s: float = 10) -> Any:
    until = time.monotonic() + for_s
    while True:
        seen = check()
        if seen or time.monotonic() > until:
            return seen
        time.sleep(0.02)


@dataclass
class NodeUnderTest:
    name: str
    number: int
    netns: Netns
    folder: Path
    bed: "Bed"
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"10.224.0.{self.number}"

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        token = self.folder / "token"
        token.write_text("t")
        command = [
            sys.executable, "-m", "slash24.agent", "--server", self.bed.api.url, "--token-file", str(token),
            "--node-name", self.name, "--conf-dir", f"{self.folder}/net.d", "--bin-dir", f"{self.folder}/bin",
            "--state-dir", f"{self.folder}/state", "--run-dir", f"{self.folder}/run",
            "--netns-dir", f"{self.bed.folder}/{self.name}-netns",
        ]  # fmt: skip
        with netns_files.inside(self.netns.fd), (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(10)
            self.process = None

    def register(self) -> None:
        address = {"type": "InternalIP", "address": self.address}
        self.bed.api.put(NODES, {"metadata": {"name": self.name}, "spec": {}, "status": {"addresses": [address]}})

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def condition(self) -> dict[str, Any]:
        status = self.bed.api.get(NODES, self.name).get("status", {})
        return next((entry for entry in status.get("conditions", []) if entry["type"] == "NetworkUnavailable"), {})

    def ready(self) -> bool:
        return (self.folder / "net.d/10-slash24.conflist").exists() and self.condition().get("status") == "False"

    def cni(self, command: str, container: str, pod: Netns | None, *, stdin: dict[str, Any] | None = None) -> Any:
        """Call the plugin as a runtime does; return (exit status, JSON or None)."""
        environment = {
            "CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_IFNAME": "eth0", "CNI_PATH": "/none",
            "CNI_NETNS": str(pod.path) if pod else "", "PATH": os.environ["PATH"],
            "CNI_ARGS": f"K8S_POD_NAMESPACE=default;K8S_POD_NAME={container};K8S_POD_UID=uid-{container}",
            "SLASH24_PLUGIN_CONF": f"{self.folder}/state/plugin.conf",
        }  # fmt: skip
        conf = {"cniVersion": "1.1.0", "name": "slash24", "type": "slash24", **(stdin or {})}
        with netns_files.inside(self.netns.fd):
            done = subprocess.run(
                [f"{self.folder}/bin/slash24"], input=json.dumps(conf).encode(), env=environment, capture_output=True,
                timeout=30, check=False,
            )  # fmt: skip
        return done.returncode, json.loads(done.stdout) if done.stdout else None

    def pod(self, name: str) -> tuple[Netns, str]:
        """Make a pod by the plugin's ADD; return its namespace and its address."""
        pod = self.bed.namespaces(name)
        status, result = self.cni("ADD", name, pod)
        assert status == 0, result
        return pod, result["ips"][0]["address"].removesuffix("/32")

    def dropped(self) -> dict[str, int]:
        return {name: count for name, count in self.netns.counters(names.GUARD_TABLE).items() if count}


class Bed:
    """A router that stands for the VNet, an API in it, and nodes around it."""

    def __init__(self, namespaces: NetnsFactory, folder: Path, run: Path) -> None:
        self.namespaces, self.state, self.folder = namespaces, folder, run
        self.router = namespaces("router")
        self.router.run("ip", "addr", "add", "10.224.0.1/32", "dev", "lo")
        for name in ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"):
            self.router.run("sysctl", "-qw", name)
        with netns_files.inside(self.router.fd):
            listener = socket.create_server(("10.224.0.1", 0))
        self.api = FakeApi(listener)
        self.listener = listener
        self.nodes: list[NodeUnderTest] = []

    def configure(self, transport: Transport, **data: str) -> None:
        self.transport = transport
        data = {"pod-cidr": "192.168.0.0/16", "transport": transport, "vni": "7", **data}
        self.api.put(CONFIGS, {"metadata": {"name": "slash24-config", "namespace": "kube-system"}, "data": data})

    def machine(self, name: str, number: int) -> Netns:
        """Join a namespace with the address 10.224.0.number to the router, as a VNet's port: no layer 2 is shared."""
        machine = self.namespaces(name)
        self.router.run(
            "ip", "link", "add", f"p{number}", "type", "veth", "peer", "name", "eth0", "netns", str(machine.path)
        )
        self.router.run("ip", "link", "set", f"p{number}", "up")
        self.router.run("ip", "route", "add", f"10.224.0.{number}/32", "dev", f"p{number}")
        machine.run("ip", "addr", "add", f"10.224.0.{number}/32", "dev", "eth0")
        machine.run("ip", "link", "set", "eth0", "up")
        machine.run("ip", "route", "add", "10.224.0.1/32", "dev", "eth0", "src", f"10.224.0.{number}")
        machine.run("ip", "route", "add", "default", "via", "10.224.0.1", "dev", "eth0")
        return machine

    def node(self, name: str, number: int, block: str | None = None) -> NodeUnderTest:
        node = NodeUnderTest(name, number, self.machine(name, number), self.state / name, self)
        self.nodes.append(node)
        node.register()
        if block:
            self.give(node, block)
        node.start()
        return node

    def give(self, node: NodeUnderTest, block: str) -> None:
        if self.transport is Transport.ROUTED:
            via = ("via", node.address, "dev", f"p{node.number}", "onlink")
            self.router.run("ip", "route", "replace", block, *via)
        item = self.api.get(NODES, node.name)
        item = self.api.put(NODES, {**item, "spec": {"podCIDR": block, "podCIDRs": [block]}})
        settings = decode.settings(self.api.get(CONFIGS, "slash24-config"))
        self.api.put(decode.NNC_PATH, encode.node_network_config(decode.node(item), settings))

    def close(self) -> None:
        for node in self.nodes:
            node.stop()
            for pod in (self.folder / f"{node.name}-netns").glob("*"):
                netns_files.delete(pod)
        self.api.close()
        self.listener.close()


@pytest.fixture
def bed(namespaces: NetnsFactory, tmp_path: Path) -> Iterator[Bed]:
    bed = Bed(namespaces, tmp_path, namespaces.folder)
    try:
        yield bed
    finally:
        bed.close()
        for node in bed.nodes:
            for made in (namespaces.folder / f"{node.name}-netns",):
                if made.exists():
                    made.rmdir()


@pytest.fixture(params=list(Transport))
def pair(bed: Bed, request: pytest.FixtureRequest) -> tuple[NodeUnderTest, NodeUnderTest]:
    """Two ready nodes, with blocks 192.168.0.0/24 and 192.168.1.0/24, by either transport."""
    bed.configure(request.param)
    nodes = bed.node("n1", 4, "192.168.0.0/24"), bed.node("n2", 5, "192.168.1.0/24")
    assert eventually(lambda: all(node.ready() for node in nodes)), nodes[0].log + nodes[1].log
    return nodes


def heard_source(speaker: Netns, listener: Netns, address: str) -> str:
    """Return the source address that `listener` sees when `speaker` sends a datagram to `address`."""
    with netns_files.inside(listener.fd), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("0.0.0.0", 7777))
        ear.settimeout(2)
        with netns_files.inside(speaker.fd), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
            mouth.sendto(b"x", (address, 7777))
        try:
            return str(ear.recvfrom(100)[1][0])
        except TimeoutError:
            return ""


def test_pods_reach_each_other_across_nodes_and_the_sources_are_those_of_the_oracle(
    pair: tuple[NodeUnderTest, NodeUnderTest], bed: Bed
) -> None:
    from ipaddress import ip_address

    from slash24.core.snat import source_seen

    one, two = pair
    vm = bed.machine("vm", 9)
    (a, a_ip), (b, b_ip) = one.pod("a"), two.pod("b")
    c, c_ip = one.pod("c")
    assert a.pings(b_ip)
    assert b.pings(a_ip)
    assert a.pings(c_ip)
    view = decode.view(bed.api.get(CONFIGS, "slash24-config"), bed.api.all(NODES))
    flows = [
        (a, b, a_ip, b_ip), (a, c, a_ip, c_ip), (a, two.netns, a_ip, two.address), (a, one.netns, a_ip, one.address),
        (a, vm, a_ip, "10.224.0.9"), (one.netns, a, one.address, a_ip), (one.netns, b, one.address, b_ip),
        (one.netns, vm, one.address, "10.224.0.9"), (b, one.netns, b_ip, one.address),
    ]  # fmt: skip
    for speaker, listener, source, address in flows:
        expected = source_seen(view, ip_address(source), ip_address(address))
        assert heard_source(speaker, listener, address) == str(expected), (source, address)
    assert source_seen(view, ip_address("10.224.0.9"), ip_address(a_ip)) is None
    if bed.transport is Transport.ENCAPSULATED:
        assert heard_source(vm, a, a_ip) == ""
    # The largest packet, and one more byte.
    mtu = 1450 if bed.transport is Transport.ENCAPSULATED else 1500
    assert a.pings(b_ip, "-M", "do", "-s", str(mtu - 28))
    assert not a.pings(b_ip, "-M", "do", "-s", str(mtu - 27))
    # An address of the block that no pod has is refused at once, and doesn't leave the node.
    assert "Unreachable" in a.run("ping", "-c1", "-W1", "-n", "192.168.0.200", check=False)
    assert one.netns.counters(names.MASQUERADE_TABLE)[names.MASQUERADED] > 0
    assert not one.dropped()
    assert not two.dropped()


def send_forged(pod: Netns, source: str, destination: str, *, port: int = 9, payload: bytes = b"x") -> None:
    """Send a UDP datagram with any source address, from a raw socket of the pod."""
    import struct

    udp = struct.pack("!HHHH", 1234, port, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                       socket.inet_aton(source), socket.inet_aton(destination))  # fmt: skip
    with netns_files.inside(pod.fd), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(head + udp, (destination, 0))


def vxlan(vni: int, source: str, destination: str) -> bytes:
    """Return a VXLAN packet's content with an ICMP echo inside."""
    import struct

    icmp = struct.pack("!BBHHH", 8, 0, 0xF7FF, 0, 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 1, 0,
                     socket.inet_aton(source), socket.inet_aton(destination))  # fmt: skip
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~total & 0xFFFF) + ip[12:]
    return struct.pack("!II", 0x08000000, vni << 8) + b"\xff" * 6 + b"\x02" * 6 + b"\x08\x00" + ip + icmp


def test_forged_sources_and_injected_tunnel_packets_are_dropped_and_counted(
    pair: tuple[NodeUnderTest, NodeUnderTest], bed: Bed
) -> None:
    one, two = pair
    vm = bed.machine("vm", 9)
    (a, a_ip), (_, b_ip) = one.pod("a"), two.pod("b")
    c_ip = one.pod("c")[1]
    for source in (b_ip, c_ip, one.address, two.address, "8.8.8.8", "192.168.0.200"):
        send_forged(a, source, b_ip)
    assert one.dropped() == {names.POD_FORGED_SOURCE: 6}
    inside = vxlan(7, "192.168.1.77", a_ip)
    send_forged(a, a_ip, two.address, port=4789, payload=inside)
    send_forged(a, a_ip, one.address, port=4789, payload=inside)
    assert one.dropped() == {names.POD_FORGED_SOURCE: 6, names.POD_TO_TUNNEL: 2}
    send_forged(vm, "10.224.0.9", one.address, port=4789, payload=inside)
    assert one.dropped()[names.TUNNEL_STRANGER] == 1
    assert two.dropped() == {}
    # In fragments, of which only the first says the port.
    with netns_files.inside(vm.fd), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(inside.ljust(4000, b"."), (one.address, 4789))
    assert eventually(lambda: one.dropped()[names.TUNNEL_STRANGER] == 2)
    # The link's name is enough, should somebody have put it into another group.
    links = [link for link in one.netns.ip("link", "show") if link["group"] == str(names.POD_LINK_GROUP)]
    assert len(links) == 3  # a, c and the probe
    for link in links:
        one.netns.run("ip", "link", "set", link["ifname"], "group", "default")
    send_forged(a, two.address, b_ip)
    assert one.dropped()[names.POD_FORGED_SOURCE] == 7
    # A node may send, but not in the name of this node's pods, nor for the outside, nor to use this node as a way.
    if bed.transport is Transport.ENCAPSULATED:
        for packet in (vxlan(7, a_ip, c_ip), vxlan(7, "8.8.8.8", a_ip), vxlan(7, b_ip, "10.224.0.9")):
            # to the MAC of the tunnel, that the packet isn't dropped as somebody else's
            packet = packet[:8] + bytes.fromhex("02240ae00004") + packet[14:]
            send_forged(two.netns, two.address, one.address, port=4789, payload=packet)
        assert eventually(lambda: one.dropped().get(names.TUNNEL_FORGED_SOURCE) == 2)
        assert one.dropped()[names.TUNNEL_TRANSIT] == 1
    send_forged(vm, c_ip, one.address)
    assert one.dropped()[names.UPLINK_FORGED_SOURCE] == 1


def test_a_node_stays_not_ready_with_udp_4789_dropped_and_says_why(bed: Bed) -> None:
    bed.configure(Transport.ENCAPSULATED)
    first = bed.node("n1", 4, "192.168.0.0/24")
    assert eventually(first.ready), first.log  # alone, by the gateway
    second = bed.machine("n2", 5)
    second.nft("table ip t { chain c { type filter hook input priority -400; udp dport 4789 drop; }; }")
    node = NodeUnderTest("n2", 5, second, bed.state / "n2", bed)
    bed.nodes.append(node)
    node.register()
    bed.give(node, "192.168.1.0/24")
    node.start()
    assert eventually(lambda: node.condition().get("status") == "True"), node.log
    assert re.fullmatch(
        r"no echo from probe 192\.168\.0\.\d+ of node n1 over VXLAN \(UDP 4789\); "
        r"the node's own address 10\.224\.0\.4 answers",
        node.condition()["message"],
    )
    assert not node.ready()
    status, answer = node.cni("STATUS", "", None)
    assert (status, answer["code"]) == (1, 50)
    assert "UDP 4789" in answer["msg"]
    second.run("nft", "delete", "table", "ip", "t")
    assert eventually(node.ready), node.log
    assert first.ready()
    assert node.cni("STATUS", "", None) == (0, None)


def test_what_is_changed_behind_the_agents_back_is_mended(bed: Bed) -> None:
    bed.configure(Transport.ENCAPSULATED)
    one, two = bed.node("n1", 4, "192.168.0.0/24"), bed.node("n2", 5, "192.168.1.0/24")
    assert eventually(lambda: one.ready() and two.ready()), one.log + two.log
    (a, _), (_, b_ip) = one.pod("a"), two.pod("b")
    assert a.pings(b_ip)
    for damage in (
        ("ip", "route", "del", "192.168.1.0/24"),
        ("bridge", "fdb", "del", "02:24:0a:e0:00:05", "dev", "s24vx", "dst", "10.224.0.5"),
        ("ip", "neigh", "del", "192.168.1.0", "dev", "s24vx"),
        # changed, not lost: the kernel tells an addition
        ("bridge", "fdb", "replace", "02:24:0a:e0:00:05", "dev", "s24vx", "dst", "10.224.0.99"),
        ("ip", "neigh", "replace", "192.168.1.0", "lladdr", "02:24:00:00:00:99", "dev", "s24vx", "nud", "permanent"),
        ("ip", "route", "replace", "192.168.1.0/24", "via", "10.224.0.99", "dev", "eth0", "onlink"),
        ("ip", "link", "set", "s24vx", "address", "02:00:00:00:00:01"),
        ("ip", "link", "set", "s24vx", "down"),
        ("ip", "link", "del", "s24vx"),
        ("ip", "addr", "flush", "dev", "s24vx"),
        ("sysctl", "-qw", "net.ipv4.ip_forward=0"),
    ):
        one.netns.run(*damage)
        assert eventually(lambda: a.pings(b_ip), for_s=4), (damage, one.log)


def test_a_table_that_somebody_removes_or_changes_is_back_at_once(bed: Bed) -> None:
    bed.configure(Transport.ENCAPSULATED)
    node = bed.node("n1", 4, "192.168.0.0/24")
    assert eventually(node.ready), node.log
    a, _ = node.pod("a")
    for damage in ("delete table ip slash24-guard", "flush chain ip slash24-guard pods", "flush ruleset"):
        node.netns.nft(damage + "\n")
        assert eventually(lambda: "fib saddr" in node.netns.run("nft", "list", "ruleset"), for_s=4), (damage, node.log)
        before = node.dropped().get(names.POD_FORGED_SOURCE, 0)
        send_forged(a, "10.224.0.9", "10.224.0.4")
        assert node.dropped()[names.POD_FORGED_SOURCE] == before + 1
    assert "masquerade" in node.netns.run("nft", "list", "ruleset"), node.log
    time.sleep(0.3)
    assert node.log.count("table slash24-guard") <= 4, node.log  # our own changes are no reason to change anything


def test_the_tunnel_and_the_settings_do_as_the_uplink_does(bed: Bed) -> None:
    bed.configure(Transport.ENCAPSULATED)
    node = bed.node("n1", 4, "192.168.0.0/24")
    assert eventually(node.ready), node.log

    def rp_filter() -> str:
        return node.netns.run("sysctl", "-n", "net.ipv4.conf.eth0.rp_filter").strip()

    assert not ethtool.gro("s24vx", node.netns.fd)  # as the uplink, a veth
    ethtool.set_gro("eth0", True, node.netns.fd)
    assert eventually(lambda: ethtool.gro("s24vx", node.netns.fd), for_s=4), node.log
    assert rp_filter() == "0"  # off is left as it is ...
    node.netns.run("sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=1")
    assert eventually(lambda: rp_filter() == "2", for_s=4), node.log  # ... and strict made loose


def test_a_change_of_the_uplink_is_heard(bed: Bed) -> None:
    bed.configure(Transport.ENCAPSULATED)
    one, two = bed.node("n1", 4, "192.168.0.0/24"), bed.node("n2", 5, "192.168.1.0/24")
    assert eventually(lambda: one.ready() and two.ready()), one.log + two.log
    (a, _), (_, b_ip) = one.pod("a"), two.pod("b")
    one.netns.run("ip", "link", "set", "eth0", "mtu", "1400")
    assert eventually(lambda: one.netns.ip("link", "show", "s24vx")[0]["mtu"] == 1350, for_s=4), one.log
    one.netns.run("ip", "addr", "flush", "dev", "eth0")
    assert eventually(lambda: "no link of this node has its address" in one.log, for_s=4), one.log
    one.netns.run("ip", "addr", "add", "10.224.0.4/32", "dev", "eth0")
    one.netns.run("ip", "route", "replace", "10.224.0.1/32", "dev", "eth0", "src", "10.224.0.4")
    one.netns.run("ip", "route", "replace", "default", "via", "10.224.0.1", "dev", "eth0")
    assert eventually(lambda: a.pings(b_ip), for_s=4), one.log


def test_pods_come_and_go_with_the_agent_dead(bed: Bed) -> None:
    bed.configure(Transport.ENCAPSULATED)
    node = bed.node("n1", 4, "192.168.0.0/24")
    assert eventually(node.ready), node.log
    a, a_ip = node.pod("a")
    node.stop(signal.SIGKILL)
    b, b_ip = node.pod("b")
    assert a.pings(b_ip)
    assert node.cni("STATUS", "", None) == (0, None)
    assert node.cni("DEL", "a", None) == (0, None)
    assert node.cni("DEL", "a", None) == (0, None)
    assert not node.netns.pings(a_ip)
    node.start()
    assert eventually(lambda: node.log.count("ready") >= 2, for_s=5), node.log
    _, c_ip = node.pod("c")
    assert b.pings(c_ip)
    assert len({a_ip, b_ip, c_ip}) == 3
    status, _ = node.cni("CHECK", "b", b, stdin={"prevResult": {"ips": [{"address": f"{b_ip}/32"}]}})
    assert status == 0


def test_a_block_of_a_removed_node_leads_to_the_node_that_gets_it(bed: Bed) -> None:
    bed.configure(Transport.ENCAPSULATED)
    one, two = bed.node("n1", 4, "192.168.0.0/24"), bed.node("n2", 5, "192.168.1.0/24")
    assert eventually(lambda: one.ready() and two.ready()), one.log + two.log
    a, _ = one.pod("a")
    two.stop()
    bed.api.remove(NODES, "n2")
    bed.api.remove(decode.NNC_PATH, "n2")
    assert eventually(lambda: not one.netns.ip("route", "show", "192.168.1.0/24"))
    three = bed.node("n3", 6, "192.168.1.0/24")
    assert eventually(three.ready), three.log
    _, c_ip = three.pod("c")
    assert a.pings(c_ip)


def test_a_claim_to_another_nodes_block_is_refused_and_said(bed: Bed) -> None:
    bed.configure(Transport.ENCAPSULATED)
    one = bed.node("n1", 4, "192.168.0.0/24")
    assert eventually(one.ready), one.log
    late = bed.node("n2", 5, "192.168.0.0/24")
    assert eventually(lambda: bed.api.all(EVENTS)), late.log
    assert "block 192.168.0.0/24 is refused: node n1 has it" in bed.api.all(EVENTS)[0]["message"]
    assert not late.ready()
    assert one.netns.ip("route", "show", "192.168.0.0/24")[0]["type"] == "unreachable"
