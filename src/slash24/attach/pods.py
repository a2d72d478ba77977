"""ADD, DEL, CHECK and GC of one pod's attachment: a lease and a link, both or neither."""

import errno
import os
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from slash24.attach.link import Link, check_link, create_link, host_veth, pod_mac, way_to_pod
from slash24.core.addresses import IPAddress
from slash24.errors import Slash24Error
from slash24.kernel import netns as netns_files
from slash24.kernel.netlink import Netlink, NetlinkError, delete_link, host_route
from slash24.kernel.netns import NetnsError
from slash24.store.leases import DYING, OWNED, RESERVED, AttachedError, Lease, Leases, NodeSettings

#: The probe's sandbox is no runtime's: GC must not take it.
PROBE_CONTAINER = "slash24-probe"
_OWN = Path("/proc/thread-self/ns/net")


class NotConfiguredError(Slash24Error):
    """The node has no block yet."""


class GoneError(Slash24Error):
    """The container's namespace is not there, or is no network namespace of a container."""


class DamagedError(Slash24Error):
    """CHECK found an attachment that isn't as ADD made it."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a runtime asks for: the interface `ifname` in the container whose namespace is at the path `netns`."""

    container_id: str
    ifname: str
    netns: str
    pod_namespace: str = ""
    pod_name: str = ""
    pod_uid: str = ""


@dataclass(frozen=True, slots=True)
class Attached:
    """What ADD made."""

    lease: Lease
    link: Link


