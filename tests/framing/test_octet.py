"""Octet counting, compiled and twin."""

from __future__ import annotations

from functools import partial

import pytest
from support.splitters import both, check_every_cut, outcome

from fastserver.errors import FrameError
from fastserver.framing import refusals

octet = both("octet")


@octet
@pytest.mark.parametrize(
    ("stream", "frames", "count"),
    [
        (b"", b"", 0),
        (b"1 x", b"1 x", 1),
        (b"5 a b\n\r2 \0\xff", b"5 a b\n\r2 \0\xff", 2),
        (b"10 0123456789", b"10 0123456789", 1),
        (b"3 3 x1 3", b"3 3 x1 3", 2),
    ],
)
def test_messages_come_out_as_they_came(make, stream: bytes, frames: bytes, count: int) -> None:
    found = check_every_cut(make, 10, stream)
    assert (found.frames, found.count, found.refusal) == (frames, count, None)


@octet
@pytest.mark.parametrize("between", [b"\n", b"\r\n", b" ", b"\0", b"\0\n \r\n"])
def test_line_ends_spaces_and_nuls_between_messages_are_passed_over(make, between: bytes) -> None:
    found = check_every_cut(make, 10, between + b"2 \n " + between + b"1 \0" + between)
    assert (found.frames, found.count, found.refusal) == (b"2 \n 1 \0", 2, None)


@octet
def test_payloads_are_without_count(make) -> None:
    frames = b"1 x12 \n 3456789012" + b"2   "
    messages = make(100).messages(frames, "peer")
    assert [message.payload for message in messages] == [b"x", b"\n 3456789012", b"  "]
    assert [message.frame for message in messages] == [b"1 x", b"12 \n 3456789012", b"2   "]
    assert messages[2].value == b"  "


BIG = 10**10


@octet
@pytest.mark.parametrize(
    ("stream", "saw", "offset", "shown"),
    [
        (b"x", refusals.NO_LENGTH, 0, 1),
        (b"-1 x", refusals.NO_LENGTH, 0, 1),
        (b"\xff", refusals.NO_LENGTH, 0, 1),
        (b"0 ", refusals.LEADING_ZERO, 0, 1),
        (b"01 x", refusals.LEADING_ZERO, 0, 1),
        (b"1x", refusals.NO_SPACE, 1, 2),
        (b"12\tx", refusals.NO_SPACE, 2, 3),
        (b"12:x", refusals.NO_SPACE, 2, 3),
        (b"12345678901 x", "length of more than 10 digits", 10, 11),
    ],
)
def test_a_malformed_count_is_refused_at_the_byte_that_shows_it(
    make, stream: bytes, saw: str, offset: int, shown: int
) -> None:
    for kind in (make, partial(make, oversize="skip")):
        found = check_every_cut(kind, 2 * BIG, b"2 hi\n" + stream + b"2 hi")
        assert (found.frames, found.count, found.skipped) == (b"2 hi", 1, 0)
        assert found.refusal == (saw, 5 + offset, None)
        assert found.fed == 5 + shown


@octet
@pytest.mark.parametrize(
    ("digits", "limit", "least", "shown"),
    [
        (b"2 ", 1, 2, 1),
        (b"11 ", 10, 11, 2),
        (b"999", 10, 99, 2),
        (b"1048577 ", 1 << 20, 1048577, 7),
        (b"9999999999 ", 1 << 20, 9999999, 7),
        (b"18446744073709551617 ", 100, 184, 3),
    ],
)
def test_a_message_over_the_limit_is_refused_at_the_digit_that_shows_it(
    make, digits: bytes, limit: int, least: int, shown: int
) -> None:
    found = check_every_cut(make, limit, b"1 x" + digits + b"x" * 20)
    assert (found.frames, found.count) == (b"1 x", 1)
    assert found.refusal == (f"message of at least {least} bytes", 3, limit)
    assert found.fed == 3 + shown


