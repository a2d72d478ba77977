"""Who is to blame when echoes stay out."""

from ipaddress import ip_address

from slash24.agent.probe import Answers, Peer, Verdict, _checksum, _echo_packet, choose, judge
from slash24.core.topology import Transport

GATEWAY = ip_address("10.224.0.1")


def peer(number: int, *, ready: bool = True) -> Peer:
    return Peer(f"n{number}", ip_address(f"192.168.{number}.1"), ip_address(f"10.224.0.{number}"), ready)


def verdict(
    asked: list[Peer],
    *,
    probes: tuple[int, ...] = (),
    hosts: tuple[int, ...] = (),
    gateway: bool = False,
    alone: bool = False,
    settled: bool = False,
    known: tuple[str, ...] = (),
) -> Verdict:
    answers = Answers(
        frozenset(peer(number).probe for number in probes), frozenset(peer(number).address for number in hosts), gateway
    )
    return judge(
        asked, answers, transport=Transport.ENCAPSULATED, alone=alone, settled=settled, known=known, gateway=GATEWAY
    )


def test_one_probe_that_answers_is_enough() -> None:
    assert verdict([peer(1), peer(2)], probes=(2,), hosts=(1, 2)).ok


def test_hosts_that_answer_while_their_probes_do_not_speak_against_the_overlay() -> None:
    got = verdict([peer(1), peer(2, ready=False)], hosts=(1, 2), gateway=True)
    assert not got.ok
    assert got.reason.startswith("no echo from probe 192.168.1.1 of node n1 over VXLAN (UDP 4789), nor of 1 other")


def test_peers_that_are_down_speak_against_nobody() -> None:
    assert verdict([peer(1)], gateway=True).ok
    assert "gateway 10.224.0.1, nor from the probes of n1" in verdict([peer(1)]).reason


def test_a_node_that_is_alone_is_judged_by_the_gateway() -> None:
    assert verdict([], gateway=True, alone=True).ok
    assert not verdict([], alone=True).ok


def test_a_node_in_company_waits_for_a_probe() -> None:
    assert verdict([], gateway=True).reason == "no other node of the cluster has a probe yet"


def test_a_node_that_joins_with_a_broken_network_does_not_take_a_settled_one_down() -> None:
    broken = peer(1, ready=False)
    assert verdict([broken], hosts=(1,), gateway=True, settled=True).ok
    assert not verdict([broken], hosts=(1,), gateway=True).ok
    assert not verdict([broken], hosts=(1,), gateway=True, settled=True, known=("n1",)).ok
    assert not verdict([peer(1)], hosts=(1,), gateway=True, settled=True).ok


def test_ready_peers_are_asked_first_and_all_of_them_in_turn() -> None:
    everybody = [peer(number, ready=number > 2) for number in range(1, 12)]
    asked = {entry.node for turn in range(3) for entry in choose(everybody, turn)}
    assert asked == {f"n{number}" for number in range(3, 12)}
    assert [entry.node for entry in choose(everybody[:2], 5)] == ["n1", "n2"]
    assert choose([], 3) == []


def test_an_echo_has_a_checksum_that_sums_up() -> None:
    assert _checksum(_echo_packet(4711, 3)) == 0
