"""Each connectivity check turns red when the lab is broken in the way that it looks for.

The agents of the broken nodes are stopped meanwhile: they would repair most of this before a packet is sent. The faults
of `slash24 lab break` have tests of their own, with the same checks (test_faults.py).
"""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

import pytest

from slash24.cli.lab_access import LabAccess
from slash24.cli.session import Session
from slash24.lab.connectivity import checks, packets, run
from slash24.lab.connectivity.bed import Bed, Cluster, start_pods
from slash24.lab.connectivity.checks import CHECKS, Scene
from slash24.lab.connectivity.packets import Machine
from tests.e2e.labs import LabUnderTest, eventually

pytestmark = pytest.mark.lab


class Access(LabAccess):
    """The lab's APIs as the command uses them, with sessions that can be closed."""

    def __init__(self) -> None:
        super().__init__(SimpleNamespace(lab="default", subscription="0"))  # type: ignore[arg-type]
        self._sessions: list[Session] = []

    def _session(self) -> Session:
        self._sessions.append(Session("default"))
        return self._sessions[-1]

    def close(self) -> None:
        for session in self._sessions:
            session.close()


class Stage:
    """A runner whose pods and clusters stay for all tests of this file."""

    def __init__(self, lab: LabUnderTest) -> None:
        os.environ["SLASH24_HOME"] = str(lab.paths.home)
        self.lab = lab
        self.loop = asyncio.new_event_loop()
        self.bed = Bed(lab.paths)
        self.access = Access()
        self.runner = run.Runner(self.bed, self.access, lambda _: None)
        self.cluster = self.wait(self.runner.open_cluster("rg-lab.lab"))
        self.scene: Scene = self.wait(self.runner.open_scene(self.cluster))
        self._built: dict[str, Cluster] = {}

    def wait(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def clusters(self) -> dict[str, Cluster]:
        if not self._built:
            self._built = self.wait(self.runner.build_extra(self.cluster, list(run.NAMES)))
        return self._built

    def close(self) -> None:
        self.bed.close()
        self.wait(self.runner.clean_up())
        self.wait(self.loop.shutdown_default_executor())
        self.loop.close()
        self.access.close()
        del os.environ["SLASH24_HOME"]


@pytest.fixture(scope="module")
def stage(lab: LabUnderTest) -> Iterator[Stage]:
    lab.wait_until_ready()
    patience_s = packets._PATIENCE_S
    packets._PATIENCE_S = 0.3  # broken means lost, many times over
    stage = Stage(lab)
    try:
        yield stage
    finally:
        stage.close()
        packets._PATIENCE_S = patience_s


class Place:
    """Where a break happens: one machine's network namespace. `restore` puts routes and nft tables back."""

    def __init__(self, netns: int) -> None:
        self._netns = f"/proc/{os.getpid()}/fd/{netns}"
        self._routes = self("ip route show").splitlines()
        self._tables = self("nft list ruleset")

    def __call__(self, command: str) -> str:
        done = subprocess.run(
            ["nsenter", f"--net={self._netns}", "sh", "-c", command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def restore(self) -> None:
        for line in set(self("ip route show").splitlines()) - set(self._routes):
            self(f"ip route del {line}")
        for line in set(self._routes) - set(self("ip route show").splitlines()):
            self(f"ip route replace {line}")
        self("ip route flush cache")  # what was learned about path MTUs
        subprocess.run(
            ["nsenter", f"--net={self._netns}", "nft", "-f", "-"],
            input=f"flush ruleset\n{self._tables}", text=True, check=True,
        )  # fmt: skip


@dataclass(frozen=True)
class Broken:
    """One break: `do` gives the namespace and the command; routes and tables are put back, `undo` does the rest."""

    check: str
    what: str
    do: Callable[[Scene], tuple[int, str]]
    undo: str = ""


def _block(machine: Machine) -> str:
    return f"{machine.address.exploded.rpartition('.')[0]}.0/24"


def _table(rule: str, hook: str = "prerouting", kind: str = "filter", priority: int = -400) -> str:
    return f"nft 'table ip broken {{ chain c {{ type {kind} hook {hook} priority {priority}; {rule}; }}; }}'"


def _port(scene: Scene, machine: Machine) -> str:
    return Place(scene.vnet)(f"ip route show {machine.address}").split(" dev ")[1].split()[0]


_GUARD_OFF = "nft flush chain ip slash24-guard prerouting"
_TUNNEL_MAC = "$(bridge fdb show dev s24vx | head -1 | cut -d' ' -f1)"


def _source(destination: object, source: object) -> str:
    """Change the source address that a route prescribes."""
    # `ip` doesn't tell `onlink` of a gateway that is on the link by its own rule, but wants it said again.
    return (
        f"ip route replace $(ip route show {destination} | sed 's/ src .*//')"
        f" $(ip route show {destination} | grep -o onlink) src {source}"
    )


BREAKS = [
    Broken("same-node", "route to the pod removed", lambda s: (s.node_a.netns, f"ip route del {s.a2.address}")),
    Broken("across-nodes", "route to the other block removed",
           lambda s: (s.node_a.netns, f"ip route del {_block(s.b1)}")),
    Broken("across-nodes", "source translated on the way",
           lambda s: (s.node_a.netns, _table("oifname s24vx masquerade", "postrouting", "nat", 90))),
    Broken("across-nodes", "VXLAN lost in the fabric", lambda s: (s.vnet, _table("udp dport 4789 drop"))),
    *(
        Broken(name, "masquerade rules gone",
               lambda s: (s.node_a.netns, "nft flush chain ip slash24-masq postrouting"))
        for name in ("pod-to-vm", "pod-to-other-node", "pod-to-internet")
    ),
    *(
        Broken(name, "the network's prefix on the non-masquerade list",
               lambda s: (s.node_a.netns, "nft add element ip slash24-masq non-masquerade '{ 10.224.0.0/12 }'"))
        for name in ("pod-to-vm", "pod-to-other-node")
    ),
    Broken("pod-to-internet", "the outbound address of another cluster",
           lambda s: (s.vnet, _table("oifname up0 snat to 203.0.113.1", "postrouting", "nat", 90))),
    Broken("vm-to-pod", "the pods' block leaked into the network's routes",
           lambda s: (s.vnet, f"ip route add {_block(s.a1)} via {s.node_a.address} dev {_port(s, s.node_a)} onlink && "
                      f"nft insert rule ip slash24-fabric ports ip saddr {_block(s.a1)} accept")),
    Broken("host-to-own-pod", "source of the pod's route changed",
           lambda s: (s.node_a.netns, _source(s.a1.address, _block(s.a1)[:-3]))),
    Broken("host-to-own-pod", "the node's packets to its pods dropped",
           lambda s: (s.node_a.netns, _table('oifname "s24p*" drop', "output"))),
    Broken("host-to-remote-pod", "the node's address as the source of the block's route",
           lambda s: (s.node_a.netns, _source(_block(s.b1), s.node_a.address))),
    Broken("largest-packet", "MTU of the tunnel lowered",
           lambda s: (s.node_a.netns, "ip link set s24vx mtu 1400"), "ip link set s24vx mtu 1450"),
    Broken("largest-packet", "MTU of a pod lowered",
           lambda s: (s.b1.netns, "ip link set eth0 mtu 1400"), "ip link set eth0 mtu 1450"),
    Broken("path-mtu", "'fragmentation needed' filtered",
           lambda s: (s.node_a.netns, _table("icmp type destination-unreachable icmp code frag-needed drop"))),
    Broken("forged-pod-address", "guard off", lambda s: (s.node_a.netns, _GUARD_OFF)),
    Broken("forged-node-address", "guard off", lambda s: (s.node_a.netns, _GUARD_OFF)),
    Broken("vxlan-from-pod", "guard off", lambda s: (s.node_a.netns, _GUARD_OFF)),
    Broken("vxlan-from-vm", "guard off", lambda s: (s.node_b.netns, "nft flush chain ip slash24-guard uplink")),
]  # fmt: skip


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: f"{broken.check}: {broken.what}")
def test_a_check_turns_red_when_the_lab_is_broken_and_green_again_afterwards(stage: Stage, broken: Broken) -> None:
    scene = stage.scene
    check = CHECKS[broken.check]
    netns, command = broken.do(scene)
    place = Place(netns)
    with stage.lab.frozen(scene.node_a.name, scene.node_b.name):
        place(command)
        try:
            outcome = check(scene)
        finally:
            if broken.undo:
                place(broken.undo)
            place.restore()
            for pod in (scene.a1, scene.b1):
                Place(pod.netns).restore()
    assert not outcome.ok, outcome
    eventually(lambda: check(scene).ok)  # links, neighbours and forwarding entries are the agent's to repair
    assert (healed := check(scene)).ok, healed


def test_every_check_has_a_break() -> None:
    assert {broken.check for broken in BREAKS} == set(CHECKS)


# Two clusters with one pod CIDR


@pytest.mark.parametrize("transport", ["encapsulated", "routed"])
def test_same_address_turns_red_when_a_client_is_led_to_the_other_cluster(stage: Stage, transport: str) -> None:
    left, right = (
        (stage.cluster, stage.clusters()["slash24-test-twin"])
        if transport == "encapsulated"
        else (stage.clusters()["slash24-test-third"], stage.clusters()["slash24-test-fourth"])
    )
    left_pair, right_pair, address = stage.wait(stage.runner.same_address_pairs(left, right))
    assert checks.same_address(left_pair, right_pair, address).ok
    block = _block(left_pair[1])
    elsewhere = next(n["address"] for n in right.status["nodes"] if n["podCidr"] == block)
    client_node = next(n["name"] for n in left.status["nodes"] if n["podCidr"] == _block(left_pair[0]))
    if transport == "encapsulated":
        place = Place(stage.bed.namespace(client_node))
        own = next(n["address"] for n in left.status["nodes"] if n["podCidr"] == block)
        command = f"bridge fdb replace {_TUNNEL_MAC} dev s24vx dst {elsewhere}"
        undo = f"bridge fdb replace {_TUNNEL_MAC} dev s24vx dst {own}"
    else:
        place = Place(stage.scene.vnet)
        table = 1000 + left.status["number"]
        leak = _port(stage.scene, Machine("", 0, IPv4Address(elsewhere)))
        command = f"ip route replace {block} via {elsewhere} dev {leak} onlink table {table}"
        own_route = place(f"ip route show {block} table {table}").strip()
        undo = f"ip route replace {own_route} table {table}"
    with stage.lab.frozen(client_node):
        place(command)
        try:
            outcome = checks.same_address(left_pair, right_pair, address)
        finally:
            place(undo)
    assert not outcome.ok, outcome
    assert checks.same_address(left_pair, right_pair, address).ok


def test_block_reused_turns_red_when_a_node_keeps_the_way_to_the_removed_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forwarding entry of the node that stayed is made stale as soon as the new pods run."""
    twin = stage.clusters()["slash24-test-twin"]
    thaw = ExitStack()

    async def start_pods_then_break(cluster: Cluster, wanted: dict[str, str]) -> dict[str, IPv4Address]:
        addresses = await start_pods(cluster, wanted)
        stays = twin.node_names[0]
        thaw.enter_context(stage.lab.frozen(stays))
        Place(stage.bed.namespace(stays))(f"bridge fdb replace {_TUNNEL_MAC} dev s24vx dst 10.224.0.99")
        return addresses

    monkeypatch.setattr(run, "start_pods", start_pods_then_break)
    with thaw:
        outcome = stage.wait(stage.runner.block_reused(twin))
    assert not outcome.ok and outcome.seen.endswith("lost"), outcome
