"""Messages between delimiters, compiled and twin."""

from __future__ import annotations

from functools import partial

import pytest
from support.splitters import both, check_every_cut

from fastserver.errors import FrameError
from fastserver.framing.refusals import ENDED, OUTSIDE, OVERSIZE
from fastserver.framing.registry import framing

delimited = both("delimited")


@delimited
@pytest.mark.parametrize(
    ("delimiter", "stream", "frames", "count"),
    [
        (b"\0", b"", b"", 0),
        (b"\0", b"\0", b"\0", 1),
        (b"\0", b"\0\0a\0", b"\0\0a\0", 3),
        (b"\0", b"one\r\n\0two\xff\0", b"one\r\n\0two\xff\0", 2),
        (b"\0", b"one\0rest", b"one\0rest\0", 2),
        (b"\r\n", b"a\rb\nc\r\n\r\n\r", b"a\rb\nc\r\n\r\n\r\r\n", 3),
        (b"aab", b"aaabaaaabbaab", b"aaabaaaabbaab", 3),
        (b"0123456789abcdef", b"0123456780123456789abcdef", b"0123456780123456789abcdef", 1),
    ],
)
def test_messages_come_out_as_they_came(make, delimiter: bytes, stream: bytes, frames: bytes, count: int) -> None:
    found = check_every_cut(partial(make, delimiter=delimiter), 100, stream)
    assert (found.frames, found.count, found.refusal) == (frames, count, None)


@delimited
def test_payloads_are_without_delimiter(make) -> None:
    splitter = make(100, delimiter=b"\r\n")
    messages = splitter.messages(b"a\r\r\n\r\nb\n\r\n", "peer")
    assert [message.payload for message in messages] == [b"a\r", b"", b"b\n"]
    assert [message.frame for message in messages] == [b"a\r\r\n", b"\r\n", b"b\n\r\n"]


@delimited
@pytest.mark.parametrize("delimiter", [b"\0", b"||", b"aab", b"x" * 16])
@pytest.mark.parametrize("limit", [1, 2, 17, 40])
def test_a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not(make, delimiter: bytes, limit: int) -> None:
    make = partial(make, delimiter=delimiter)
    stream = b"y" * limit + delimiter
    found = check_every_cut(make, limit, stream * 2)
    assert (found.frames, found.count, found.refusal) == (stream * 2, 2, None)
    found = check_every_cut(make, limit, stream + b"y" + stream)
    assert (found.frames, found.count, found.refusal) == (stream, 1, (OVERSIZE, len(stream), limit))
    assert found.fed == len(stream) + limit + 1
    found = check_every_cut(partial(make, oversize="skip"), limit, stream + b"y" + stream * 2)
    assert (found.frames, found.count, found.skipped) == (stream * 2, 2, 1)


@delimited
def test_what_may_be_the_delimiter_is_not_counted_until_it_is_not(make) -> None:
    make = partial(make, delimiter=b"aab")
    found = check_every_cut(make, 3, b"yyyaab" + b"yyyaac")
    assert (found.frames, found.refusal) == (b"yyyaab", (OVERSIZE, 6, 3))
    assert found.fed == 12


@delimited
@pytest.mark.parametrize(
    ("delimiter", "stream"), [(b"||", b"a|"), (b"||", b"|"), (b"aba", b"xab"), (b"\0\0", b"hi\0\0\0")]
)
def test_a_rest_that_cannot_be_one_message_is_refused(make, delimiter: bytes, stream: bytes) -> None:
    found = check_every_cut(partial(make, delimiter=delimiter), 9, stream)
    assert found.refusal is not None
    assert found.refusal[0] == ENDED


@delimited
def test_a_rest_over_the_limit(make) -> None:
    found = check_every_cut(partial(make, delimiter=b"\r\n"), 2, b"ab\r")
    assert found.refusal == (OVERSIZE, 0, 2)
    found = check_every_cut(partial(make, delimiter=b"\r\n", oversize="skip"), 2, b"ab\r")
    assert (found.frames, found.skipped) == (b"", 1)


@delimited
def test_frame(make) -> None:
    splitter = make(5, delimiter=b"||")
    assert splitter.frame(b"") == b"||"
    assert splitter.frame(b"a|b") == b"a|b||"
    for payload, text in (
        (b"123456", r"payload of 6 bytes \(limit 5\)"),
        (b"a||b", "payload with the delimiter at offset 1"),
        (b"abc|", "payload with the delimiter at offset 3"),
    ):
        with pytest.raises(ValueError, match=text):
            splitter.frame(payload)
    assert make(5, delimiter=b"\x1c\r", start=b"\x0b").frame(b"MSH") == b"\x0bMSH\x1c\r"


@delimited
def test_what_lies_between_two_messages_is_left_out_and_counted(make) -> None:
    make = partial(make, delimiter=b"\x03", start=b"\x02")
    found = check_every_cut(make, 9, b"\r\n\x02one\x03\x02\x02two\x03\r\n\n\x02\x03\0")
    assert (found.frames, found.count, found.refusal) == (b"\x02one\x03\x02\x02two\x03\x02\x03", 3, None)
    assert (found.skipped, found.fault) == (3, (OUTSIDE, 0, None))


@delimited
def test_nothing_of_what_lies_between_is_held(make) -> None:
    splitter = make(9, delimiter=b"\x03", start=b"\x02")
    skipped = 0
    for _ in range(100):
        assert splitter.feed(b"x" * 1000) == b""
        skipped += splitter.skipped
        assert splitter.held == 0
    assert skipped == 1
    assert splitter.finish() == b""


