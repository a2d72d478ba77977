"""Features of links that netlink doesn't tell: the old ioctl of ethtool."""

import array
import fcntl
import socket
import struct

from slash24.errors import Slash24Error
from slash24.kernel.netns import inside

# linux/sockios.h and linux/ethtool.h
_SIOCETHTOOL = 0x8946
_GET_GRO, _SET_GRO = 0x2B, 0x2C


class EthtoolError(Slash24Error):
    """A link's feature could not be read or set."""


def gro(link: str, netns: int | None = None) -> bool:
    """Return whether a link joins received packets of one flow (generic receive offload)."""
    return bool(_call(link, _GET_GRO, 0, netns))


def set_gro(link: str, on: bool, netns: int | None = None) -> None:
    """Let a link join received packets of one flow, or not."""
    _call(link, _SET_GRO, int(on), netns)


def _call(link: str, command: int, value: int, netns: int | None) -> int:
    data = array.array("I", [command, value])
    request = struct.pack("16sP8x", link.encode(), data.buffer_info()[0])
    try:
        with inside(netns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SIOCETHTOOL, request)
    except OSError as error:
        raise EthtoolError(f"GRO of link {link} could not be read or set: {error.strerror}") from error
    return data[1]
