"""What is measured against: a pod network in the manner of flannel, of nothing but the kernel's own parts.

A bridge `cni0` a node, a VXLAN device with a route, a neighbour and a forwarding entry for each other node, and in
iptables the chains that flannel has for accepting and masquerading. There is no kube-proxy beside it.
"""

import os
import shutil
import subprocess
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from bench.grounds import POD_CIDR, UPLINK, Machine, Site
from slash24.errors import UnsupportedError
from slash24.kernel import netlink, netns, sysctl

_VNI, _PORT = 1, 8472
_MTU = 1450
_BRIDGE, _TUNNEL = "cni0", "flannel.1"


def build(site: Site) -> None:
    """Make the pod network of both machines, and a pod on each at the block's second address."""
    if shutil.which("iptables") is None:
        raise UnsupportedError("the program iptables is missing", fix="apt-get install iptables")
    for machine, other, pod in zip(site.machines, reversed(site.machines), site.pods(), strict=True):
        _node(machine, other)
        _pod(machine, pod)


def _tunnel_mac(machine: Machine) -> str:
    return "02:0b:" + machine.address.packed.hex(":")


def _node(machine: Machine, other: Machine) -> None:
    sysctl.write("net.ipv4.ip_forward", 1, machine.fd)
    with netlink.Netlink(machine.fd) as link:
        uplink = link.index_of(UPLINK)
        link.send(
            netlink.add_bridge(_BRIDGE, mtu=_MTU),
            netlink.add_vxlan(
                _TUNNEL,
                vni=_VNI,
                local=machine.address,
                device=uplink,
                mtu=_MTU,
                mac=_tunnel_mac(machine),
                port=_PORT,
                df=False,
                gbp=False,
            ),
        )
        bridge, tunnel = link.index_of(_BRIDGE), link.index_of(_TUNNEL)
        gateway, far = machine.block[1], other.block[0]
        link.send(
            netlink.set_link(bridge, up=True, no_ipv6=True),
            netlink.add_address(bridge, IPv4Interface(f"{gateway}/24")),
            netlink.add_route(machine.block, device=bridge, scope="link", src=gateway),
            netlink.set_link(tunnel, up=True, no_ipv6=True),
            netlink.add_address(tunnel, IPv4Interface(f"{machine.block[0]}/32")),
            netlink.add_neighbour(tunnel, far, _tunnel_mac(other)),
            netlink.add_fdb(tunnel, _tunnel_mac(other), other.address),
            netlink.add_route(other.block, via=far, device=tunnel, onlink=True),
        )
    for rule in (
        "-t nat -N FLANNEL-POSTRTG",
        "-t nat -A POSTROUTING -j FLANNEL-POSTRTG",
        "-t nat -A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -j RETURN",
        f"-t nat -A FLANNEL-POSTRTG -s {machine.block} -d {POD_CIDR} -j RETURN",
        f"-t nat -A FLANNEL-POSTRTG -s {POD_CIDR} -d {machine.block} -j RETURN",
        f"-t nat -A FLANNEL-POSTRTG ! -s {POD_CIDR} -d {machine.block} -j RETURN",
        f"-t nat -A FLANNEL-POSTRTG -s {POD_CIDR} ! -d 224.0.0.0/4 -j MASQUERADE --random-fully",
        f"-t nat -A FLANNEL-POSTRTG ! -s {POD_CIDR} -d {POD_CIDR} -j MASQUERADE --random-fully",
        "-N FLANNEL-FWD",
        "-A FORWARD -j FLANNEL-FWD",
        f"-A FLANNEL-FWD -s {POD_CIDR} -j ACCEPT",
        f"-A FLANNEL-FWD -d {POD_CIDR} -j ACCEPT",
    ):
        with netns.inside(machine.fd):
            subprocess.run(["iptables", *rule.split()], check=True)


def _pod(machine: Machine, pod: Path) -> None:
    address = machine.block[2]
    target = netns.open_fd(pod)
    try:
        with netlink.Netlink(machine.fd) as link, netlink.Netlink(target) as inner:
            link.send(netlink.add_veth("veth0", "eth0", peer_netns=target, mtu=_MTU))
            index, peer = link.index_of("veth0"), inner.index_of("eth0")
            link.send(netlink.set_link(index, up=True, master=link.index_of(_BRIDGE), no_ipv6=True))
            inner.send(
                netlink.set_link(peer, up=True, no_ipv6=True),
                netlink.add_address(peer, IPv4Interface(f"{address}/24")),
                netlink.add_route(IPv4Network((int(machine.block.network_address), 24)), device=peer, scope="link"),
                netlink.add_route(netlink.default_route(), via=machine.block[1], device=peer),
            )
    finally:
        os.close(target)
