"""The checks: each sends packets and tells what was expected and what was seen."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from slash24.core.snat import source_seen
from slash24.core.topology import Transport
from slash24.kernel import netlink, nft
from slash24.lab.connectivity import packets
from slash24.lab.connectivity.bed import Cluster
from slash24.lab.connectivity.packets import Machine
from slash24.lab.fabric import domain_table

_GUARD = "slash24-guard"
_FABRIC_MTU = 1500
_SMALLER_MTU = 1400
_VXLAN_OVERHEAD = 50  # outer Ethernet 14, IPv4 20, UDP 8, VXLAN 8
_TUNNEL_PORT = 4789
_PORT = 18080


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check expected and saw, in words; `ok` is its verdict."""

    expected: str
    seen: str
    ok: bool

    @staticmethod
    def of(expected: object, seen: object) -> "Outcome":
        return Outcome(str(expected), str(seen), str(expected) == str(seen))


@dataclass(frozen=True, slots=True)
class Scene:
    """The machines of one cluster's checks: pods a1 and a2 on the first node, b1 on the second."""

    cluster: Cluster
    a1: Machine
    a2: Machine
    b1: Machine
    node_a: Machine
    node_b: Machine
    vm: Machine | None
    internet: Machine
    vnet: int  # descriptor of the virtual network's namespace

    def expected_source(self, source: Machine, target: Machine) -> str:
        """Return what `core.snat` says that the target sees."""
        return str(source_seen(self.cluster.view(), source.address, target.address) or "lost")

    @property
    def pod_mtu(self) -> int:
        return _FABRIC_MTU - (_VXLAN_OVERHEAD if self.cluster.transport is Transport.ENCAPSULATED else 0)


def same_node(scene: Scene) -> Outcome:
    return _source(scene, scene.a1, scene.a2)


def across_nodes(scene: Scene) -> Outcome:
    return _source(scene, scene.a1, scene.b1)


def pod_to_vm(scene: Scene) -> Outcome:
    if scene.vm is None:
        return Outcome("a virtual machine in the network", "no room for one in the network", ok=False)
    return _source(scene, scene.a1, scene.vm)


def pod_to_other_node(scene: Scene) -> Outcome:
    return _source(scene, scene.a1, scene.node_b)


def pod_to_internet(scene: Scene) -> Outcome:
    expected = scene.cluster.status["outboundAddress"]
    return Outcome.of(expected, packets.tcp_source(scene.a1, scene.internet))


def vm_to_pod(scene: Scene) -> Outcome:
    if scene.vm is None:
        return Outcome("a virtual machine in the network", "no room for one in the network", ok=False)
    seen = packets.tcp_source(scene.vm, scene.a1)
    return Outcome("refused or lost", seen, seen in ("refused", "lost"))


def host_to_own_pod(scene: Scene) -> Outcome:
    return _source(scene, scene.node_a, scene.a1)


def host_to_remote_pod(scene: Scene) -> Outcome:
    return _source(scene, scene.node_a, scene.b1)


def _source(scene: Scene, source: Machine, target: Machine) -> Outcome:
    return Outcome.of(scene.expected_source(source, target), packets.tcp_source(source, target))


def largest_packet(scene: Scene) -> Outcome:
    """The largest packet crosses whole in both directions, and one byte more is refused at its sender."""
    size = scene.pod_mtu
    seen = []
    for source, target in ((scene.a1, scene.b1), (scene.b1, scene.a1)):
        seen.append(f"{size} {packets.echo(source, target.address, size)}")
        seen.append(f"{size + 1} {packets.echo(source, target.address, size + 1)}")
    return Outcome.of("; ".join([f"{size} answered", f"{size + 1} too big: {size}"] * 2), "; ".join(seen))


def path_mtu(scene: Scene) -> Outcome:
    """A smaller MTU on the fabric's way to a node is learned by pods, and TCP goes on."""
    smaller = scene.pod_mtu - (_FABRIC_MTU - _SMALLER_MTU)
    with netlink.Netlink(scene.vnet) as fabric:
        domain = domain_table(scene.cluster.status["number"])
        node = next(entry for entry in fabric.routes() if entry.dst == IPv4Network(scene.node_b.address))
        # In `routed` the fabric has a way to the node's pods besides.
        pods = [entry for entry in fabric.routes(domain) if entry.device == node.device]

        def set_mtu(mtu: int | None) -> None:
            for table, route in [(netlink.MAIN_TABLE, node), *((domain, route) for route in pods)]:
                fabric.send(
                    netlink.add_route(
                        route.dst, via=route.via, device=route.device, src=route.src, scope=route.scope, table=table,
                        mtu_lock=mtu, onlink=route.via is not None,
                    )
                )  # fmt: skip

        set_mtu(_SMALLER_MTU)
        try:
            answers = [packets.echo(scene.a1, scene.b1.address, scene.pod_mtu, wait_s=0.1) for _ in range(4)]
            learned = next((answer for answer in answers if answer.startswith("too big")), answers[-1])
            fits = packets.echo(scene.a1, scene.b1.address, smaller)
            done = packets.transfer(scene.a1, scene.b1, 1 << 20)
        finally:
            set_mtu(None)
    seen = f"{learned}; {smaller} {fits}; 1 MiB by TCP {done}"
    return Outcome.of(f"too big: {smaller}; {smaller} answered; 1 MiB by TCP complete", seen)


