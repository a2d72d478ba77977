"""The ground that every way stands on: a VNet of its own from the lab's fabric, with two machines in it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from tempfile import TemporaryDirectory

from slash24.core.topology import Subnet, VNet
from slash24.errors import UnsupportedError
from slash24.kernel import mounts, netns, process, sysctl
from slash24.lab.fabric import Internet, Port, VNetNamespace

SUBNET = IPv4Network("10.224.0.0/16")
GATEWAY = IPv4Address("10.224.0.1")
POD_CIDR = IPv4Network("10.244.0.0/16")
UPLINK = "eth0"


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine: its namespace and a descriptor of it, its address in the VNet, the block of its pods."""

    name: str
    path: Path
    fd: int
    address: IPv4Address
    block: IPv4Network


@dataclass(frozen=True, slots=True)
class Site:
    """A VNet with two machines, and no pod network yet."""

    vnet: VNetNamespace
    machines: tuple[Machine, Machine]

    def pods(self) -> tuple[Path, Path]:
        """Return the paths of the namespaces of two pods, one on each machine."""
        first, second = (machine.path.with_name(f"{machine.path.name}-pod") for machine in self.machines)
        return first, second


class Ground:
    """Makes sites, each with the same fabric, so that its cost is the same for all ways."""

    def __init__(self, folder: Path, undo: ExitStack) -> None:
        self.folder = folder
        self.undo = undo
        internet = self.namespace(folder / "internet", make=False)
        self._internet = Internet(internet)
        undo.callback(self._internet.close)
        self._count = 0

    def namespace(self, path: Path, *, make: bool = True) -> Path:
        """Make a network namespace (or let the caller do so), to be removed with the ground."""
        self.undo.callback(netns.delete, path)
        if make:
            netns.create(path)
        return path

    def site(self, name: str) -> Site:
        """Make a VNet with two machines in it, which are new to everything: no forwarding, no filter."""
        self._count += 1
        path = self.namespace(self.folder / f"{name}-vnet", make=False)
        vnet = VNetNamespace(path, self._count, VNet(name, (SUBNET,), (Subnet("nodes", SUBNET),)), self._internet)
        self.undo.callback(vnet.close)
        first, second = (self._machine(vnet, name, number) for number in (1, 2))
        vnet.apply_filter()
        site = Site(vnet, (first, second))
        for pod in site.pods():
            self.namespace(pod)
        return site

    def _machine(self, vnet: VNetNamespace, name: str, number: int) -> Machine:
        path = self.namespace(self.folder / f"{name}-{number}")
        address = SUBNET[3 + number]
        vnet.plug(path.name, Port(number, address, GATEWAY, cluster=1), path, SUBNET)
        machine = netns.open_fd(path)
        self.undo.callback(os.close, machine)
        # A new namespace may take these from the machine that the benchmark runs on; the kernel's own default is 0.
        for scope in ("all", "default", UPLINK):
            sysctl.write(f"net.ipv4.conf.{scope}.rp_filter", 0, machine)
        return Machine(path.name, path, machine, address, POD_CIDR_BLOCKS[number])


POD_CIDR_BLOCKS = tuple(POD_CIDR.subnets(new_prefix=24))[:3]


@contextmanager
def ground() -> Iterator[Ground]:
    """Give a place for sites; all of it is gone after the block.

    This process moves to a mount namespace of its own and stays there: a namespace's name is a mount, and so not even a
    killed benchmark leaves one. Raises UnsupportedError without root.
    """
    if os.geteuid():
        raise UnsupportedError("network namespaces need root", fix="run it as root: sudo make bench")
    with ExitStack() as undo:
        folder = undo.enter_context(TemporaryDirectory(prefix="slash24-bench-"))
        process.unshare(process.CLONE_NEWNS)
        mounts.make_private()
        yield Ground(Path(folder), undo)