class Pods:
    """The attachments of this node. Not for several threads: one writer a process."""

    def __init__(self, leases: Leases, netlink: Netlink) -> None:
        self.leases = leases
        self._netlink = netlink

    def add(self, wanted: Attachment, *, mtu_bytes: int | None = None) -> Attached:
        """Give the container an address and a link; nothing of either is left if that fails.

        mtu_bytes: instead of the node's. Raises NotConfiguredError, GoneError, LinkError, AttachedError,
        BlockFullError, StoreError, NetlinkError.
        """
        settings = self.leases.settings()
        if settings is None:
            raise NotConfiguredError("this node has no block of the pod CIDR yet", fix="see the controller's events")
        self._clear_remains(wanted)
        with ExitStack() as undo:
            netns = self._open(wanted.netns, undo)
            name = host_veth(wanted.container_id, wanted.ifname)
            lease = self.leases.reserve(
                wanted.container_id,
                wanted.ifname,
                attempt=secrets.token_hex(8),
                host_veth=name,
                netns=wanted.netns,
                pod_namespace=wanted.pod_namespace,
                pod_name=wanted.pod_name,
                pod_uid=wanted.pod_uid,
            )
            kept = undo.enter_context(ExitStack())
            kept.callback(self.leases.release, lease)
            link = create_link(
                self._netlink,
                name,
                netns,
                wanted.ifname,
                address=lease.ip,
                source=_source(settings),
                mtu_bytes=mtu_bytes or settings.mtu_bytes,
            )
            kept.callback(self._delete_named, name)
            if not self.leases.own(lease):
                raise AttachedError(f"{wanted.ifname} of container {wanted.container_id} was deleted during its ADD")
            kept.pop_all()
        return Attached(lease, link)

    def _open(self, path: str, undo: ExitStack) -> int:
        try:
            netns = netns_files.open_fd(Path(path))
            undo.callback(os.close, netns)
            # A path that leads to the node's own namespace would give the node a pod's default route.
            own, other = _OWN.stat(), os.fstat(netns)
            if other.st_dev != own.st_dev:
                raise GoneError(f"{path} is no network namespace")
            if other.st_ino == own.st_ino:
                raise GoneError(f"{path} is the node's own network namespace", fix="pass the container's")
        except NetnsError as error:
            raise GoneError(f"the container's namespace {path} can't be opened: {error}") from error
        return netns

    def _clear_remains(self, wanted: Attachment) -> None:
        """Free what an earlier sandbox of the same pod, or an ADD that died, left (F12)."""
        before = self.leases.find(wanted.container_id, wanted.ifname)
        if before is not None and before.state in (RESERVED, DYING):
            self.remove(before)
        for lease in self.leases.of_pod(wanted.pod_uid) if wanted.pod_uid else ():
            if lease.container_id != wanted.container_id and lease.ifname == wanted.ifname:
                self.remove(lease)

    def delete(self, container_id: str, ifname: str, *, reap: Callable[[Lease, int], None] | None = None) -> None:
        """Take the link and the lease of an attachment away; an unknown one is no error.

        reap: deletes the link with this index elsewhere, and then calls `released`; None: it is done here, which takes
        16 to 64 ms.
        """
        lease = self.leases.find(container_id, ifname)
        if lease is None:
            self.leases.bury(container_id, ifname, int(time.time()))
            # A link without a lease: from a store that was lost, or of an ADD that is not done.
            self._delete_named(host_veth(container_id, ifname))
            return
        index = self.link_index(lease)
        if index and reap is not None:
            self.leases.dying(lease)
            reap(lease, index)
            return
        self.remove(lease)

    def remove(self, lease: Lease) -> None:
        """Delete a lease's link, then free its address: never the other way round, or two pods would share a route."""
        self.leases.dying(lease)
        self._delete_named(lease.host_veth)
        self.leases.release(lease)

    def link_index(self, lease: Lease) -> int:
        """Return the index of the host's end of a lease's link, 0 if there is none."""
        return next((link.index for link in self._netlink.links(lease.host_veth)), 0)

    def _delete_named(self, name: str) -> None:
        for link in self._netlink.links(name):
            self._delete_link(link.index)

    def _delete_link(self, index: int) -> None:
        try:
            self._netlink.send(delete_link(index))
        except NetlinkError:
            if any(link.index == index for link in self._netlink.links()):
                raise

    def check(self, wanted: Attachment, addresses: Iterable[IPAddress] = (), *, mtu_bytes: int | None = None) -> Lease:
        """Compare an attachment with what ADD made; raises DamagedError with all differences, GoneError.

        addresses: what the runtime believes that the container has.
        """
        settings = self.leases.settings()
        lease = self.leases.find(wanted.container_id, wanted.ifname)
        if settings is None or lease is None or lease.state != OWNED:
            raise DamagedError(f"{wanted.ifname} of container {wanted.container_id} has no lease")
        wrong = [f"{address} is not its address" for address in addresses if address != lease.ip]
        with ExitStack() as undo:
            netns = self._open(wanted.netns, undo)
            wrong += check_link(
                self._netlink,
                lease.host_veth,
                netns,
                wanted.ifname,
                address=lease.ip,
                mtu_bytes=mtu_bytes or settings.mtu_bytes,
            )
        if wrong:
            raise DamagedError(f"{lease.pod} ({lease.ip}): " + "; ".join(wrong), fix="delete the pod")
        return lease

    def collect(self, valid: Iterable[tuple[str, str]]) -> list[Slash24Error]:
        """Take away every attachment that isn't in `valid` (container, interface); return what failed, having gone on.

        An attachment whose ADD is not done is left alone.
        """
        keep = set(valid)
        failed = []
        for lease in self.leases.all():
            unlisted = (lease.container_id, lease.ifname) not in keep and lease.container_id != PROBE_CONTAINER
            if unlisted and lease.state != RESERVED:
                try:
                    self.remove(lease)
                except Slash24Error as error:
                    failed.append(error)
        return failed

    def mend(self) -> int:
        """Put back the ways to attached pods that somebody took away; return to how many pods.

        The kernel itself does so when the node's address goes, be it for a moment: it is the source of these routes.
        A link that is gone is not made anew: CHECK tells the runtime.
        """
        settings = self.leases.settings()
        owned = [lease for lease in self.leases.all() if lease.state == OWNED]
        if settings is None or not owned:
            return 0
        links = {link.name: link.index for link in self._netlink.links()}
        routes = {(route.dst, route.device) for route in self._netlink.routes()}
        neighbours = {(entry.ip, entry.device) for entry in self._netlink.neighbours() if entry.permanent}
        lost = [
            (links[lease.host_veth], lease.ip)
            for lease in owned
            if lease.host_veth in links
            and not (
                (host_route(lease.ip), links[lease.host_veth]) in routes
                and (lease.ip, links[lease.host_veth]) in neighbours
            )
        ]
        source = _source(settings)
        requests = [request for index, ip in lost for request in way_to_pod(index, ip, pod_mac(ip), source)]
        if requests:
            self._netlink.send(*requests, ignore={errno.ENODEV, errno.ENETDOWN})  # a pod that just goes
        return len(lost)

    def recover(self) -> int:
        """Take away what a killed process left half done; return how many attachments. Called once, at the start."""
        halves = [lease for lease in self.leases.all() if lease.state != OWNED]
        for lease in halves:
            self.remove(lease)
        return len(halves)


def _source(settings: NodeSettings) -> IPAddress | None:
    return ip_address(settings.address) if settings.address else None
