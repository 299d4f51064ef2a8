"""Msgpack with a length before each object, compiled and twin: the scanner's every refusal is here."""

from __future__ import annotations

import random
import struct
import tracemalloc

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.splitters import COMPILED, TWINS, both, check_every_cut, outcome
from support.strategies import OBJECTS, RANDOM, damaged, prefixed

from fastserver.errors import FrameError

prefixed_objects = both("msgpack")

SAMPLES = [
    None, True, False, 0, 127, 128, 255, 256, 65535, 65536, 2**32, 2**64 - 1, -1, -32, -33, -128, -129,
    -(2**15) - 1, -(2**31) - 1, 1.5, "", "a", "abcdefg", "abcdefgh", "x" * 31, "x" * 32, "é€😀", "x" * 255,
    "é" * 128, b"", b"\xff" * 9, b"\x00" * 256, [], [1, [2, [3]]], list(range(20)), {}, {"a": 1, "b": [{}]},
    {1: 2, None: 3}, {str(key): key for key in range(20)},
    *(msgpack.ExtType(5, b"a" * length) for length in (0, 1, 2, 3, 4, 16, 300)),
    msgpack.Timestamp(1, 0), msgpack.Timestamp(2**34 - 1, 999_999_999), msgpack.Timestamp(-1, 999_999_999),
]  # fmt: skip


def accepted(payload: bytes) -> bool:
    """Whether msgpack itself takes it, whatever the keys of its maps and the types of its extensions."""
    try:
        msgpack.unpackb(
            payload, raw=False, strict_map_key=False, object_pairs_hook=list, ext_hook=lambda code, data: data
        )
    except (ValueError, msgpack.UnpackException):
        return False
    return True


@prefixed_objects
@pytest.mark.parametrize("value", SAMPLES, ids=lambda value: repr(value)[:20])
def test_every_type_passes_however_cut(make, value: object) -> None:
    frame = prefixed(msgpack.packb(value))
    found = check_every_cut(make, 400, frame + prefixed(b"\xc0"))
    assert (found.frames, found.count, found.refusal) == (frame + prefixed(b"\xc0"), 2, None)
    assert make(400).frame(frame[4:]) == frame


@prefixed_objects
def test_long_headers_of_short_things_pass(make) -> None:
    for payload in (
        b"\xd9\x01a", b"\xda\x00\x01a", b"\xdb\x00\x00\x00\x01a", b"\xc5\x00\x01a", b"\xc6\x00\x00\x00\x01a",
        b"\xc8\x00\x01\x05a", b"\xc9\x00\x00\x00\x01\x05a", b"\xdc\x00\x01\xc0", b"\xdd\x00\x00\x00\x01\xc0",
        b"\xde\x00\x01\xc0\xc0", b"\xdf\x00\x00\x00\x01\xc0\xc0", b"\xdc\x00\x00", b"\xdf\x00\x00\x00\x00",
        b"\xc7\x04\xffabcd", b"\xc8\x00\x0c\xff" + bytes(12), b"\xcf" + b"\xff" * 8, b"\xdb\x00\x00\x00\x00",
    ):  # fmt: skip
        found = check_every_cut(make, 100, prefixed(payload))
        assert (found.frames, found.refusal) == (prefixed(payload), None)


def wrong(
    payload: bytes, saw: str, at: int = 0, shown: int | None = None, limit: int | None = None
) -> tuple[bytes, str, int, int, int | None]:
    """A frame to be refused: `at` and `shown` (bytes needed to tell) count from the payload's start."""
    stream = struct.pack(">I", len(payload)) + payload
    return stream, saw, 4 + at, 4 + (len(payload) if shown is None else shown), limit


