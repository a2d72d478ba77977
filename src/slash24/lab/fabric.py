"""The virtual networks: namespaces that route as Azure's fabric does.

A virtual network has no shared layer 2. Each NIC hangs on a port of its own, a veth whose near end is in the network's
namespace; the port takes only packets whose source the NIC owns (and, where the fabric routes pods, the pods of its
node's block), and drops and counts the others. One cluster's pods are routed in a domain of their own, chosen by the
port that a packet came in by. What leaves for the internet carries the public address of its NIC's cluster.
"""

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, collapse_addresses
from pathlib import Path

from slash24.core.topology import VNet
from slash24.kernel import netlink, netns, nft, sysctl

#: The MAC that Azure's fabric answers with for every address (docs/sources.md#fabric-mac).
FABRIC_MAC = "12:34:56:78:9a:bc"
MTU = 1500
#: Azure's system routes drop these unless the virtual network holds them (docs/sources.md#system-routes).
PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
#: The internet is made of documentation ranges (RFC 5737).
WHOAMI = IPv4Address("198.51.100.10")
API_SERVER = IPv4Address("198.51.100.20")
_INTERNET_GATEWAY = IPv4Address("198.51.100.1")
_PUBLIC = IPv4Network("203.0.113.0/24")
_UPLINK_ADDRESS = IPv4Address("169.254.100.2")
_UPLINK = "up0"
_TABLE = "slash24-fabric"
_DOMAIN_TABLE = 1000  # a cluster's routing table and mark: this plus the cluster's number


def domain_table(cluster: int) -> int:
    """Return the routing table, and the mark, of the domain in which the pods of the cluster with this number are."""
    return _DOMAIN_TABLE + cluster


def public_address(number: int) -> IPv4Address:
    """Return the outbound public address of the cluster with this number (0: of machines that are in no cluster)."""
    return _PUBLIC[1 + number % 253]


def nic_mac(address: IPv4Address) -> str:
    """Return the MAC of the NIC with this address: locally administered, the same at every start."""
    return "02:00:" + address.packed.hex(":")


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """One NIC's port. `blocks` are the pod blocks that the fabric routes to it, in the domain `cluster`."""

    number: int
    address: IPv4Address
    gateway: IPv4Address
    cluster: int  # the cluster's number; 0 for a machine that is in none
    blocks: tuple[IPv4Network, ...] = ()
    routed: bool = False
    mtu: int = 0  # a path MTU smaller than the link's, 0 for none

    @property
    def device(self) -> str:
        return f"p{self.number}"


def compile_filter(vnet: VNet, ports: Iterable[Port]) -> str:
    """Return the nft script of a virtual network: who may send what by which port, and translation to the internet."""
    ports = sorted(ports)
    nics = [f'"{p.device}" . {p.address}' for p in ports]
    blocks = [f'"{p.device}" . {block}' for p in ports for block in p.blocks]
    domains = [f'"{p.device}" : {domain_table(p.cluster)}' for p in ports if p.routed]
    outbound = [f"{p.address} : {public_address(p.cluster)}" for p in ports]
    prefixes = [n for n in vnet.prefixes if isinstance(n, IPv4Network)]
    routed = [str(network) for network in collapse_addresses(b for p in ports for b in p.blocks)]
    skeleton = f"""table ip {_TABLE} {{
  set nics {{
    typeof iifname . ip saddr
  }}
  set blocks {{
    typeof iifname . ip saddr
    flags interval
  }}
  map domains {{
    typeof iifname : meta mark
  }}
  map outbound {{
    typeof ip saddr : ip daddr
  }}
  set routed {{
    type ipv4_addr
    flags interval
  }}
  set strangers {{
    typeof iifname . ip saddr
    size 4096
    flags dynamic
    counter
  }}
  counter spoofed {{
  }}
  chain ports {{
    type filter hook prerouting priority raw; policy accept;
  }}
  chain outbound {{
    type nat hook postrouting priority srcnat; policy accept;
  }}
}}
flush table ip {_TABLE}
"""
    # Sets are emptied and filled in one transaction; the table itself stays, and with it what its counters have seen.
    filled = {
        "set nics": nics, "set blocks": blocks, "map domains": domains, "map outbound": outbound, "set routed": routed,
    }  # fmt: skip
    contents = [f"flush {name.replace(' ', f' ip {_TABLE} ')}" for name in filled]
    for name, values in filled.items():
        target = name.split()[1]
        contents += [f"add element ip {_TABLE} {target} {{ {', '.join(values)} }}"] if values else []
    # Every packet of the lab passes here: a hash before intervals, no look into what is empty.
    rules = (
        'ports iifname != "p*" accept',
        f"ports iifname . ip saddr != @nics {'iifname . ip saddr != @blocks ' if blocks else ''}"
        "update @strangers { iifname . ip saddr } counter name spoofed drop",
        *(["ports meta mark set iifname map @domains"] if domains else []),
        *(f"ports ip daddr {prefix} notrack accept" for prefix in prefixes),
        *(["ports ip daddr @routed notrack"] if routed else []),
        f'outbound oifname "{_UPLINK}" snat to ip saddr map @outbound',
    )
    return skeleton + "\n".join([*contents, *(f"add rule ip {_TABLE} {rule}" for rule in rules)]) + "\n"


