"""Samples of every framing, by its word, for the tests that all splitters pass."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as st
from support.strategies import LINES, OBJECTS, RANDOM, damaged, prefixed


class Sample(NamedTuple):
    """Bytes to try a splitter with whose limit is 100."""

    frame: bytes
    """A frame as the framing writes it."""
    partial: bytes
    """Its beginning."""
    wrong: bytes
    """Bytes that are refused at once, wherever a frame can begin."""
    streams: st.SearchStrategy[bytes]
    """Streams, valid, damaged and random."""


_LINES = damaged(LINES)
_PAYLOADS = st.lists(st.one_of(st.binary(max_size=24), st.binary(min_size=60, max_size=140)), max_size=6)


def _counted(payload: bytes) -> bytes:
    return b"%d %b" % (len(payload), payload)


_COUNTED = st.lists(
    st.tuples(
        st.one_of(st.binary(max_size=24), st.binary(min_size=60, max_size=140)).map(_counted),
        st.sampled_from([b"", b"", b"\n", b"\r\n", b" \0"]),
    ).map(b"".join),
    max_size=6,
).map(b"".join)


def _length(width: int, order: Any, own: int = 0) -> Sample:
    """The sample of lengths of so many bytes, which count `own` bytes besides the payload."""

    def frame(payload: bytes) -> bytes:
        return ((len(payload) + own) % 256**width).to_bytes(width, order) + payload

    streams = damaged(_PAYLOADS.map(lambda payloads: b"".join(map(frame, payloads))))
    return Sample(frame(b"hi"), frame(b"hi")[:-1], frame(b"x" * 101), streams)


def _varint(payload: bytes) -> bytes:
    low, high = len(payload) % 128, len(payload) // 128
    return (bytes([low | 0x80, high]) if high else bytes([low])) + payload


def stream_of(delimiter: bytes, start: bytes = b"") -> st.SearchStrategy[bytes]:
    """Messages that end with `delimiter`, with parts of it in them."""
    parts = st.sampled_from([delimiter[:size] for size in range(1, len(delimiter) + 1)] + [start, b"x", b"\n"])
    payloads = st.one_of(st.binary(max_size=12), st.lists(parts, max_size=12).map(b"".join))
    return st.lists(payloads.map(lambda payload: start + payload + delimiter), max_size=6).map(b"".join)


_TELNET = st.lists(
    st.one_of(
        st.binary(max_size=24),
        st.binary(min_size=60, max_size=140),
        st.lists(st.sampled_from(b"\r\n\0\xff\xf0\xf1\xfa\xfb\xfc\xfd\xfe\x01x"), max_size=12).map(bytes),
        st.sampled_from([b"\xff\xfa\x18\x01\xff\xf0", b"\xff\xfa", b"\xff\xf0", b"plain\r\n"]),
    ),
    max_size=8,
).map(b"".join)

SAMPLES = {
    "lines": Sample(b"hi\r\n", b"hi", b"x" * 101, _LINES),
    "lines?eol=crlf": Sample(b"hi\r\n", b"hi", b"x" * 101, _LINES),
    "delimited": Sample(b"hi\r\n\0", b"hi\r", b"x" * 101, damaged(stream_of(b"\0"))),
    "delimited?delimiter=[[/]": Sample(b"[hi[[/]", b"[hi[[", b"x" * 103, damaged(stream_of(b"[[/]"))),
    "delimited?delimiter=%00%00": Sample(b"hi\0h\0\0", b"hi\0", b"x" * 101, damaged(stream_of(b"\0\0"))),
    "delimited?delimiter=%1C%0D&start=%0B": Sample(
        b"\x0bhi\r\x1c\r", b"\x0bhi\r\x1c", b"\x0b" + b"x" * 101, damaged(stream_of(b"\x1c\r", b"\x0b"))
    ),
    "msgpack": Sample(
        b"\x00\x00\x00\x03\xa2hi",
        b"\x00\x00\x00\x03\xa2h",
        b"\x00\x00\x00\x00",
        damaged(st.lists(st.one_of(OBJECTS, RANDOM).map(prefixed), max_size=4).map(b"".join)),
    ),
    "msgpack-stream": Sample(
        b"\xa2hi",
        b"\xa2h",
        b"\xc1",
        damaged(st.one_of(st.lists(OBJECTS, max_size=4).map(b"".join), RANDOM)),
    ),
    "octet": Sample(b"2 hi", b"2 h", b"0", damaged(_COUNTED)),
    "syslog": Sample(
        b"5 <1>hi",
        b"5 <1>h",
        b"0",
        damaged(st.one_of(_COUNTED, _COUNTED.map(lambda stream: b"5 <13>" + stream), LINES)),
    ),
    "length": _length(4, "big"),
    "length?bytes=1": _length(1, "big"),
    "length?bytes=2&includes=yes": _length(2, "big", 2),
    "length?bytes=3&order=little": _length(3, "little"),
    "length?order=little&includes=yes": _length(4, "little", 4),
    "varint": Sample(
        b"\x02hi", b"\x02h", b"\x65", damaged(_PAYLOADS.map(lambda payloads: b"".join(map(_varint, payloads))))
    ),
    "telnet": Sample(b"hi\r\n", b"hi", b"x" * 101, _TELNET),
    "netstring": Sample(
        b"2:hi,",
        b"2:hi",
        b"x",
        damaged(_PAYLOADS.map(lambda payloads: b"".join(b"%d:%b," % (len(payload), payload) for payload in payloads))),
    ),
}