def forged_pod_address(scene: Scene) -> Outcome:
    """A pod that sends with another pod's address."""
    return _dropped(
        lambda: packets.forge(scene.a1, scene.a2.address, scene.b1.address, _PORT, b"forged"), scene.b1, scene.node_a
    )


def forged_node_address(scene: Scene) -> Outcome:
    """A pod that sends with its node's address."""
    source, target = scene.node_a.address, scene.node_b
    return _dropped(lambda: packets.forge(scene.a1, source, target.address, _PORT, b"forged"), target, scene.node_a)


def vxlan_from_pod(scene: Scene) -> Outcome:
    """A pod that sends VXLAN to another node's tunnel port."""
    inner = _inner(scene)
    target = scene.node_b.address
    return _dropped(lambda: packets.send_udp(scene.a1, target, _TUNNEL_PORT, inner), scene.b1, scene.node_a)


def vxlan_from_vm(scene: Scene) -> Outcome:
    """A virtual machine of the network that sends VXLAN to a node's tunnel port."""
    if scene.vm is None:
        return Outcome("a virtual machine in the network", "no room for one in the network", ok=False)
    inner, vm = _inner(scene), scene.vm
    target = scene.node_b.address
    return _dropped(lambda: packets.send_udp(vm, target, _TUNNEL_PORT, inner), scene.b1, scene.node_b)


def _inner(scene: Scene) -> bytes:
    with netlink.Netlink(scene.node_b.netns) as node:
        mac = next((link.mac for link in node.links() if link.kind == "vxlan"), "02:24:00:00:00:02")
    number = scene.cluster.status["number"]
    return packets.vxlan_packet(number, scene.a1.address, scene.b1.address, _PORT, b"injected", mac)


def _dropped(send: Callable[[], None], target: Machine, guard: Machine) -> Outcome:
    """Send, and tell whether the target saw it and whether the guard on the way counted it."""
    with packets.listen_udp(target, _PORT) as listener:
        before = _drops(guard.netns)
        send()
        arrived = packets.received(listener)
        counted = _drops(guard.netns) - before
    seen = f"{'delivered' if arrived else 'dropped'}, {'counted' if counted else 'not counted'}"
    return Outcome.of("dropped, counted", seen)


def _drops(node: int) -> int:
    return sum(count for count, _ in nft.counters(_GUARD, node).values())


#: The checks on one cluster, by name, in the order in which they run.
CHECKS: dict[str, Callable[[Scene], Outcome]] = {
    "same-node": same_node,
    "across-nodes": across_nodes,
    "pod-to-vm": pod_to_vm,
    "pod-to-other-node": pod_to_other_node,
    "pod-to-internet": pod_to_internet,
    "vm-to-pod": vm_to_pod,
    "host-to-own-pod": host_to_own_pod,
    "host-to-remote-pod": host_to_remote_pod,
    "largest-packet": largest_packet,
    "path-mtu": path_mtu,
    "forged-pod-address": forged_pod_address,
    "forged-node-address": forged_node_address,
    "vxlan-from-pod": vxlan_from_pod,
    "vxlan-from-vm": vxlan_from_vm,
}


def same_address(left: tuple[Machine, Machine], right: tuple[Machine, Machine], address: IPv4Address) -> Outcome:
    """Two clusters with the same pod CIDR: each client reaches its own server at `address`, nothing crosses.

    left, right: (client, server) of each cluster; both servers have `address`.
    """
    names = ("own", "the other's")
    seen = []
    with packets.serve_name(left[1], _PORT) as one, packets.serve_name(right[1], _PORT) as two:
        for client, listeners in ((left[0], (one, two)), (right[0], (two, one))):
            seen.append(packets.who_answers(client, address, _PORT, dict(zip(names, listeners, strict=True))))
    return Outcome.of("own; own", "; ".join(seen))
