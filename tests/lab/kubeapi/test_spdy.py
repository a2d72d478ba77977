"""SPDY's frames: what kubectl's library writes is read, what we write is what it reads."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slash24.lab.kubeapi.spdy import DICTIONARY, FIN, PING, SYN_REPLY, SYN_STREAM, Frame, Reader, SpdyError, Writer


def stream_frame(compressor: "zlib._Compress", stream: int, headers: dict[str, str]) -> bytes:
    words = [word.encode() for pair in headers.items() for word in pair]
    block = struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(word)) + word for word in words)
    payload = struct.pack(">IIH", stream, 0, 0) + compressor.compress(block) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return struct.pack(">HHI", 0x8003, SYN_STREAM, len(payload)) + payload


def test_the_dictionary_is_that_of_the_specification() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.integers(1, 64))
def test_frames_are_read_however_they_are_cut(size: int) -> None:
    compressor = zlib.compressobj(zdict=DICTIONARY)
    sent = stream_frame(compressor, 1, {"streamtype": "error", "port": "80"})
    sent += stream_frame(compressor, 3, {"StreamType": "data", "port": "80"})
    sent += struct.pack(">HHII", 0x8003, PING, 4, 7) + struct.pack(">HHI", 0x8003, 4, 0)
    sent += struct.pack(">II", 3, FIN << 24 | 5) + b"hello"
    reader = Reader()
    found = [frame for at in range(0, len(sent), size) for frame in reader.feed(sent[at : at + size])]
    assert found == [
        Frame(SYN_STREAM, 1, headers={"streamtype": "error", "port": "80"}),
        Frame(SYN_STREAM, 3, headers={"streamtype": "data", "port": "80"}),
        Frame(PING, 7),
        Frame(0, 3, fin=True, data=b"hello"),
    ]


def test_replies_share_one_compression_state() -> None:
    writer, inflate = Writer(), zlib.decompressobj(zdict=DICTIONARY)
    for stream in (1, 3):
        frame = writer.reply(stream)
        assert struct.unpack_from(">HHII", frame) == (0x8003, SYN_REPLY, len(frame) - 8, stream)
        assert inflate.decompress(frame[12:]) == b"\0\0\0\0"
    assert list(Reader().feed(writer.data(5, b"x", fin=True))) == [Frame(0, 5, fin=True, data=b"x")]


@given(st.binary(max_size=200))
def test_bytes_that_are_no_spdy_are_refused_or_waited_for(noise: bytes) -> None:
    try:
        list(Reader().feed(noise))
    except SpdyError:
        return


def test_a_frame_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(SpdyError, match="16777215 bytes"):
        list(Reader().feed(struct.pack(">II", 1, 0xFFFFFF)))