PAST = "past the end of its message"
NANOSECONDS = "timestamp of too many nanoseconds"
REFUSED = [
    (b"\x00\x00\x00\x00", "message of 0 bytes", 0, 4, None),
    (b"\x00\x00\x01\x2d", "message of 301 bytes", 0, 4, 300),
    (b"\x00\x00\x02\x00", "message of at least 512 bytes", 0, 3, 300),
    (b"\x00\x01\x00\x00", "message of at least 65536 bytes", 0, 2, 300),
    (b"\xff\xff\xff\xff", "message of at least 4278190080 bytes", 0, 1, 300),
    wrong(b"\xc1", "byte 0xc1"),
    wrong(b"\x93\x01\xc1\x02", "byte 0xc1", 2, 3),
    # Cut short: more than the length says.
    wrong(b"\xa2a", "str of 2 bytes past the end of its message", 0, 1),
    wrong(b"\xd9", "str past the end of its message"),
    wrong(b"\xd9\x02a", "str of 2 bytes past the end of its message", 0, 2),
    wrong(b"\xda\x01\x00a", "str of at least 256 bytes past the end of its message", 0, 2),
    wrong(b"\xdb\xff\xff\xff\xff" + b"a" * 9, f"str of at least {0xFF << 24} bytes {PAST}", 0, 2),
    wrong(b"\xc4\x03ab", "bin of 3 bytes past the end of its message", 0, 2),
    wrong(b"\xc6\x00\x00\x01\x00a", "bin of at least 256 bytes past the end of its message", 0, 4),
    wrong(b"\xc7\x02\x05a", "ext of 2 bytes past the end of its message", 0, 2),
    wrong(b"\xd8\x05" + b"a" * 15, "ext of 16 bytes past the end of its message", 0, 1),
    wrong(b"\xcf" + b"a" * 7, "number of 8 bytes past the end of its message", 0, 1),
    wrong(b"\x92\x01", "array of 2 elements past the end of its message", 0, 1),
    wrong(b"\x82\x01\x01\x01", "map of 2 pairs past the end of its message", 0, 1),
    wrong(b"\xdd\xff\xff\xff\xff" + b"\x01" * 9, f"array of at least {0xFF << 24} elements {PAST}", 0, 2),
    wrong(b"\xdf\x00\x00\x00\x03" + b"\x01" * 5, "map of 3 pairs past the end of its message", 0, 5),
    wrong(b"\x93\xa2ab\x01", "str of 2 bytes past the end of its message", 1, 2),
    wrong(b"\x92\x92\x01\x01", "array of 2 elements past the end of its message", 1, 2),
    # Goes on after the object: told by the header of its last element.
    wrong(b"\xc0\xc0", "object shorter than its message", 0, 1),
    wrong(b"\xa1ab", "object shorter than its message", 0, 1),
    wrong(b"\x90\x01", "object shorter than its message", 0, 1),
    wrong(b"\xdc\x00\x00\x01", "object shorter than its message", 0, 3),
    wrong(b"\xd9\x01abc", "object shorter than its message", 0, 2),
    wrong(b"\xd9" + b"a" * 299, "object shorter than its message", 0, 1),
    wrong(b"\xc4\x00" + b"a" * 9, "object shorter than its message", 0, 2),
    wrong(b"\xde\x00\x00\xc0", "object shorter than its message", 0, 1),
    wrong(b"\xcc\x01\x02", "object shorter than its message", 0, 1),
    wrong(b"\x92\x01\x02\x03", "object shorter than its message", 2, 3),
    wrong(b"\x92\x01\x91\x02\x03", "object shorter than its message", 3, 4),
    wrong(b"\x81\xa1k\xa1\xff\x03", "object shorter than its message", 3, 4),
    # Text.
    wrong(b"\xa2\xc3\x28", "text that is not UTF-8", 1, 3),
    wrong(b"\xa2a\x80", "text that is not UTF-8", 2, 3),
    wrong(b"\xa2\xc0\x80", "text that is not UTF-8", 1, 2),
    wrong(b"\xa2\xc1\xbf", "text that is not UTF-8", 1, 2),
    wrong(b"\xa3\xe0\x9f\xbf", "text that is not UTF-8", 1, 3),
    wrong(b"\xa3\xed\xa0\x80", "text that is not UTF-8", 1, 3),
    wrong(b"\xa3\xe2\x82\x28", "text that is not UTF-8", 1, 4),
    wrong(b"\xa4\xf0\x8f\xbf\xbf", "text that is not UTF-8", 1, 3),
    wrong(b"\xa4\xf4\x90\x80\x80", "text that is not UTF-8", 1, 3),
    wrong(b"\xa4\xf0\x9f\x98\x28", "text that is not UTF-8", 1, 5),
    wrong(b"\xa4\xf5\x80\x80\x80", "text that is not UTF-8", 1, 2),
    wrong(b"\xa1\xff", "text that is not UTF-8", 1, 2),
    wrong(b"\xa2a\xc3", "text that is not UTF-8", 2, 3),
    wrong(b"\x92\xa2\xe2\x82\x01", "text that is not UTF-8", 2, 3),
    wrong(b"\xd9\x29" + b"x" * 40 + b"\xfe", "text that is not UTF-8", 42, 43),
    wrong(b"\xda\x00\x43" + "é".encode() * 33 + b"\xe2", "text that is not UTF-8", 69, 70),
    # Timestamps.
    wrong(b"\xd4\xffa", "timestamp of 1 bytes", 0, 2),
    wrong(b"\xd5\xffab", "timestamp of 2 bytes", 0, 2),
    wrong(b"\xd8\xff" + bytes(16), "timestamp of 16 bytes", 0, 2),
    wrong(b"\xc7\x00\xff", "timestamp of 0 bytes", 0, 3),
    wrong(b"\xc7\x0b\xff" + bytes(11), "timestamp of 11 bytes", 0, 3),
    wrong(b"\x91\xc8\x00\x05\xff" + bytes(5), "timestamp of 5 bytes", 1, 5),
    wrong(b"\xd7\xff" + struct.pack(">Q", 10**9 << 34), NANOSECONDS, 0, 5, 999_999_999),
    wrong(b"\xd7\xff\xff" + bytes(7), NANOSECONDS, 0, 3, 999_999_999),
    wrong(b"\xc7\x0c\xff" + struct.pack(">IQ", 10**9, 0), NANOSECONDS, 0, 6, 999_999_999),
    wrong(b"\xc7\x0c\xff\x3c" + bytes(11), NANOSECONDS, 0, 4, 999_999_999),
    # Nesting.
    wrong(b"\x91" * 128 + b"\x90", "container inside too many others", 128, 129, 128),
    wrong(b"\x91" * 129 + b"\x01", "container inside too many others", 128, 129, 128),
    wrong(b"\x81\x01" * 128 + b"\x80", "container inside too many others", 256, 257, 128),
    wrong(b"\x91" * 128 + b"\xdf\x00\x00\x00\x00", "container inside too many others", 128, 129, 128),
]


