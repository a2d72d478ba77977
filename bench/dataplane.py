"""Packets from a pod to a pod of another node, against a flannel-style network and against node to node.

Every way has a fabric of its own, all built alike, in the same run, and anew every few rounds: where the kernel's
objects happen to lie in memory makes a difference of some percent. In a round each way is measured once, in a random
order, with client, server and so all of the kernel's work on one CPU: a rate is then the length of the packet's path.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import flannel, overlay, results
from bench.grounds import Ground, ground
from bench.load import LOADS, Load, Way, compile_nb, one_cpu, run, serving
from bench.results import Result, at_least, ratio
from bench.rounds import alternate
from slash24.core.topology import Transport

RAW, FLANNEL, ENCAPSULATED, ROUTED = "node to node", "flannel-style", "encapsulated", "routed"
#: Pods of different nodes, against the flannel-style network: the goal of each load.
GOAL = 1.1
_ROUNDS_A_GROUND = 3


def ways(where: Ground) -> list[Way]:
    """Build all networks; return the way from a pod (or node) of the first machine to one of the second."""
    raw, bridged = where.site("raw"), where.site("flannel")
    here, there = raw.machines
    flannel.build(bridged)
    made = [Way(RAW, here.path, there.path, there.address), Way(FLANNEL, *bridged.pods(), bridged.machines[1].block[2])]
    for transport in (Transport.ENCAPSULATED, Transport.ROUTED):
        site = where.site(transport.value)
        _, address = overlay.build(site, transport)
        made.append(Way(transport.value, *site.pods(), address))
    return made


def measure(rounds: int, seconds: float) -> list[Result]:
    """Measure all loads by all ways; print the rates, return the ratios."""
    program, cpu = compile_nb(), one_cpu()
    measured: dict[str, dict[str, list[float]]] = {load.name: {} for load in LOADS}
    for done in range(0, rounds, _ROUNDS_A_GROUND):
        for load, name, values in _on_new_ground(program, cpu, min(_ROUNDS_A_GROUND, rounds - done), seconds):
            measured[load].setdefault(name, []).extend(values)
    print(f"{rounds} alternating rounds of {seconds:g} s, client and server on CPU {cpu}")
    print(results.rates({load.name: load.unit for load in LOADS}, measured))
    return judge(measured)


def _on_new_ground(program: Path, cpu: int, rounds: int, seconds: float) -> Iterator[tuple[str, str, list[float]]]:
    """Build all networks, and yield (load, way, one rate a round)."""
    with ground() as where, ExitStack() as servers:
        by_name = {way.name: way for way in ways(where)}
        for way in by_name.values():
            servers.enter_context(serving(program, way, cpu))
        for load in LOADS:

            def once(name: str, load: Load = load) -> float:
                return run(program, by_name[name], load, cpu, seconds).rate

            for name, values in alternate(list(by_name), rounds, once).items():
                yield load.name, name, values


def judge(measured: dict[str, dict[str, list[float]]]) -> list[Result]:
    """Return the ratios of what was measured, load -> way -> one rate a round."""
    found = []
    for load, rates in measured.items():
        for way, against, goal in (
            (ENCAPSULATED, FLANNEL, GOAL),
            (ENCAPSULATED, RAW, None),
            (ROUTED, FLANNEL, None),
            (ROUTED, RAW, None),
            (FLANNEL, RAW, None),
        ):
            reached = ratio(rates[way], rates[against])
            found.append(at_least(f"{way}: {load}", against, reached, len(rates[way]), goal))
    return found
