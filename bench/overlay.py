"""The pod network of slash24, built by what its agent runs: compile, sync, ADD."""

from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path

from bench.grounds import POD_CIDR, Machine, Site
from slash24.agent.kernelstate import KernelState
from slash24.attach.pods import Attachment, Pods
from slash24.core.cluster import Node, Settings, View
from slash24.core.ipam import tunnel_address
from slash24.core.topology import Transport
from slash24.dataplane.overlay import compile_dataplane
from slash24.kernel import netns
from slash24.kernel.netlink import Netlink
from slash24.store.leases import Leases, NodeSettings


def build(site: Site, transport: Transport) -> tuple[IPv4Address, IPv4Address]:
    """Make the pod network of both machines and a pod on each; return the pods' addresses."""
    nodes = tuple(
        Node(machine.name, machine.address, (machine.block,), ready=True, uid=machine.name) for machine in site.machines
    )
    view = View(Settings(pod_cidr=POD_CIDR, transport=transport), nodes)
    for machine in site.machines:
        if transport is Transport.ROUTED:
            site.vnet.set_blocks(machine.name, (machine.block,), POD_CIDR)
    site.vnet.apply_filter()
    first, second = (
        _node(view, machine, transport, pod) for machine, pod in zip(site.machines, site.pods(), strict=True)
    )
    return first, second


def _node(view: View, machine: Machine, transport: Transport, pod: Path) -> IPv4Address:
    own = tunnel_address(machine.block, transport)
    with (
        closing(KernelState(machine.fd)) as state,
        Netlink(machine.fd) as netlink,
        closing(Leases(machine.path.with_suffix(".db"), boot="bench")) as leases,
    ):
        uplink = state.uplink(machine.address)
        dataplane = compile_dataplane(view, machine.name, uplink)
        state.sync(dataplane, uplink, look=True, thorough=True)
        leases.configure(
            NodeSettings(
                machine.name,
                str(machine.address),
                (str(machine.block),),
                (str(own),) if own is not None else (),
                dataplane.pod_mtu_bytes,
            )
        )
        with netns.inside(machine.fd):  # ADD looks whether the pod's namespace is another than its own
            attached = Pods(leases, netlink).add(Attachment(pod.name, "eth0", str(pod), "default", "pod", pod.name))
    return IPv4Address(str(attached.lease.ip))
