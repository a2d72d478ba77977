"""The frames of SPDY/3.1, as far as `kubectl port-forward` speaks them inside a WebSocket. Pure.

From the draft of SPDY/3 (docs/sources.md#spdy). Header blocks are compressed with one state each way for a connection.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, WINDOW_UPDATE = 1, 2, 3, 6, 9
FIN = 1
_VERSION = 0x8003
_LONGEST = 1 << 20

_NAMES = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    "Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 "
    "Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec "
    "00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8"
    "charset=iso-8859-1,utf-,*,enq=0."
)
#: What both sides start to compress with.
DICTIONARY = b"".join(
    struct.pack(">I", len(name)) + name.replace("_", " ").encode() for name in _NAMES.split()
) + _TEXT.encode()  # fmt: skip


class SpdyError(ValueError):
    """What came is not SPDY/3.1."""


@dataclass(frozen=True, slots=True)
class Frame:
    """kind 0 is data. `stream` is a ping's number in a ping."""

    kind: int
    stream: int
    fin: bool = False
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Reader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete now; those that port-forwarding doesn't need are left out.

        Raises SpdyError.
        """
        self._bytes += data
        while len(self._bytes) >= 8:
            first, second = struct.unpack_from(">II", self._bytes)
            flags, length = second >> 24, second & 0xFFFFFF
            if length > _LONGEST:
                raise SpdyError(f"a frame of {length} bytes")
            if len(self._bytes) < 8 + length:
                return
            payload = bytes(self._bytes[8 : 8 + length])
            del self._bytes[: 8 + length]
            if not first >> 31:
                yield Frame(0, first, bool(flags & FIN), payload)
            elif first >> 16 != _VERSION:
                raise SpdyError(f"version {first >> 16 & 0x7FFF}")
            else:
                yield from self._control(first & 0xFFFF, bool(flags & FIN), payload)

    def _control(self, kind: int, fin: bool, payload: bytes) -> Iterator[Frame]:
        try:
            if kind == SYN_STREAM:
                (stream,) = struct.unpack_from(">I", payload)
                yield Frame(kind, stream & 0x7FFFFFFF, fin, headers=self._headers(payload[10:]))
            elif kind in (RST_STREAM, PING):
                yield Frame(kind, struct.unpack_from(">I", payload)[0])
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise SpdyError(f"frame of type {kind}: {error}") from error

    def _headers(self, block: bytes) -> dict[str, str]:
        text = self._inflate.decompress(block, _LONGEST)
        (count,) = struct.unpack_from(">I", text)
        at, words = 4, []
        for _ in range(2 * count):
            (length,) = struct.unpack_from(">I", text, at)
            words.append(text[at + 4 : at + 4 + length].decode())
            at += 4 + length
        return {name.lower(): value for name, value in zip(words[::2], words[1::2], strict=True)}


class Writer:
    """Makes frames."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def reply(self, stream: int) -> bytes:
        """Return the acceptance of a stream."""
        block = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control(SYN_REPLY, struct.pack(">I", stream) + block)

    def data(self, stream: int, data: bytes, *, fin: bool = False) -> bytes:
        return struct.pack(">II", stream, (FIN << 24 if fin else 0) | len(data)) + data

    def pong(self, number: int) -> bytes:
        return _control(PING, struct.pack(">I", number))

    def credit(self, stream: int, count: int) -> bytes:
        """Return the permission to send so many bytes more."""
        return _control(WINDOW_UPDATE, struct.pack(">II", stream, count))


def _control(kind: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", _VERSION, kind, len(payload)) + payload