@octet
@pytest.mark.parametrize("limit", [1, 9, 10, 99, 100])
def test_every_size_around_the_limit(make, limit: int) -> None:
    for size in (limit - 1, limit, limit + 1):
        if size:
            stream = b"%d %b" % (size, b"\n" * size)
            found = check_every_cut(make, limit, stream)
            assert found.frames == (stream if size <= limit else b"")
            assert (found.refusal is None) == (size <= limit)


@octet
def test_a_message_over_the_limit_is_skipped_exactly_and_nothing_of_it_is_held(make) -> None:
    found = check_every_cut(partial(make, oversize="skip"), 4, b"4 good5 1 bad\n100 " + b"2 no" * 25 + b"2 ok")
    assert (found.frames, found.count, found.refusal) == (b"4 good2 ok", 2, None)
    assert (found.skipped, found.fault) == (2, ("message of 5 bytes", 6, 4))
    splitter = make(4, oversize="skip")
    assert splitter.feed(b"9999999999 ") == b""
    assert (splitter.skipped, splitter.held) == (1, 0)
    for _ in range(100):
        assert splitter.feed(b"1 x" * 1000) == b""
        assert (splitter.skipped, splitter.fault, splitter.held) == (0, None, 0)
    with pytest.raises(FrameError) as caught:
        splitter.finish()
    assert caught.value.args == (refusals.ENDED, 0, None, b"", 0)


@octet
@pytest.mark.parametrize("rest", [b"1", b"12", b"12 ", b"12 x", b"12 xxxxxxxxxxx"])
def test_a_stream_that_ends_inside_a_message(make, rest: bytes) -> None:
    splitter = make(100)
    assert splitter.feed(b"2 hi\n" + rest) == b"2 hi"
    assert splitter.held == len(rest)
    with pytest.raises(FrameError) as caught:
        splitter.finish()
    assert caught.value.args == (refusals.ENDED, 5, None, b"", 0)
    assert splitter.held == 0


@octet
def test_a_stream_may_end_behind_a_line_end(make) -> None:
    splitter = make(100)
    assert splitter.feed(b"2 hi\r\n\0 ") == b"2 hi"
    assert splitter.held == 0
    assert splitter.finish() == b""


@octet
def test_held_is_what_arrived(make) -> None:
    splitter = make(2 * BIG)
    for number, byte in enumerate(b"9999999999 xyz"):
        assert splitter.feed(bytes([byte])) == b""
        assert splitter.held == number + 1


@octet
def test_long_messages_in_many_small_pieces(make) -> None:
    stream = b"100000 " + b"1 x" * 33333 + b"y" + b"1 z"
    found = outcome(make, 1 << 20, [stream[at : at + 7] for at in range(0, len(stream), 7)])
    assert (found.frames, found.count) == (stream, 2)


@octet
def test_frame(make) -> None:
    splitter = make(12)
    assert splitter.frame(b"\n") == b"1 \n"
    assert splitter.frame(b"x" * 12) == b"12 xxxxxxxxxxxx"
    with pytest.raises(ValueError, match=r"payload of 0 bytes \(at least 1\)"):
        splitter.frame(b"")
    with pytest.raises(ValueError, match=r"payload of 13 bytes \(limit 12\)"):
        splitter.frame(b"x" * 13)


@octet
def test_a_line_of_syslog_is_refused_with_a_hint(make) -> None:
    with pytest.raises(FrameError) as caught:
        make(100).feed(b"<174>2025-01-01T00:00:00Z host app: hello\n")
    assert str(caught.value) == f"no length at offset 0: {refusals.SYSLOG}"
    assert "--mode syslog" in refusals.SYSLOG
    with pytest.raises(FrameError) as caught:
        make(100).feed(b"1 x<174>")
    assert str(caught.value) == "no length at offset 3"


# Streams from public bug reports.


@octet
def test_syslog_ng_2960_line_feeds_outside_the_count(make) -> None:
    message = (
        b"<187>1 2019-10-04T14:05:50.112Z - - - - - \xef\xbb\xbf%SYS-3-LOGGINGHOST_FAIL: "
        b"Logging to host 10.64.68.114 port 601 failed "
    )
    frame = b"%d %b" % (len(message), message)
    found = check_every_cut(make, 200, (frame + b"\n") * 3)
    assert (found.frames, found.count, found.refusal) == (frame * 3, 3, None)