@prefixed_objects
@pytest.mark.parametrize(("stream", "saw", "offset", "shown", "limit"), REFUSED)
def test_refused_at_the_first_byte_that_shows_it(
    make, stream: bytes, saw: str, offset: int, shown: int, limit: int | None
) -> None:
    before = prefixed(b"\xa2hi")
    found = check_every_cut(make, 300, before + stream + before)
    assert (found.frames, found.count) == (before, 1)
    assert found.refusal == (saw, len(before) + offset, limit)
    assert found.fed == len(before) + shown


@prefixed_objects
@pytest.mark.parametrize("innermost", [b"\xc0", b"\xa2hi", b"\xd9\x01x"])
def test_128_containers_within_each_other_pass(make, innermost: bytes) -> None:
    for payload in (b"\x91" * 128 + innermost, b"\x81\x01" * 128 + innermost, b"\x91" * 127 + b"\x90"):
        frames = prefixed(payload) * 2
        assert outcome(make, 300, [frames]).frames == frames
        assert check_every_cut(make, 300, prefixed(payload)).refusal is None


@prefixed_objects
def test_nesting_ends_where_containers_do(make) -> None:
    payload = b"\xdc\x01\x00" + (b"\x91" * 127 + b"\x01") * 256
    assert outcome(make, 1 << 20, [prefixed(payload)]).frames == prefixed(payload)


@prefixed_objects
def test_deep_nesting_is_refused_early(make) -> None:
    found = outcome(make, 1 << 20, [prefixed(b"\x91" * 100_000 + b"\xc0")[:200]])
    assert found.refusal == ("container inside too many others", 132, 128)


@prefixed_objects
@pytest.mark.parametrize("limit", [1, 5, 300])
def test_an_object_of_exactly_the_limit_passes(make, limit: int) -> None:
    payload = {1: b"\xc0", 5: b"\xa4\xe2\x82\xacx", 300: b"\xc5\x01\x29" + b"\xff" * 297}[limit]
    assert len(payload) == limit
    assert check_every_cut(make, limit, prefixed(payload)).frames == prefixed(payload)
    assert make(limit).frame(payload) == prefixed(payload)
    if limit > 1:
        found = check_every_cut(make, limit - 1, prefixed(payload))
        assert found.refusal is not None
        assert found.refusal[1:] == (0, limit - 1)


