"""Lengths as varints, compiled and twin."""

from __future__ import annotations

from functools import partial

import pytest
from support.splitters import both, check_every_cut, outcome

from fastserver.errors import FrameError
from fastserver.framing import refusals

varint = both("varint")


@varint
@pytest.mark.parametrize(
    ("stream", "payloads"),
    [
        (b"", []),
        (b"\0", [b""]),
        (b"\1x\0\2hi", [b"x", b"", b"hi"]),
        (b"\x7f" + b"x" * 127, [b"x" * 127]),
        (b"\x80\x01" + b"x" * 128, [b"x" * 128]),
        (b"\x80\x00\x81\x00x", [b"", b"x"]),  # more bytes than needed
        (b"\x80\x80\x80\x80\x00\x82\x80\x80\x80\x00hi", [b"", b"hi"]),
    ],
)
def test_messages_come_out_as_they_came(make, stream: bytes, payloads: list[bytes]) -> None:
    found = check_every_cut(make, 128, stream)
    assert (found.frames, found.count, found.refusal) == (stream, len(payloads), None)
    messages = make(128).messages(stream, "peer")
    assert [message.payload for message in messages] == payloads
    assert b"".join(message.frame for message in messages) == stream


@varint
@pytest.mark.parametrize("limit", [1, 127, 128, 300])
def test_every_size_around_the_limit(make, limit: int) -> None:
    for size in (limit - 1, limit, limit + 1):
        stream = b"\1x" + make(1000).frame(b"\n" * size)
        found = check_every_cut(make, limit, stream)
        if size <= limit:
            assert (found.frames, found.count, found.refusal) == (stream, 2, None)
        else:
            assert (found.frames, found.refusal) == (b"\1x", (f"message of {size} bytes", 2, limit))
            assert found.fed == 2 + (1 if size < 128 else 2)


@varint
@pytest.mark.parametrize(
    ("head", "saw", "offset", "limit", "shown"),
    [
        (b"\xe5\x00", "message of at least 101 bytes", 0, 100, 1),
        (b"\x80\x01", "message of 128 bytes", 0, 100, 2),
        (b"\x80\x81\x80\x00", "message of at least 128 bytes", 0, 100, 2),
        (b"\x80\x80\x80\x80\x10", refusals.WIDE, 4, None, 5),
        (b"\x80\x80\x80\x80\x80\x00", refusals.WIDE, 4, None, 5),
        (b"\x80\x80\x80\x80\x01", "message of 268435456 bytes", 0, 100, 5),
    ],
)
def test_refused_at_the_byte_that_shows_it(
    make, head: bytes, saw: str, offset: int, limit: int | None, shown: int
) -> None:
    found = check_every_cut(make, 100, b"\1x" + head + b"x" * 9)
    assert (found.frames, found.count) == (b"\1x", 1)
    assert found.refusal == (saw, 2 + offset, limit)
    assert found.fed == 2 + shown


@varint
def test_a_message_over_the_limit_is_skipped_exactly(make) -> None:
    skipping = partial(make, oversize="skip")
    stream = b"\2hi\x85\x00\1x\1y\1\x80\x01" + b"\1z" * 64 + b"\4good"
    found = check_every_cut(skipping, 4, stream)
    assert (found.frames, found.count, found.refusal) == (b"\2hi\4good", 2, None)
    assert (found.skipped, found.fault) == (2, ("message of 5 bytes", 3, 4))


@varint
@pytest.mark.parametrize("rest", [b"\x80", b"\x80\x80\x80\x80", b"\x05", b"\x05xxxx", b"\x80\x01x"])
def test_a_stream_that_ends_inside_a_message(make, rest: bytes) -> None:
    splitter = make(1000)
    assert splitter.feed(b"\1x" + rest) == b"\1x"
    assert splitter.held == len(rest)
    with pytest.raises(FrameError) as caught:
        splitter.finish()
    assert caught.value.args == (refusals.ENDED, 2, None, b"", 0)


@varint
def test_frame(make) -> None:
    splitter = make(20_000)
    for size, head in (
        (0, b"\0"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (16_383, b"\xff\x7f"),
        (16_384, b"\x80\x80\x01"),
    ):
        assert splitter.frame(b"x" * size) == head + b"x" * size
    with pytest.raises(ValueError, match=r"payload of 20001 bytes \(limit 20000\)"):
        splitter.frame(b"x" * 20_001)


# Streams from public bug reports.


@varint
def test_vector_26167_many_messages_in_large_cuts(make) -> None:
    stream = (b"\x57" + b"x" * 87) * 200
    found = outcome(make, 1 << 20, [stream[at : at + 8192] for at in range(0, len(stream), 8192)])
    assert (found.frames, found.count, found.refusal) == (stream, 200, None)


@varint
def test_netty_17549_a_length_cut_behind_its_third_byte(make) -> None:
    payload = b"x" * (1 << 21)
    found = outcome(make, 1 << 21, [b"\x80\x80\x80", b"\x01" + payload])
    assert (found.frames, found.count, found.refusal) == (b"\x80\x80\x80\x01" + payload, 1, None)


@varint
def test_netty_17550_four_bytes_that_go_on_are_waited_with(make) -> None:
    splitter = make(1 << 20)
    for number in range(1, 5):
        assert (splitter.feed(b"\x80"), splitter.count, splitter.held) == (b"", 0, number)
    assert (splitter.feed(b"\x00"), splitter.count) == (b"\x80\x80\x80\x80\x00", 1)


@varint
@pytest.mark.parametrize("limit", [100, 1 << 40])
def test_protoc_gen_mbt_75_and_kryptonreno_23_a_length_that_never_ends(make, limit: int) -> None:
    found = check_every_cut(make, limit, b"\xff\xff\xff\xff\xff\x01")
    assert (found.frames, found.count) == (b"", 0)
    assert found.refusal == (("message of at least 127 bytes", 0, 100) if limit == 100 else (refusals.WIDE, 4, None))