class Internet:
    """The namespace that stands for the internet, with the hosts that live there."""

    def __init__(self, path: Path) -> None:
        if not netns.is_mounted(path):
            netns.create(path)
        self.path = path
        self.fd = netns.open_fd(path)
        self.netlink = netlink.Netlink(self.fd)
        # Whether it is new or not: an earlier server may have died before it came here.
        sysctl.write("net.ipv4.ip_forward", 1, self.fd)
        addresses = (_INTERNET_GATEWAY, WHOAMI, API_SERVER)
        self.netlink.send(*(netlink.add_address(1, IPv4Interface(address)) for address in addresses))

    def add_public(self, device: str, address: IPv4Address) -> None:
        """Route a public address to the virtual network behind `device`."""
        index = self.netlink.index_of(device)
        self.netlink.send(netlink.add_route(IPv4Network(address), via=_UPLINK_ADDRESS, device=index, onlink=True))

    def close(self) -> None:
        self.netlink.close()


class VNetNamespace:
    """One virtual network's namespace: made if it isn't there, adopted if it is.

    An adopted one keeps its filter until `update`, so that no packet is lost before the new server knows its ports.
    """

    def __init__(self, path: Path, number: int, vnet: VNet, internet: Internet) -> None:
        self.vnet = vnet
        self.path = path
        self._internet = internet
        self._uplink = f"v{number}"
        self.ports: dict[str, Port] = {}  # by owner
        new = not netns.is_mounted(path)
        if new:
            netns.create(path)
        self.fd = netns.open_fd(path)
        self.netlink = netlink.Netlink(self.fd)
        self._build()
        if new:
            self.update(vnet)

    def _build(self) -> None:
        """Make what every virtual network has; what is there already, also half of it, is no harm."""
        # fwmark_reflect: what the router tells by ICMP goes back in the domain that the packet was in.
        for name, value in (
            ("ip_forward", 1), ("conf.all.rp_filter", 0), ("conf.default.rp_filter", 0), ("fwmark_reflect", 1),
        ):  # fmt: skip
            sysctl.write(f"net.ipv4.{name}", value, self.fd)
        inner, outer = "02:00:a9:fe:64:02", "02:00:c6:33:64:01"
        if not self.netlink.links(_UPLINK):
            self.netlink.send(
                netlink.add_veth(
                    _UPLINK, self._uplink, peer_netns=self._internet.fd, mtu=MTU, mac=inner, peer_mac=outer
                )
            )
        up, far = self.netlink.index_of(_UPLINK), self._internet.netlink.index_of(self._uplink)
        self._internet.netlink.send(
            netlink.set_link(far, no_ipv6=True),
            netlink.set_link(far, up=True, ipv4={"rp_filter": 0}),
            netlink.add_neighbour(far, _UPLINK_ADDRESS, inner),
        )
        self.netlink.send(
            netlink.set_link(up, no_ipv6=True),
            netlink.set_link(up, up=True),
            netlink.add_neighbour(up, _INTERNET_GATEWAY, outer),
            netlink.add_route(netlink.default_route(), via=_INTERNET_GATEWAY, device=up, onlink=True),
            *(netlink.add_route(private, kind="blackhole") for private in PRIVATE),
        )

    def update(self, vnet: VNet) -> None:
        """Take changed prefixes and subnets: the gateway of each subnet is an address of the router."""
        self.vnet = vnet
        wanted = {IPv4Interface(subnet.prefix[1]) for subnet in vnet.subnets if isinstance(subnet.prefix, IPv4Network)}
        wanted |= {IPv4Interface(port.gateway) for port in self.ports.values()}
        present = {entry.interface for entry in self.netlink.addresses(1)} - {IPv4Interface("127.0.0.1/8")}
        self.netlink.send(*(netlink.delete_address(1, gone) for gone in sorted(present - wanted, key=str)))
        self.netlink.send(*(netlink.add_address(1, new) for new in sorted(wanted - present, key=str)))
        # An address of the virtual network that no NIC has goes nowhere, above all not to the internet.
        self.netlink.send(*(netlink.add_route(p, kind="unreachable") for p in vnet.prefixes if p not in PRIVATE))
        self.apply_filter()

    def apply_filter(self) -> None:
        """Bring the filter in line with the ports, in one transaction."""
        nft.apply_script(compile_filter(self.vnet, self.ports.values()), self.fd)

    def plug(self, owner: str, port: Port, machine: Path, prefix: IPv4Network) -> None:
        """Join the machine in the namespace `machine` to the network: its `eth0` is the NIC.

        A NIC that is there already is kept. `apply_filter` has to follow.
        """
        self.ports[owner] = port
        if self.netlink.links(port.device):
            return
        target = netns.open_fd(machine)
        try:
            mac = nic_mac(port.address)
            self.netlink.send(
                netlink.add_veth(
                    port.device, "eth0", peer_netns=target, peer_index=2, mtu=MTU, mac=FABRIC_MAC, peer_mac=mac
                )
            )
            index = self.netlink.index_of(port.device)
            self.netlink.send(
                netlink.set_link(index, no_ipv6=True),
                netlink.set_link(index, up=True, ipv4={"rp_filter": 0}),
                netlink.add_neighbour(index, port.address, mac),
            )
            self._internet.add_public(self._uplink, public_address(port.cluster))
            with netlink.Netlink(target) as inner:
                inner.send(
                    netlink.set_link(2, no_ipv6=True),
                    netlink.set_link(2, up=True),
                    netlink.add_address(2, IPv4Interface(f"{port.address}/{prefix.prefixlen}")),
                    netlink.add_route(IPv4Network(port.gateway), device=2, scope="link"),
                    netlink.add_route(netlink.default_route(), via=port.gateway, device=2),
                    # The fabric answers for every address itself; permanent entries are exempt from the machine-wide
                    # limit of the neighbour table.
                    netlink.add_neighbour(2, port.gateway, FABRIC_MAC),
                )
        finally:
            os.close(target)
        self._route(port)

    def _route(self, port: Port) -> None:
        # The gateway is the router's own address: what it tells by ICMP comes from there.
        self.netlink.send(netlink.add_address(1, IPv4Interface(port.gateway)))
        index = self.netlink.index_of(port.device)
        self.netlink.send(
            netlink.add_route(
                IPv4Network(port.address), device=index, scope="link", src=port.gateway, mtu_lock=port.mtu or None
            )
        )

    def unplug(self, owner: str) -> None:
        """Take a NIC away. `apply_filter` comes after."""
        port = self.ports.pop(owner, None)
        if port is not None:
            self.pull(port.number)

    def pull(self, number: int) -> None:
        """Take the cable out of a port, with the routes through it; its NIC keeps its place, `plug` puts it back."""
        for link in self.netlink.links(f"p{number}"):
            # The kernel may be at it already: the cable goes with the namespace at its other end.
            self.netlink.send(netlink.delete_link(link.index), ignore={errno.ENODEV})

    def set_path_mtu(self, owner: str, mtu: int) -> None:
        """Give the path to a NIC and its pods a smaller MTU (0: the link's own); senders learn it by ICMP."""
        # By the route, not the link: veth drops frames above the receiver's MTU without a word.
        port = self.ports[owner] = replace(self.ports[owner], mtu=mtu)
        self._route(port)
        if port.routed:
            self.set_blocks_routes(port, port.blocks)

    def set_blocks(self, owner: str, blocks: tuple[IPv4Network, ...], pod_cidr: IPv4Network) -> bool:
        """Route a node's pod blocks to its port, in its cluster's domain; return whether anything changed."""
        port = self.ports.get(owner)
        if port is None or (port.blocks == blocks and port.routed):
            return False
        domain = domain_table(port.cluster)
        if not self.netlink.routes(domain):
            self.netlink.send(
                netlink.add_rule(fwmark=domain, table=domain, priority=domain),
                netlink.add_route(pod_cidr, kind="unreachable", table=domain),
                ignore={17},
            )
        self.set_blocks_routes(port, blocks)
        self.ports[owner] = replace(port, blocks=blocks, routed=True)
        return True

    def set_blocks_routes(self, port: Port, blocks: tuple[IPv4Network, ...]) -> None:
        """Make the domain's routes to `port` those to `blocks`."""
        domain = domain_table(port.cluster)
        device = next((link.index for link in self.netlink.links(port.device)), 0)
        if not device:  # pulled: the machine is off
            return
        stale = [r for r in self.netlink.routes(domain) if r.device == device and r.dst not in blocks]
        self.netlink.send(*(netlink.delete_route(route.dst, table=domain, device=device) for route in stale))
        self.netlink.send(
            *(
                netlink.add_route(
                    block, via=port.address, device=device, onlink=True, table=domain, mtu_lock=port.mtu or None
                )
                for block in blocks
            )
        )

    def spoofed(self) -> int:
        """Return how many packets the ports have refused."""
        return nft.counters(_TABLE, self.fd).get("spoofed", (0, 0))[0]

    def delete(self) -> None:
        """Remove the namespace, with all its ports."""
        for link in self._internet.netlink.links(self._uplink):
            self._internet.netlink.send(netlink.delete_link(link.index), ignore={errno.ENODEV})
        self.close()
        netns.delete(self.path)

    def close(self) -> None:
        self.netlink.close()
        os.close(self.fd)