@prefixed_objects
@pytest.mark.parametrize("cut", [1, 3, 4, 5, 6])
def test_a_stream_that_ends_inside_a_frame(make, cut: int) -> None:
    before = prefixed(b"\x01")
    splitter = make(100)
    assert splitter.feed(before + prefixed(b"\xa2hi")[:cut]) == before
    with pytest.raises(FrameError) as caught:
        splitter.finish()
    assert caught.value.args == ("stream ended inside a message", 5, None, b"", 0)


@prefixed_objects
def test_held_is_what_arrived_not_what_was_claimed(make) -> None:
    splitter = make(2**32 - 1)
    tracemalloc.start()
    try:
        for index, byte in enumerate(struct.pack(">IBI", 2**32 - 1, 0xC6, 2**32 - 6)):
            assert splitter.feed(bytes([byte])) == b""
            assert splitter.held == index + 1
        splitter.feed(b"x" * 100)
        assert splitter.held == 109
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@prefixed_objects
def test_large_objects_in_many_pieces(make) -> None:
    values = ["é€x" * 20_000, b"\xff" * 100_000, list(range(20_000)), {str(key): "v" * 50 for key in range(99)}]
    stream = b"".join(prefixed(msgpack.packb(value)) for value in values)
    for length in (7, 1000, 65_536):
        found = outcome(make, 1 << 20, [stream[at : at + length] for at in range(0, len(stream), length)])
        assert (found.frames, found.count) == (stream, 4)


@prefixed_objects
@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"", r"payload: message of 0 bytes at offset 0$"),
        (b"\xc4\x07abcdefg", r"payload: message of 9 bytes at offset 0 \(limit 8\)"),
        (b"\xc1", "payload: byte 0xc1 at offset 0"),
        (b"\x92\x01", "payload: array of 2 elements past the end of its message at offset 0"),
        (b"\x01\x02", "payload: object shorter than its message at offset 0"),
        (b"\x92\x01\xa1\xff", "payload: text that is not UTF-8 at offset 3"),
    ],
)
def test_what_frame_refuses(make, payload: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make(8).frame(payload)


@pytest.mark.parametrize("kind", [TWINS, COMPILED], ids=["twin", "compiled"])
@settings(max_examples=300, deadline=None)
@given(payload=st.one_of(OBJECTS, RANDOM, damaged(OBJECTS), st.binary(min_size=1, max_size=6)))
@example(payload=b"\xa3\xed\xa0\x80")
def test_accepts_what_msgpack_accepts(kind: dict, payload: bytes) -> None:
    if not kind:
        pytest.skip("nothing compiled")
    try:
        frame = kind["msgpack"](1 << 20).frame(payload)
    except ValueError:
        assert not accepted(payload)
    else:
        assert accepted(payload)
        assert outcome(kind["msgpack"], 1 << 20, [frame]).frames == frame


@pytest.mark.parametrize("name", ["msgpack", "msgpack-stream"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_what_is_held_can_always_be_completed(name: str, data: st.DataObject) -> None:
    """No prefix is kept that nothing can follow: the refusal does come with the first byte that shows it."""
    limit = data.draw(st.integers(1, 24))
    stream = data.draw(RANDOM)
    if name == "msgpack":
        stream = struct.pack(">I", data.draw(st.integers(1, limit))) + stream
    order = list(range(256))
    random.Random(data.draw(st.integers(0, 99))).shuffle(order)
    order = list(stream[:1]) + order
    prefix = b""
    while True:
        # The stream's own bytes as long as they are right, then any that are.
        for byte in [*stream[len(prefix) : len(prefix) + 1], *order]:
            splitter = COMPILED.get(name, TWINS[name])(limit)
            try:
                frame = splitter.feed(prefix + bytes([byte]))
            except FrameError:
                continue
            break
        else:
            pytest.fail(f"nothing can follow {prefix!r}")
        prefix += bytes([byte])
        if frame:
            assert accepted(frame[4:] if name == "msgpack" else frame)
            return
