"""Msgpack objects back to back, compiled and twin; what makes an object wrong is in test_msgpack.py."""

from __future__ import annotations

import struct
import tracemalloc

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.splitters import COMPILED, TWINS, both, check_every_cut, outcome
from support.strategies import OBJECTS

from fastserver.errors import FrameError

streams = both("msgpack-stream")


@streams
def test_objects_come_out_as_they_came(make) -> None:
    values = [1, "hi", [], {"k": [1, "é€😀", None]}, b"\xff" * 40, msgpack.Timestamp(2**33, 5), "x" * 40, 2.5]
    stream = b"".join(map(msgpack.packb, values))
    found = check_every_cut(make, 100, stream)
    assert (found.frames, found.count, found.refusal) == (stream, len(values), None)
    assert [message.value for message in make(100).messages(stream, "peer")] == values


@pytest.mark.parametrize("kind", [TWINS, COMPILED], ids=["twin", "compiled"])
@settings(max_examples=100, deadline=None)
@given(objects=st.lists(OBJECTS, max_size=5))
def test_frames_are_the_objects(kind: dict, objects: list[bytes]) -> None:
    if not kind:
        pytest.skip("nothing compiled")
    splitter = kind["msgpack-stream"](1 << 20)
    stream = b"".join(objects)
    assert splitter.feed(stream) == stream
    assert splitter.count == len(objects)
    messages = splitter.messages(stream, "peer")
    assert [message.payload for message in messages] == objects
    assert [message.frame for message in messages] == [splitter.frame(packed) for packed in objects]


REFUSED = [
    (b"\xc1", "byte 0xc1", 0, 1, None),
    (b"\x92\x01\xc1", "byte 0xc1", 2, 3, None),
    (b"\xaaxxxxxxxxxx", "str of 10 bytes past the limit", 0, 1, 10),
    (b"\xd9\x09xxxxxxxxx", "str of 9 bytes past the limit", 0, 2, 10),
    (b"\xdb\x00\x01\x00\x00", "str of at least 65536 bytes past the limit", 0, 3, 10),
    (b"\xdb\xff\xff\xff\xff", "str of at least 4278190080 bytes past the limit", 0, 2, 10),
    (b"\xc6\x00\x00\x00\x06", "bin of 6 bytes past the limit", 0, 5, 10),
    (b"\xd8", "ext of 16 bytes past the limit", 0, 1, 10),
    (b"\x9a", "array of 10 elements past the limit", 0, 1, 10),
    (b"\x85", "map of 5 pairs past the limit", 0, 1, 10),
    (b"\xdd\xff\xff\xff\xff", "array of at least 4278190080 elements past the limit", 0, 2, 10),
    (b"\xdf\x00\x00\x00\x03", "map of 3 pairs past the limit", 0, 5, 10),
    (b"\x93\x01\xcf", "number of 8 bytes past the limit", 2, 3, 10),
    (b"\x98\x92", "array of 2 elements past the limit", 1, 2, 10),
    (b"\xa2a\xff", "text that is not UTF-8", 2, 3, None),
    (b"\xa2a\xe2", "text that is not UTF-8", 2, 3, None),
    (b"\xd5\xff", "timestamp of 2 bytes", 0, 2, None),
    (b"\xd7\xff\xff", "timestamp of too many nanoseconds", 0, 3, 999_999_999),
]


@streams
@pytest.mark.parametrize(("stream", "saw", "offset", "shown", "limit"), REFUSED)
def test_refused_at_the_first_byte_that_shows_it(
    make, stream: bytes, saw: str, offset: int, shown: int, limit: int | None
) -> None:
    before = b"\xa2hi\xc0"
    found = check_every_cut(make, 10, before + stream + before)
    assert (found.frames, found.count) == (before, 2)
    assert found.refusal == (saw, len(before) + offset, limit)
    assert found.fed == len(before) + shown


@streams
def test_an_object_of_exactly_the_limit_passes(make) -> None:
    for payload in (b"\xa9xxxxxxxxx", b"\x99" + b"\x01" * 9, b"\xc4\x08xxxxxxxx", b"\x93\xa5abcde\x01\xa1x"):
        assert len(payload) == 10
        assert check_every_cut(make, 10, payload * 2).frames == payload * 2
        assert check_every_cut(make, 9, payload * 2).refusal is not None


@streams
def test_nesting(make) -> None:
    deep = b"\x91" * 128 + b"\xc0"
    assert outcome(make, 1 << 20, [deep, deep]).frames == deep * 2
    found = outcome(make, 1 << 20, [deep + b"\x91" * 100_000])
    assert (found.frames, found.count) == (deep, 1)
    assert found.refusal == ("container inside too many others", 129 + 128, 128)


@streams
def test_a_stream_that_ends_inside_an_object(make) -> None:
    splitter = make(100)
    assert splitter.feed(b"\xc0\x92\x01") == b"\xc0"
    with pytest.raises(FrameError) as caught:
        splitter.finish()
    assert caught.value.args == ("stream ended inside a message", 1, None, b"", 0)


@streams
def test_held_is_what_arrived_not_what_was_claimed(make) -> None:
    splitter = make(2**34)
    tracemalloc.start()
    try:
        for header in (b"\xdd\xff\xff\xff\xff", b"\xdb" + struct.pack(">I", 2**32 - 1), b"x" * 100):
            before = splitter.held
            assert splitter.feed(header) == b""
            assert splitter.held == before + len(header)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@streams
def test_held_stays_under_the_limit(make) -> None:
    splitter = make(1000)
    splitter.feed(b"\xdc\x00\x64")
    for fed in range(5, 805, 10):
        assert splitter.feed(b"\xa9xxxxxxx\x7f\x7f") == b""
        assert splitter.held == fed + 8
    assert outcome(make, 1000, [b"\xdc\x00\x64" + b"\xa9xxxxxxxxx" * 100]).refusal == (
        "str of 9 bytes past the limit",
        3 + 99 * 10,
        1000,
    )


@streams
def test_frame(make) -> None:
    splitter = make(8)
    payload = b"\x92\x01\xa2hi"
    assert splitter.frame(payload) is payload
    for wrong, text in (
        (b"", r"payload: message of 0 bytes at offset 0$"),
        (b"\xc4\x07abcdefg", r"payload: message of 9 bytes at offset 0 \(limit 8\)"),
        (b"\x01\x02", "payload: object shorter than its message at offset 0"),
        (b"\x92\x01", "payload: array of 2 elements past the end of its message at offset 0"),
    ):
        with pytest.raises(ValueError, match=text):
            splitter.frame(wrong)
