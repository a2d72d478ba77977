"""Whether a cluster is whole: each node looked at by its own state, and by packets to the next one."""

import json
import os
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from slash24.errors import Slash24Error
from slash24.kernel import netns, process, sysctl
from slash24.lab.connectivity.checks import CHECKS, Outcome
from slash24.lab.fabric import API_SERVER
from slash24.lab.faults.place import Place

_HTTPS = 443
_PATIENCE_S = 2.0
_CONNECTED = "agent and kubelet are connected to the API"


@dataclass(frozen=True, slots=True)
class Finding:
    """One look at one node, in words; `ok` is its verdict."""

    node: str
    look: str
    expected: str
    seen: str
    ok: bool


def examine(place: Place) -> Iterator[Finding]:
    """Yield what is found on a node. What can't be looked at counts as not well."""
    for name, look in _LOOKS.items():
        try:
            outcome = look(place)
        except (Slash24Error, OSError) as error:
            outcome = Outcome("a look is possible", str(error), ok=False)
        yield Finding(place.name, name, outcome.expected, outcome.seen, outcome.ok)
        if not outcome.ok and name == _FIRST_PACKETS:
            return  # where none cross, the further packets would only cost their patience


def _ready(place: Place) -> Outcome:
    status = next(node for node in place.cluster.status["nodes"] if node["name"] == place.name)
    return Outcome.of("Ready", "Ready" if status["ready"] else f"NotReady: {status['reason']}")


def _agent(place: Place) -> Outcome:
    """The agent answers the plugin's STATUS (CNI 1.1)."""
    environment = b"CNI_COMMAND=STATUS\0CNI_PATH=/opt/cni/bin\0"
    conf = json.dumps({"cniVersion": "1.1.0", "name": "slash24", "type": "slash24"}).encode()
    # By the folder's descriptor: a socket's path may have 107 bytes.
    folder = os.open(place.bed.files(place.name) / "run/slash24", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(_PATIENCE_S)
            agent.connect(f"/proc/self/fd/{folder}/agent.sock")
            agent.sendall(struct.pack("=II", len(environment), len(conf)) + environment + conf)
            answer = agent.makefile("rb").read()
    except TimeoutError:
        return Outcome("the agent answers", f"no answer in {_PATIENCE_S:.0f} s", ok=False)
    finally:
        os.close(folder)
    if answer[:1] == b"\0":
        return Outcome.of("the agent answers", "the agent answers")
    return Outcome("the agent answers", str(json.loads(answer[1:]).get("msg", "an error")), ok=False)


def _api(place: Place) -> Outcome:
    """The node takes the API for what it is, and both its parts are connected to it."""
    with netns.inside(place.node.netns):
        plain = socket.socket()
    plain.settimeout(_PATIENCE_S)
    try:
        with plain:
            plain.connect((str(API_SERVER), _HTTPS))
            trust = ssl.create_default_context(cafile=str(place.authority))
            with trust.wrap_socket(plain, server_hostname=str(API_SERVER)):
                pass
    except ssl.SSLCertVerificationError as error:
        return Outcome(_CONNECTED, f"the API's certificate is refused: {error.verify_message}", ok=False)
    except (ssl.SSLError, OSError) as error:
        return Outcome(_CONNECTED, f"the API can't be reached: {error}", ok=False)
    for part in ("agent", "kubelet"):
        if (API_SERVER, _HTTPS) not in process.connections(place.part(part)):
            return Outcome(_CONNECTED, f"the {part} is not", ok=False)
    return Outcome.of(_CONNECTED, _CONNECTED)


def _leases(place: Place) -> Outcome:
    with closing(place.leases()) as leases:
        leaked = place.leaked(leases)
        free = leases.free_count()
    seen = f"{len(leaked)} leases without a pod, {free} addresses free" if leaked else "each lease has its pod"
    return Outcome.of("each lease has its pod", seen)


def _packets(name: str) -> Callable[[Place], Outcome]:
    """Return one of the connectivity checks, from the node's probe to the peer's."""
    return lambda place: CHECKS[name](place.scene())


def _largest_packet(place: Place) -> Outcome:
    scene = place.scene()
    for machine in (scene.a1, scene.b1, scene.node_a, scene.node_b):
        sysctl.forget_path_mtus(machine.netns)  # the packet shall find the path as it is now
    return CHECKS["largest-packet"](scene)


_FIRST_PACKETS = "across-nodes"
_LOOKS: dict[str, Callable[[Place], Outcome]] = {
    "ready": _ready,
    "agent": _agent,
    "api": _api,
    "leases": _leases,
    "pod-to-internet": _packets("pod-to-internet"),
    _FIRST_PACKETS: _packets(_FIRST_PACKETS),
    "largest-packet": _largest_packet,
}
