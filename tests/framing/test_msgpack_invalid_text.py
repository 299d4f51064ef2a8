"""Splitters refuse a msgpack message with text that is not UTF-8, leave it out, or let it pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import accumulate

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.splitters import both, check_every_cut
from support.strategies import OBJECTS, cut, prefixed

from fastserver.errors import FrameError
from fastserver.framing import FRAMINGS

MODES = ("msgpack", "msgpack-stream")
modes = both(*MODES)

NOT_UTF8 = "text that is not UTF-8"
BAD_TEXT = [
    (b"\xa1\xff", 1),
    (b"\xa3a\xc3(", 2),
    (b"\x93\x01\xa2\xe2\x82\xa2hi", 3),
    (b"\x81\xa3\xed\xa0\x80\xa1\xfe", 2),
    (b"\xd9\x29" + b"x" * 40 + b"\x80", 42),
    (b"\xda\x00\x04\xf4\x90\x80\x80", 3),
    (b"\xdb\x00\x00\x00\x01\xc0", 5),
    (b"\x92\xa2\xc3\xa9\xa1\xc3", 5),
]
BAD_TIMESTAMPS = [
    (b"\xc7\x05\xffabcde", "timestamp of 5 bytes", None),
    (b"\xd8\xff" + bytes(16), "timestamp of 16 bytes", None),
    (b"\xd4\xff\x00", "timestamp of 1 bytes", None),
    (b"\xd7\xff\xff\xff\xff\xff\x00\x00\x00\x00", "timestamp of too many nanoseconds", 999_999_999),
    (b"\xc7\x0c\xff\xff\xff\xff\xff" + bytes(8), "timestamp of too many nanoseconds", 999_999_999),
]
GOOD = [msgpack.packb(value) for value in ("hi", {"a": [1, 2.5, b"\xff"]}, "é" * 20, 7)]


def framed(make: Callable[..., object], payload: bytes) -> bytes:
    """`payload` in wire form, checked by nobody."""
    return payload if "Stream" in getattr(make, "func", make).__name__ else prefixed(payload)


@modes
@pytest.mark.parametrize(("bad", "at"), BAD_TEXT)
def test_invalid_text_is_left_out_however_cut(make, bad: bytes, at: int) -> None:
    one, two, wrong = (framed(make, payload) for payload in (GOOD[1], GOOD[2], bad))
    found = check_every_cut(partial(make, invalid_text="skip"), 60, one + wrong + two + wrong + wrong + one)
    assert (found.frames, found.count, found.refusal) == (one + two + one, 3, None)
    assert (found.skipped, found.fault) == (3, (NOT_UTF8, len(one + wrong) - len(bad) + at, None))


@modes
@pytest.mark.parametrize(("bad", "at"), BAD_TEXT)
def test_invalid_text_passes_as_it_is_however_cut(make, bad: bytes, at: int) -> None:
    stream = framed(make, GOOD[0]) + framed(make, bad) + framed(make, GOOD[2])
    found = check_every_cut(partial(make, invalid_text="pass"), 60, stream)
    assert (found.frames, found.count, found.refusal, found.skipped) == (stream, 3, None, 0)
    splitter = make(60, "pass")
    assert splitter.frame(bad) == framed(make, bad)
    messages = splitter.messages(stream, None)
    assert [message.payload for message in messages] == [GOOD[0], bad, GOOD[2]]
    value = messages[1].value
    assert msgpack.packb(value, unicode_errors="surrogateescape") == msgpack.packb(
        msgpack.unpackb(bad, unicode_errors="surrogateescape"), unicode_errors="surrogateescape"
    )
    assert "\\udc" in FRAMINGS["msgpack"].show(bad, 200)
    assert FRAMINGS["msgpack"].show(bad, 200).isprintable()


@modes
@pytest.mark.parametrize(("bad", "at"), BAD_TEXT)
def test_invalid_text_closes_by_default_however_cut(make, bad: bytes, at: int) -> None:
    one = framed(make, GOOD[0])
    for kind in (make, partial(make, invalid_text="close")):
        found = check_every_cut(kind, 60, one + framed(make, bad) + one)
        assert (found.frames, found.count, found.skipped) == (one, 1, 0)
        assert found.refusal == (NOT_UTF8, len(one + framed(make, bad)) - len(bad) + at, None)


@modes
@pytest.mark.parametrize(("bad", "saw", "limit"), BAD_TIMESTAMPS)
def test_a_malformed_timestamp_is_left_out_too_but_does_not_pass(make, bad: bytes, saw: str, limit: int | None) -> None:
    for payload in (bad, b"\x92" + bad + b"\xa1\xff"):
        one, wrong = framed(make, GOOD[0]), framed(make, payload)
        at = len(one + wrong) - len(payload) + (payload != bad)
        found = check_every_cut(partial(make, invalid_text="skip"), 60, one + wrong + one)
        assert (found.frames, found.count, found.refusal) == (one + one, 2, None)
        assert (found.skipped, found.fault) == (1, (saw, at, limit))
        for kept in ("close", "pass"):
            found = check_every_cut(partial(make, invalid_text=kept), 60, one + wrong + one)
            assert (found.frames, found.refusal, found.skipped) == (one, (saw, at, limit), 0)


@modes
@pytest.mark.parametrize("rest", [b"\xc1", b"\xdb\xff\xff\xff\xff", b"\x91" * 129])
def test_what_else_is_wrong_closes_also_within_what_is_skipped(make, rest: bytes) -> None:
    payload = b"\x92\xa1\xff" + rest
    for kept in ("skip", "pass"):
        found = check_every_cut(partial(make, invalid_text=kept), 200, framed(make, GOOD[0]) + framed(make, payload))
        assert found.refusal is not None
        assert (found.frames, found.skipped) == (framed(make, GOOD[0]), 0)


@modes
def test_what_is_skipped_is_bounded_and_ends_with_the_stream(make) -> None:
    splitter = make(20, "skip")
    assert splitter.feed(framed(make, b"\xb0" + b"\xff" * 16)[:-1]) == b""
    assert 0 < splitter.held <= 24
    assert splitter.skipped == 0
    with pytest.raises(FrameError, match="stream ended inside a message"):
        splitter.finish()
    with pytest.raises(FrameError, match="limit"):
        make(20, "skip").feed(framed(make, b"\xb4" + b"\xff" * 20))


@modes
def test_a_frame_of_our_own_has_valid_text_unless_all_may_pass(make) -> None:
    for kept in ("close", "skip"):
        with pytest.raises(ValueError, match="payload: text that is not UTF-8 at offset 1"):
            make(20, kept).frame(b"\xa1\xff")
    assert make(20, "pass").frame(b"\xa1\xff") == framed(make, b"\xa1\xff")


@modes
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_good_ones_are_all_that_is_left(make, data: st.DataObject) -> None:
    bad = st.sampled_from([bad for bad, *_ in [*BAD_TEXT, *BAD_TIMESTAMPS]])
    drawn = data.draw(st.lists(st.tuples(st.just(True), OBJECTS) | st.tuples(st.just(False), bad), max_size=8))
    frames = [framed(make, payload) for _, payload in drawn]
    pieces = data.draw(cut(st.just(b"".join(frames))))
    ends = list(accumulate(map(len, frames)))
    splitter = make(4096, "skip")
    given_back = b""
    fed = done = 0
    for piece in pieces:
        given_back += splitter.feed(piece)
        fed += len(piece)
        ended = sum(end <= fed for end in ends)
        assert splitter.count == sum(good for good, _ in drawn[done:ended])
        assert splitter.skipped == sum(not good for good, _ in drawn[done:ended])
        done = ended
    assert given_back == b"".join(frame for frame, (good, _) in zip(frames, drawn, strict=True) if good)
    assert splitter.finish() == b""
    assert (splitter.skipped, splitter.fault) == (0, None)


@modes
def test_bytes_without_what_is_skipped_come_back_as_they_are(make) -> None:
    splitter = make(100, "skip")
    splitter.feed(framed(make, b"\xa1\xff")[:-1])
    chunk = framed(make, b"\xa1\xff")[-1:] + framed(make, GOOD[0])
    assert splitter.feed(chunk) == framed(make, GOOD[0])
    assert splitter.skipped == 1
    chunk = framed(make, GOOD[0]) * 3
    assert splitter.feed(chunk) is chunk
