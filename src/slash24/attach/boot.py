"""The identity of the network that leases belong to."""

import socket
from pathlib import Path

_SO_NETNS_COOKIE = 71


def boot_identity(boot_id: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """Return a text that changes when the machine boots, and when this node's network namespace is a new one.

    Either ends every pod link of the node, so leases under another identity are void (F11).
    """
    with socket.socket(socket.AF_UNIX) as any_socket:
        try:
            # Unlike an inode number, a cookie is never used again.
            cookie = any_socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8).hex()
        except OSError:  # before Linux 5.14
            cookie = str(Path("/proc/thread-self/ns/net").stat().st_ino)
    return f"{boot_id.read_text().strip()}/{cookie}"
