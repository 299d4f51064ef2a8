"""Netstrings, compiled and twin."""

from __future__ import annotations

from functools import partial

import pytest
from support.splitters import both, check_every_cut, outcome

from fastserver.errors import FrameError
from fastserver.framing import refusals

netstring = both("netstring")


@netstring
@pytest.mark.parametrize(
    ("stream", "count"),
    [
        (b"", 0),
        (b"0:,", 1),
        (b"0:,0:,1:,,", 3),
        (b"12:hello world!,", 1),
        (b"3:\0\n,,2:2:,4:::::,", 3),
    ],
)
def test_messages_come_out_as_they_came(make, stream: bytes, count: int) -> None:
    found = check_every_cut(make, 12, stream)
    assert (found.frames, found.count, found.refusal) == (stream, count, None)


@netstring
def test_payloads_are_without_length_and_comma(make) -> None:
    messages = make(100).messages(b"0:,1:,,12:hello world!,", "peer")
    assert [message.payload for message in messages] == [b"", b",", b"hello world!"]
    assert [message.frame for message in messages] == [b"0:,", b"1:,,", b"12:hello world!,"]
    assert messages[0].value == b""


@netstring
@pytest.mark.parametrize(
    ("stream", "saw", "offset", "shown"),
    [
        (b"x", refusals.NO_LENGTH, 0, 1),
        (b":,", refusals.NO_LENGTH, 0, 1),
        (b"<34>", refusals.NO_LENGTH, 0, 1),
        (b" 1:x,", refusals.NO_LENGTH, 0, 1),
        (b"\n1:x,", refusals.NO_LENGTH, 0, 1),
        (b"00:,", refusals.LEADING_ZERO, 0, 2),
        (b"01:x,", refusals.LEADING_ZERO, 0, 2),
        (b"1 x", refusals.NO_COLON, 1, 2),
        (b"0,", refusals.NO_COLON, 1, 2),
        (b"2:hi;", refusals.NO_COMMA, 4, 5),
        (b"0:1:x,", refusals.NO_COMMA, 2, 3),
    ],
)
def test_malformed_ones_are_refused_at_the_byte_that_shows_it(
    make, stream: bytes, saw: str, offset: int, shown: int
) -> None:
    for kind in (make, partial(make, oversize="skip")):
        found = check_every_cut(kind, 100, b"2:hi," + stream + b"2:hi,")
        assert (found.frames, found.count, found.skipped) == (b"2:hi,", 1, 0)
        assert found.refusal == (saw, 5 + offset, None)
        assert found.fed == 5 + shown


@netstring
@pytest.mark.parametrize("limit", [1, 9, 10, 100])
def test_every_size_around_the_limit(make, limit: int) -> None:
    for size in (limit - 1, limit, limit + 1):
        stream = b"%d:%b," % (size, b"," * size)
        found = check_every_cut(make, limit, stream)
        assert found.frames == (stream if size <= limit else b"")
        assert (found.refusal is None) == (size <= limit)
        if size > limit:
            assert found.refusal == (f"message of at least {size} bytes", 0, limit)
            assert found.fed == len(str(size))


@netstring
def test_lengths_beyond_64_bits(make) -> None:
    found = check_every_cut(make, 1 << 20, b"18446744073709551617:x,")
    assert found.refusal == ("message of at least 1844674 bytes", 0, 1 << 20)
    skipping = partial(make, oversize="skip")
    found = check_every_cut(skipping, 1 << 20, b"18446744073709551617:x,")
    assert found.refusal == ("length of more than 19 digits", 19, None)
    found = check_every_cut(skipping, 1 << 20, b"9999999999999999999:xxxxxxxxx,")
    assert found.refusal == (refusals.ENDED, 0, None)
    assert found.fault == ("message of 9999999999999999999 bytes", 0, 1 << 20)


@netstring
def test_a_message_over_the_limit_is_skipped_exactly(make) -> None:
    skipping = partial(make, oversize="skip")
    found = check_every_cut(skipping, 3, b"3:yes,4:1:x,,10:2:no,2:no,,0:,")
    assert (found.frames, found.count, found.refusal) == (b"3:yes,0:,", 2, None)
    assert (found.skipped, found.fault) == (2, ("message of 4 bytes", 6, 3))


@netstring
def test_a_skipped_message_needs_its_comma_too(make) -> None:
    found = check_every_cut(partial(make, oversize="skip"), 3, b"3:yes,4:1234;2:no,")
    assert (found.frames, found.skipped, found.refusal) == (b"3:yes,", 1, (refusals.NO_COMMA, 12, None))
    assert found.fed == 13


@netstring
@pytest.mark.parametrize("rest", [b"0", b"3", b"3:", b"3:abc"])
def test_a_stream_that_ends_inside_a_message(make, rest: bytes) -> None:
    splitter = make(100)
    assert splitter.feed(b"2:hi," + rest) == b"2:hi,"
    assert splitter.held == len(rest)
    with pytest.raises(FrameError) as caught:
        splitter.finish()
    assert caught.value.args == (refusals.ENDED, 5, None, b"", 0)


@netstring
def test_frame(make) -> None:
    splitter = make(12)
    assert splitter.frame(b"") == b"0:,"
    assert splitter.frame(b"hello world!") == b"12:hello world!,"
    with pytest.raises(ValueError, match=r"payload of 13 bytes \(limit 12\)"):
        splitter.frame(b"x" * 13)


# Streams from public bug reports.


@netstring
def test_twisted_4378_exactly_the_limit(make) -> None:
    frame = b"99999:" + b"x" * 99_999 + b","
    for pieces in ([frame], [frame[:6], frame[6:]], [frame[:-1], frame[-1:]]):
        found = outcome(make, 99_999, pieces)
        assert (found.frames, found.count, found.refusal) == (frame, 1, None)


@netstring
def test_agoric_sdk_1807_a_message_over_two_pipe_buffers(make) -> None:
    frame = b"70000:" + b"," * 70_000 + b","
    found = outcome(make, 1 << 20, [frame[:65_536], frame[65_536:]])
    assert (found.frames, found.count) == (frame, 1)
