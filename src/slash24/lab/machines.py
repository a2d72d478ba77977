"""Machines that are no nodes: a virtual machine in each virtual network, and a host on the internet.

Both answer like agnhost's netexec: `/clientip` tells the source address that a request came with.
"""

import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from slash24 import programs
from slash24.core.topology import VNet
from slash24.kernel import netns, process

#: Where both machines listen, TCP and UDP.
PORT = 80


def serve(namespace: Path) -> None:
    """Start the answering program inside `namespace`, unless it runs there already."""
    if serves(namespace):
        return
    command = [str(programs.path("agnhost")), "netexec", f"--http-port={PORT}", f"--udp-port={PORT}"]
    with netns.inside(namespace):
        # It outlives the server on purpose: the fabric's hosts stand as long as the lab does.
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )


def serves(namespace: Path) -> bool:
    """Tell whether the answering program runs inside `namespace`, which may not be there."""
    inodes = {namespace.stat().st_ino} if netns.is_mounted(namespace) else set()
    return any(_is_answering(pid) for pid in process.in_namespaces(inodes))


def _is_answering(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:2] == [b"netexec"]
    except OSError:
        return False


def vm_address(vnet: VNet, taken: set[IPv4Address]) -> tuple[IPv4Address, IPv4Network, IPv4Address] | None:
    """Return (address, prefix, gateway) for the network's virtual machine; None if there is no room for one.

    It lives outside the user's subnets, in the last /28 of the network that none of them touches, so that it takes no
    address that a node could have; a network that is all subnet lends it the last free address of its first subnet.
    """
    subnets = [subnet.prefix for subnet in vnet.subnets]
    for prefix in reversed(vnet.prefixes):
        if not isinstance(prefix, IPv4Network) or prefix.prefixlen > 28:
            continue
        last = int(prefix.broadcast_address) - 15
        for start in range(last, max(last - 16 * 4096, int(prefix.network_address) - 1), -16):
            candidate = IPv4Network((start, 28))
            if not any(candidate.overlaps(subnet) for subnet in subnets if isinstance(subnet, IPv4Network)):
                return candidate[4], candidate, candidate[1]
    for subnet in subnets:
        if isinstance(subnet, IPv4Network):
            for offset in range(subnet.num_addresses - 2, 3, -1):
                if subnet[offset] not in taken:
                    return subnet[offset], subnet, subnet[1]
    return None
