"""Byte streams to try the splitters with: valid, damaged and random, and ways to cut them."""

from __future__ import annotations

import struct

import msgpack
from hypothesis import strategies as st

TIMESTAMPS = st.builds(
    msgpack.Timestamp,
    st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 2**34 - 1), st.integers(-(2**63), 2**63 - 1)),
    st.one_of(st.just(0), st.integers(0, 999_999_999)),
)

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.integers(-40, 300),
        st.floats(allow_nan=False),
        st.text(max_size=12),
        st.text(min_size=28, max_size=40),
        st.binary(max_size=40),
        st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20)),
        TIMESTAMPS,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, min_size=15, max_size=18),
        st.dictionaries(st.one_of(st.text(max_size=6), st.integers(-5, 5)), inner, max_size=4),
    ),
    max_leaves=12,
)

OBJECTS = VALUES.map(msgpack.packb)

# Bytes that begin something, so that random streams get past their first byte.
LEADS = st.sampled_from([bytes([byte]) for byte in range(0x80, 0x100)])
SNIPPETS = st.sampled_from(
    [
        b"\xd7\xff" + struct.pack(">Q", 999_999_999 << 34),
        b"\xd7\xff" + struct.pack(">Q", 1_000_000_000 << 34),
        b"\xc7\x0c\xff" + struct.pack(">IQ", 999_999_999, 1),
        b"\xc7\x0c\xff" + struct.pack(">IQ", 1_000_000_000, 1),
        b"\xc7\x05\xffabcde",
        b"\xd6\xffabcd",
        b"\xa3\xe2\x82\xac",
        b"\xa2\xe2\x82",
        b"\xa3\xed\xa0\x80",
        b"\xa4\xf4\x90\x80\x80",
        b"\xd9\x04\xf0\x9f\x98\x80",
        b"\xda\x00\x02\xc3\xa9",
        b"\xdc\x00\x01\xc0",
        b"\xde\x00\x00",
        b"\xdd\x00\x00\x00\x02\x01\x02",
        b"\xdf\xff\xff\xff\xff",
    ]
)
RANDOM = st.lists(st.one_of(LEADS, SNIPPETS, OBJECTS, st.binary(max_size=3)), max_size=8).map(b"".join)


def prefixed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


LINES = st.lists(
    st.tuples(st.binary(max_size=12), st.sampled_from([b"\n", b"\r\n", b"\r\r\n", b"\r", b""])).map(b"".join),
    max_size=12,
).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> bytes:
    """A stream with some of its bytes changed, taken out or doubled."""
    stream = bytearray(draw(streams))
    for _ in range(draw(st.integers(0, 2))):
        if not stream:
            break
        at = draw(st.integers(0, len(stream) - 1))
        match draw(st.sampled_from(["change", "cut", "double"])):
            case "change":
                stream[at] = draw(st.integers(0, 255))
            case "cut":
                del stream[at]
            case "double":
                stream.insert(at, stream[at])
    return bytes(stream)


@st.composite
def cut(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> list[bytes]:
    """A stream in pieces, some of them empty."""
    stream = draw(streams)
    ends = draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
    starts = [0, *ends]
    return [stream[start:end] for start, end in zip(starts, [*ends, len(stream)], strict=True)]