@octet
def test_fluentd_2298_a_tail_that_begins_with_digits(make) -> None:
    payload = b"<6>it took this long: 12 seconds and 3 ms"
    frame = b"%d %b" % (len(payload), payload)
    splitter = make(100)
    assert [splitter.feed(piece) for piece in (frame[:25], frame[25:37], frame[37:])] == [b"", b"", frame]
    found = check_every_cut(make, 100, frame * 2)
    assert (found.frames, found.count, found.refusal) == (frame * 2, 2, None)


@octet
def test_fluentd_2771_messages_back_to_back(make) -> None:
    frame = b"43 <6>Sep 10 00:00:00 localhost logger: hello!"
    assert len(frame) == 3 + 43
    found = check_every_cut(make, 100, frame * 2)
    assert (found.frames, found.count, found.refusal) == (frame * 2, 2, None)


@octet
def test_rsyslog_4283_a_line_feed_as_the_last_byte_before_the_limit(make) -> None:
    long = b"20 " + b"x" * 9 + b"\n" + b"y" * 10
    found = check_every_cut(make, 10, b"2 ok" + long + b"4 good")
    assert (found.frames, found.refusal) == (b"2 ok", ("message of at least 20 bytes", 4, 10))
    found = check_every_cut(partial(make, oversize="skip"), 10, b"2 ok" + long + b"4 good")
    assert (found.frames, found.refusal, found.skipped) == (b"2 ok4 good", None, 1)


@octet
def test_vector_octet_counting_the_rest_of_a_long_message_is_discarded(make) -> None:
    splitter = make(16, oversize="skip")
    rest = [b"", b"defghij", b"klmnop qrs 3 tu", b"w2 ok"]
    results = [splitter.feed(piece) for piece in [b"26 abc", *rest]]
    assert results == [b"", b"", b"", b"", b"2 ok"]
    found = check_every_cut(partial(make, oversize="skip"), 16, "26 äöüäöüäöüäöüä2 ok".encode())
    assert (found.frames, found.skipped, found.refusal) == (b"2 ok", 1, None)


@octet
def test_vector_19971_bytes_that_are_not_utf_8(make) -> None:
    found = check_every_cut(make, 10, b"4 \xf0\x28\x8c\xbc")
    assert (found.frames, found.count) == (b"4 \xf0\x28\x8c\xbc", 1)


@octet
def test_hat_syslog_4_and_telegraf_4482_lines_of_syslog(make) -> None:
    found = check_every_cut(make, 100, b"<174>2025-01-01T00:00:00Z host app: hello\n")
    assert (found.frames, found.refusal, found.fed) == (b"", ("no length", 0, None), 1)


@octet
def test_journalpump_193_the_count_is_that_of_the_bytes_sent(make) -> None:
    splitter = make(1 << 20)
    for text in ("ü" * 1000, "x" * 99_999, "日本語"):
        payload = text.encode()
        head, _, body = splitter.frame(payload).partition(b" ")
        assert (int(head), body) == (len(payload), payload)


@octet
def test_actor_ts_752_a_cut_inside_a_character(make) -> None:
    frame = b"%d %b" % (len("grüße €".encode()), "grüße €".encode())
    found = check_every_cut(make, 11, frame * 2)
    assert (found.frames, found.count) == (frame * 2, 2)


@octet
def test_logstash_1483_two_streams_cut_into_each_other(make) -> None:
    one, other = make(400), make(400)
    streams = [b"".join(b"%d %b" % (2 * size, name * size) for size in range(1, 200)) for name in (b"1 ", b"\n2")]
    got = [b"", b""]
    for at in range(0, len(streams[0]), 17):
        got[0] += one.feed(streams[0][at : at + 17])
        got[1] += other.feed(streams[1][at : at + 17])
    assert got == streams
