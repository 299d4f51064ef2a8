"""Messages over the limit that are left out: exactly they, and nothing of them is held."""

from __future__ import annotations

import struct
from functools import partial

import msgpack
import pytest
from support.splitters import both, check_every_cut

from fastserver.errors import FrameError
from fastserver.framing.refusals import ENDED, LINE

LIMIT = 8


def prefixed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


OVER = msgpack.packb("x" * LIMIT)
"""An object of 9 bytes."""

CASES = [
    ("lines", b"ok\n", b"x" * 9 + b"\n", LINE),
    ("lines", b"ok\r\n", b"x" * 30 + b"\r\n", LINE),
    ("lines?eol=crlf", b"ok\r\n", b"\r" * 9 + b"x\n", LINE),
    ("msgpack", prefixed(b"\xa2ok"), prefixed(OVER), "message of 9 bytes"),
    ("msgpack", prefixed(b"\xa2ok"), prefixed(b"\xc1" * 300), "message of at least 256 bytes"),
    ("msgpack-stream", b"\xa2ok", OVER, "str of 8 bytes past the limit"),
    ("msgpack-stream", b"\xa2ok", b"\xd9\x09" + b"\xff" * 9, "str of 9 bytes past the limit"),
    ("msgpack-stream", b"\xa2ok", msgpack.packb([["x"], b"y" * 70, {1: 2}]), "bin of 70 bytes past the limit"),
    ("msgpack-stream", b"\xa2ok", msgpack.packb([1] * 9), "array of 9 elements past the limit"),
    ("msgpack-stream", b"\xa2ok", b"\xdc\x00\x09" + b"\xc7\x05\xffabcde" * 9, "array of 9 elements past the limit"),
]


@pytest.mark.parametrize(("word", "good", "over", "saw"), CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)])
def test_it_is_left_out_and_counted_however_it_is_cut(word: str, good: bytes, over: bytes, saw: str) -> None:
    for mark in both(word).args[1]:
        make = partial(mark.values[0], oversize="skip")
        found = check_every_cut(make, LIMIT, good + over + good + over + over + good)
        assert (found.frames, found.count, found.refusal) == (good * 3, 3, None)
        assert found.skipped == 3
        assert found.fault is not None
        assert found.fault[0] == saw
        assert len(good) <= found.fault[1] < len(good + over)
        assert found.fault[2] == LIMIT


@pytest.mark.parametrize(("word", "good", "over", "saw"), CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)])
def test_it_closes_if_it_is_not_to_be_left_out(word: str, good: bytes, over: bytes, saw: str) -> None:
    for mark in both(word).args[1]:
        found = check_every_cut(mark.values[0], LIMIT, good + over + good)
        assert (found.frames, found.count) == (good, 1)
        assert found.refusal is not None
        assert (found.refusal[0], found.refusal[2]) == (saw, LIMIT)


@both("lines", "msgpack", "msgpack-stream")
def test_nothing_of_it_is_held(make) -> None:
    splitter = make(LIMIT, oversize="skip")
    name = type(splitter).__name__
    start = {
        "LinesSplitter": b"",
        "MsgpackSplitter": b"\x10\x00\x00\x00",
        "MsgpackStreamSplitter": b"\xdb\x10\x00\x00\x00",
    }
    splitter.feed(start[name] + b"x" * 9)
    assert splitter.skipped == 1
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == b""
        assert (splitter.held, splitter.skipped) == (0, 0)


@both("msgpack", "msgpack-stream")
def test_a_stream_that_ends_within_it_ended_inside_a_message(make) -> None:
    splitter = make(LIMIT, oversize="skip")
    good = splitter.frame(b"\xa2ok")
    over = prefixed(OVER) if "Stream" not in type(splitter).__name__ else OVER
    splitter.feed(good + over[:-1])
    with pytest.raises(FrameError) as caught:
        splitter.finish()
    assert (caught.value.saw, caught.value.offset) == (ENDED, len(good))


@both("lines")
def test_a_stream_of_lines_may_end_within_it(make) -> None:
    splitter = make(LIMIT, oversize="skip")
    assert splitter.feed(b"ok\n" + b"x" * 9) == b"ok\n"
    assert (splitter.finish(), splitter.count) == (b"", 0)


@both("msgpack-stream")
@pytest.mark.parametrize(
    ("wrong", "saw"), [(b"\xc1", "byte 0xc1"), (b"\x91" * 130, "container inside too many others")]
)
def test_what_cannot_be_scanned_is_refused_within_it_too(make, wrong: bytes, saw: str) -> None:
    found = check_every_cut(partial(make, oversize="skip"), LIMIT, b"\x01\xdc\x00\x09\x01" + wrong)
    assert (found.frames, found.count, found.skipped) == (b"\x01", 1, 1)
    assert found.refusal is not None
    assert found.refusal[:2] == (saw, 5 if len(wrong) == 1 else 5 + 127)
