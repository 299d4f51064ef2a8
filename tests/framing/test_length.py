"""Lengths of 1 to 4 bytes, compiled and twin."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from support.splitters import both, check_every_cut, outcome

from fastserver.errors import FrameError
from fastserver.framing import refusals

GRAMMARS = [(width, order, includes) for width in (1, 2, 3, 4) for order in ("big", "little") for includes in (0, 1)]

grammars = pytest.mark.parametrize(("width", "order", "includes"), GRAMMARS)
length = both("length")


def of(make: Callable[..., Any], width: int, order: str, includes: bool) -> Callable[..., Any]:
    """Makes splitters of that grammar."""
    return partial(make, width=width, order=order, includes=bool(includes))


def frame(payload: bytes, width: int, order: Any, includes: bool) -> bytes:
    return (len(payload) + width * includes).to_bytes(width, order) + payload


@length
@grammars
def test_messages_come_out_as_they_came(make, width: int, order: str, includes: bool) -> None:
    kind = of(make, width, order, includes)
    payloads = [b"", b"\0", b"", b"hello", bytes(range(30))]
    stream = b"".join(frame(payload, width, order, includes) for payload in payloads)
    found = check_every_cut(kind, 30, stream)
    assert (found.frames, found.count, found.refusal) == (stream, 5, None)
    messages = kind(30).messages(stream, "peer")
    assert [message.payload for message in messages] == payloads
    assert b"".join(message.frame for message in messages) == stream
    assert b"".join(map(kind(30).frame, payloads)) == stream


@length
@grammars
@pytest.mark.parametrize("limit", [1, 7, 63])
def test_every_size_around_the_limit(make, width: int, order: str, includes: bool, limit: int) -> None:
    kind = of(make, width, order, includes)
    before = frame(b"x", width, order, includes)
    for size in (limit - 1, limit, limit + 1):
        stream = before + frame(b"\n" * size, width, order, includes)
        found = check_every_cut(kind, limit, stream)
        if size <= limit:
            assert (found.frames, found.count, found.refusal) == (stream, 2, None)
        else:
            assert (found.frames, found.count) == (before, 1)
            assert found.refusal is not None
            assert found.refusal[1:] == (len(before), limit)
            assert found.fed <= len(before) + width


@length
@pytest.mark.parametrize(
    ("width", "order", "includes", "head", "saw", "shown"),
    [
        (1, "big", 0, b"\xff", "message of 255 bytes", 1),
        (1, "big", 1, b"\xff", "message of 254 bytes", 1),
        (2, "big", 0, b"\x80\x00", "message of at least 32768 bytes", 1),
        (2, "big", 0, b"\x00\x65", "message of 101 bytes", 2),
        (2, "big", 1, b"\x00\x67", "message of 101 bytes", 2),
        (2, "little", 0, b"\x65\x00", "message of at least 101 bytes", 1),
        (2, "little", 0, b"\x00\x01", "message of 256 bytes", 2),
        (3, "big", 0, b"\x00\x01\x00", "message of at least 256 bytes", 2),
        (3, "little", 1, b"\x00\x00\x01", "message of 65533 bytes", 3),
        (4, "big", 0, b"\xff\xff\xff\xff", "message of at least 4278190080 bytes", 1),
        (4, "big", 1, b"\x00\x00\x00\xff", "message of 251 bytes", 4),
        (4, "little", 0, b"\x00\x00\x00\x80", "message of 2147483648 bytes", 4),
        (4, "little", 1, b"\x69\x00\x00\x00", "message of at least 101 bytes", 1),
    ],
)
def test_a_message_over_the_limit_is_refused_at_the_byte_that_shows_it(
    make, width: int, order: str, includes: bool, head: bytes, saw: str, shown: int
) -> None:
    found = check_every_cut(of(make, width, order, includes), 100, head + b"x" * 9)
    assert (found.frames, found.refusal, found.fed) == (b"", (saw, 0, 100), shown)


@length
@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("order", ["big", "little"])
def test_a_length_that_is_less_than_itself(make, width: int, order: Any) -> None:
    kind = of(make, width, order, True)
    before = frame(b"x", width, order, True)
    for less in range(width):
        head = less.to_bytes(width, order)
        for one in (kind, partial(kind, oversize="skip")):
            found = check_every_cut(one, 100, before + head + b"xxxxxxxx")
            assert (found.frames, found.count) == (before, 1)
            assert found.refusal == (f"length of {less} that counts its own {width} bytes", len(before), None)
            assert found.fed == len(before) + width


@length
@grammars
def test_a_message_over_the_limit_is_skipped_exactly(make, width: int, order: str, includes: bool) -> None:
    kind = partial(of(make, width, order, includes), oversize="skip")
    good = frame(b"good", width, order, includes)
    long = frame(good * 4, width, order, includes)
    found = check_every_cut(kind, 4, good + long + good + long + long + good)
    assert (found.frames, found.count, found.refusal) == (good * 3, 3, None)
    assert (found.skipped, found.fault) == (3, (f"message of {4 * len(good)} bytes", len(good), 4))


@length
@grammars
def test_a_stream_that_ends_inside_a_message(make, width: int, order: str, includes: bool) -> None:
    whole = frame(b"hello", width, order, includes)
    for end in range(1, len(whole)):
        splitter = of(make, width, order, includes)(100)
        assert splitter.feed(whole + whole[:end]) == whole
        assert splitter.held == end
        with pytest.raises(FrameError) as caught:
            splitter.finish()
        assert caught.value.args == (refusals.ENDED, len(whole), None, b"", 0)


@length
def test_held_is_what_arrived_not_what_was_claimed(make) -> None:
    splitter = make(2**32 - 1)
    tracemalloc.start()
    try:
        for number in range(1, 5):
            assert splitter.feed(b"\xff") == b""
            assert splitter.held == number
        splitter.feed(b"x" * 100)
        assert splitter.held == 104
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@length
@pytest.mark.parametrize(("width", "includes", "most"), [(1, 0, 255), (1, 1, 254), (2, 0, 65535), (2, 1, 65533)])
def test_frame_refuses_what_the_length_cannot_tell(make, width: int, includes: bool, most: int) -> None:
    splitter = of(make, width, "big", includes)(1 << 20)
    assert splitter.frame(b"x" * most) == b"\xff" * width + b"x" * most
    with pytest.raises(ValueError, match=rf"payload of {most + 1} bytes \(limit {most}\)"):
        splitter.frame(b"x" * (most + 1))
    with pytest.raises(ValueError, match=r"payload of 8 bytes \(limit 7\)"):
        of(make, width, "big", includes)(7).frame(b"x" * 8)


@length
def test_large_messages_in_many_pieces(make) -> None:
    stream = b"".join(frame(b"x" * size, 4, "big", False) for size in (100_000, 0, 1, 70_000))
    for piece in (7, 1000, 65_536):
        found = outcome(make, 1 << 20, [stream[at : at + piece] for at in range(0, len(stream), piece)])
        assert (found.frames, found.count) == (stream, 4)


# Streams from public bug reports.


@length
@pytest.mark.parametrize("size", [0xFFFD, 0xFFFE, 0xFFFF])
def test_coturn_1837_lengths_near_the_largest_of_two_bytes(make, size: int) -> None:
    whole = size.to_bytes(2, "big") + b"x" * size
    for pieces in ([whole * 2], [whole[:1], whole[1:] + whole[:2], whole[2:]]):
        found = outcome(of(make, 2, "big", False), 1 << 20, pieces)
        assert (found.frames, found.count, found.refusal) == (whole * 2, 2, None)
    found = outcome(of(make, 2, "big", True), 1 << 20, [whole[:size]])
    assert (found.frames, found.count, found.refusal) == (whole[:size], 1, None)


@length
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_telegraf_splitters_lengths_with_the_top_bit_set(make, width: int) -> None:
    kind = of(make, width, "big", False)
    head = b"\x80" + bytes(width - 1)
    found = check_every_cut(kind, 100, head + b"x" * 20)
    assert found.frames == b""
    assert found.refusal is not None
    assert found.refusal[1:] == (0, 100)
    size = 1 << 8 * width - 1
    splitter = kind(1 << 40)
    assert splitter.feed(head + b"xyz") == b""
    assert splitter.held == width + 3
    if width < 3:
        assert splitter.feed(b"x" * (size - 3)) == head + b"xyz" + b"x" * (size - 3)


@length
def test_telegraf_splitters_a_length_shorter_than_itself(make) -> None:
    found = check_every_cut(of(make, 4, "big", True), 100, b"\0\0\0\3" + b"x" * 20)
    assert (found.frames, found.refusal) == (b"", ("length of 3 that counts its own 4 bytes", 0, None))
