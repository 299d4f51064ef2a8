"""Lines, compiled and twin."""

from __future__ import annotations

import pytest
from support.splitters import both, check_every_cut, outcome

from fastserver.errors import FrameError
from fastserver.framing.refusals import LINE

lines = both("lines")


@lines
@pytest.mark.parametrize(
    ("stream", "frames", "count"),
    [
        (b"", b"", 0),
        (b"\n", b"\n", 1),
        (b"\r\n", b"\r\n", 1),
        (b"\n\n\r\n", b"\n\n\r\n", 3),
        (b"one\ntwo\r\nthree\n", b"one\ntwo\r\nthree\n", 3),
        (b"a\rb\r\r\nc\n", b"a\rb\r\r\nc\n", 2),
        (b"one\nunfinished", b"one\nunfinished\n", 2),
        (b"one\nunfinished\r", b"one\nunfinished\r\n", 2),
        (b"\r", b"\r\n", 1),
        (b"\x00\xff\xfe\n\x80", b"\x00\xff\xfe\n\x80\n", 2),
    ],
)
def test_lines_come_out_as_they_came(make, stream: bytes, frames: bytes, count: int) -> None:
    found = check_every_cut(make, 100, stream)
    assert (found.frames, found.count, found.refusal) == (frames, count, None)


@lines
def test_payloads_are_without_line_end(make) -> None:
    splitter = make(100)
    frames = b"one\ntwo\r\n\n\r\na\rb\r\r\n"
    messages = splitter.messages(frames, "peer")
    assert [message.payload for message in messages] == [b"one", b"two", b"", b"", b"a\rb\r"]
    assert [message.frame for message in messages] == [b"one\n", b"two\r\n", b"\n", b"\r\n", b"a\rb\r\r\n"]


@lines
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_line_of_exactly_the_limit_passes(make, end: bytes, limit: int) -> None:
    for payload in (b"x" * limit, b"x" * (limit - 1) + b"\r" if end == b"\r\n" else b"\x00" * limit):
        stream = b"y\n" + (payload + end) * 2
        found = check_every_cut(make, limit, stream)
        assert (found.frames, found.count, found.refusal) == (stream, 3, None)


@lines
@pytest.mark.parametrize("payload", [b"xxxxxx", b"xxxxx\rx", b"xxxxx\r\r", b"xxxxxx\r", b"\r\r\r\r\r\r\r"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_over_the_limit_is_refused_at_the_byte_that_shows_it(make, payload: bytes, end: bytes) -> None:
    found = check_every_cut(make, 5, b"y\r\n" + payload + end + b"z\n")
    assert (found.frames, found.count) == (b"y\r\n", 1)
    assert found.refusal == (LINE, 3, 5)
    assert found.fed == 3 + (6 if payload[5:6] == b"x" else 7)


@lines
def test_a_line_that_never_ends_holds_no_more_than_the_limit(make) -> None:
    splitter = make(1000)
    for fed in range(10, 1010, 10):
        assert splitter.feed(b"x" * 10) == b""
        assert splitter.held == fed
    with pytest.raises(FrameError) as caught:
        splitter.feed(b"x")
    assert (caught.value.offset, splitter.held) == (0, 0)


@lines
def test_offsets_count_from_the_start_of_the_stream(make) -> None:
    splitter = make(3)
    for _ in range(1000):
        splitter.feed(b"ab\nc")
        splitter.feed(b"d\n")
    with pytest.raises(FrameError) as caught:
        splitter.feed(b"a\nabcd")
    assert (caught.value.offset, caught.value.frames, caught.value.count) == (6002, b"a\n", 1)
    assert str(caught.value) == "line longer than the limit at offset 6002 (limit 3)"


@lines
def test_finish_leaves_nothing(make) -> None:
    splitter = make(10)
    splitter.feed(b"hi")
    assert (splitter.finish(), splitter.count, splitter.held) == (b"hi\n", 1, 0)
    assert (splitter.finish(), splitter.count) == (b"", 0)


@lines
def test_long_lines_in_many_small_pieces(make) -> None:
    line = b"x" * 100_000 + b"\n"
    found = outcome(make, 1 << 20, [line[at : at + 7] for at in range(0, len(line), 7)])
    assert (found.frames, found.count) == (line, 1)


@lines
def test_frame(make) -> None:
    splitter = make(5)
    assert splitter.frame(b"") == b"\n"
    assert splitter.frame(b"a\rbcd") == b"a\rbcd\n"
    for payload, text in (
        (b"123456", r"payload of 6 bytes \(limit 5\)"),
        (b"ab\nc", "payload with a line feed at offset 2"),
        (b"abc\r", "payload that ends with a carriage return at offset 3"),
    ):
        with pytest.raises(ValueError, match=text):
            splitter.frame(payload)


@lines
def test_the_value_of_a_line_is_its_payload(make) -> None:
    (message,) = make(10).messages(b"\xc0\r\n", "peer")
    assert message.value == b"\xc0"
