"""Samples of every framing, by its word, for the tests that all splitters pass."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st
from support.strategies import LINES, OBJECTS, RANDOM, damaged, prefixed


class Sample(NamedTuple):
    """What to try a splitter with whose limit is 100."""

    frame: bytes
    """A frame as the framing writes it."""
    partial: bytes
    """Its beginning."""
    wrong: bytes
    """What is refused at once, wherever a frame can begin."""
    streams: st.SearchStrategy[bytes]
    """Streams, valid, damaged and random."""


_LINES = damaged(LINES)

SAMPLES = {
    "lines": Sample(b"hi\r\n", b"hi", b"x" * 101, _LINES),
    "lines?eol=crlf": Sample(b"hi\r\n", b"hi", b"x" * 101, _LINES),
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
}