@delimited
def test_a_message_with_a_start_needs_its_end(make) -> None:
    found = check_every_cut(partial(make, delimiter=b"\x1c\r", start=b"\x0b"), 9, b"\x0bone\x1c\r\x0btwo\x1c")
    assert (found.frames, found.count, found.refusal) == (b"\x0bone\x1c\r", 1, (ENDED, 6, None))


# Bugs of others, by the project that had them.


@delimited
def test_vector_24028_the_delimiter_begins_again_within_itself(make) -> None:
    make = partial(make, delimiter=b"[/TCP]")
    found = check_every_cut(make, 99, b"a[[/TCP]b")
    assert (found.frames, found.count) == (b"a[[/TCP]b[/TCP]", 2)
    splitter = make(99)
    assert (splitter.feed(b"a[[/TCP]b"), splitter.count, splitter.held) == (b"a[[/TCP]", 1, 1)


@delimited
def test_node_serialport_890_half_a_delimiter_is_payload(make) -> None:
    found = check_every_cut(partial(make, delimiter=b"\0\0"), 99, b"\0hello\0world\0\0")
    assert (found.frames, found.count, found.refusal) == (b"\0hello\0world\0\0", 1, None)


@delimited
def test_fluent_bit_10377_a_delimiter_of_two_comes_byte_by_byte(make) -> None:
    splitter = make(99, delimiter=b"||")
    assert [splitter.feed(bytes([byte])) for byte in b"a||b||"] == [b"", b"", b"a||", b"", b"", b"b||"]


@pytest.mark.parametrize("word", ["delimited", r"delimited?delimiter=\0", "delimited?delimiter=%00"])
def test_fluent_bit_6526_both_spellings_of_nul(word: str) -> None:
    found = framing(word)
    assert found is framing("delimited")
    splitter = found.splitter(99)
    assert (splitter.feed(b'{"a":1}\0{"b":2}\0'), splitter.count) == (b'{"a":1}\0{"b":2}\0', 2)


@delimited
def test_graylog_1525_the_last_message_may_lack_its_delimiter(make) -> None:
    splitter = make(99)
    assert splitter.feed(b'{"short_message":"x"}') == b""
    assert (splitter.finish(), splitter.count) == (b'{"short_message":"x"}\0', 1)


@delimited
def test_messages_of_two_peers_do_not_mix(make) -> None:  # logstash#1483
    one, other = make(99), make(99)
    assert (one.feed(b"a"), other.feed(b"b"), one.feed(b"a\0"), other.feed(b"b\0")) == (b"", b"", b"aa\0", b"bb\0")


# Words.


@pytest.mark.parametrize(
    ("word", "name", "payload", "frame"),
    [
        (r"delimited?delimiter=\r\n", "delimited?delimiter=%0D%0A", b"a", b"a\r\n"),
        ("delimited?delimiter=%0D%0a", "delimited?delimiter=%0D%0A", b"a", b"a\r\n"),
        (r"delimited?delimiter=\x1c\x0D&start=\x0b", "delimited?delimiter=%1C%0D&start=%0B", b"a", b"\x0ba\x1c\r"),
        ("delimited?start=%0B&delimiter=%1C%0D", "delimited?delimiter=%1C%0D&start=%0B", b"a", b"\x0ba\x1c\r"),
        ("delimited?delimiter=||", "delimited?delimiter=||", b"a", b"a||"),
        ("delimited?delimiter=[/TCP]&start=", "delimited?delimiter=[/TCP]", b"a", b"a[/TCP]"),
        ("delimited?delimiter=%26%3D", "delimited?delimiter=%26%3D", b"a", b"a&="),
        ("delimited?delimiter==", "delimited?delimiter=%3D", b"a", b"a="),
        ("delimited?delimiter=é", "delimited?delimiter=%C3%A9", b"a", b"a\xc3\xa9"),
        (r"delimited?delimiter=\\n", "delimited?delimiter=%5Cn", b"a", b"a\\n"),
    ],
)
def test_words(word: str, name: str, payload: bytes, frame: bytes) -> None:
    found = framing(word)
    assert found.name == name
    assert found is framing(name)
    assert found.frame(payload) == frame
    (message,) = found.messages(frame, None)
    assert message.payload == payload


@pytest.mark.parametrize(
    "query",
    [
        "delimiter=",
        "delimiter=%",
        "delimiter=%0",
        "delimiter=%zz",
        r"delimiter=\q",
        "delimiter=\\",
        "delimiter=12345678901234567",
        "start=ab",
        "start=é",
    ],
)
def test_words_that_are_none(query: str) -> None:
    name = query.partition("=")[0]
    with pytest.raises(ValueError, match=f"^{name} must be .*, not "):
        framing(f"delimited?{query}")


@delimited
def test_time_is_linear_in_the_bytes_however_they_are_cut(make) -> None:
    """Each byte is looked at a bounded number of times: of half a message, nothing is searched twice."""
    splitter = make(1 << 20, delimiter=b"ab")
    for _ in range(1000):
        assert splitter.feed(b"a" * 100) == b""
    assert splitter.held == 100_000
    assert splitter.feed(b"b") == b"a" * 100_000 + b"b"
    with pytest.raises(FrameError):
        splitter.feed(b"x" * ((1 << 20) + 1))
