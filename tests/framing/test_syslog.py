"""Syslog over TCP, octet-counted or in lines, compiled and twin."""

from __future__ import annotations

from functools import partial

import pytest
from support.splitters import COMPILED, TWINS, both, check_every_cut, outcome

from fastserver.errors import FrameError
from fastserver.framing import refusals

syslog = both("syslog")

LINE = b"<13>one line\n"
COUNTED = b"12 <13>one line"


@syslog
@pytest.mark.parametrize(
    ("stream", "frames", "count"),
    [
        (b"", b"", 0),
        (b"7 <13>abc3 1 x\n", b"7 <13>abc3 1 x", 2),  # the first decided for both
        (b"7 <13>abc\n7 <0>defg\0", b"7 <13>abc7 <0>defg", 2),
        (b"<13>abc\n<14>def\r\n", b"7 <13>abc7 <14>def", 2),
        (b"<13>abc\n7 <13>abc\n", b"7 <13>abc9 7 <13>abc", 2),
        (b"\n\r\n<13>abc\n\n", b"7 <13>abc", 1),
        (b"\n7 <13>abc\n", b"9 7 <13>abc", 1),
        (b"<13>abc", b"7 <13>abc", 1),
        (b"12", b"2 12", 1),
        (b"12 <1", b"5 12 <1", 1),
        (b"x\r", b"1 x", 1),
        (b"\r", b"", 0),
        (b"a\rb\r\r\n", b"4 a\rb\r", 1),
    ],
)
def test_counted_messages_come_out_whichever_way_they_came(make, stream: bytes, frames: bytes, count: int) -> None:
    found = check_every_cut(make, 20, stream)
    assert (found.frames, found.count, found.refusal) == (frames, count, None)


@syslog
@pytest.mark.parametrize(
    "beginning",
    [
        b"0 <13>", b"01 <13>", b"x", b" ", b"<13>", b"12\t", b"12  <13>", b"12 x", b"12 <>", b"12 <x>", b"12 <1 >",
        b"12 <1234>", b"12 <1", b"12345678901 <13>", b"-12 <13>", b"\xff",
    ],
)  # fmt: skip
def test_beginnings_of_lines(make, beginning: bytes) -> None:
    line = beginning + b" hello"
    found = check_every_cut(make, 100, line + b"\n" + b"5 <1>hi\n")
    assert found.frames == b"%d %b7 5 <1>hi" % (len(line), line)
    assert found.refusal is None


@syslog
@pytest.mark.parametrize("beginning", [b"6 <1>", b"8 <123>", b"1000000000 <0>", b"9999999999 <999>"])
def test_beginnings_of_counted_messages(make, beginning: bytes) -> None:
    splitter = make(1 << 40)
    for end in range(1, len(beginning)):
        assert (splitter.feed(beginning[end - 1 : end]), splitter.count, splitter.held) == (b"", 0, end)
    splitter.feed(beginning[-1:])
    with pytest.raises(FrameError, match=refusals.ENDED):
        splitter.finish()


@syslog
@pytest.mark.parametrize("limit", [20, 21, 99, 100])
def test_every_size_around_the_limit(make, limit: int) -> None:
    for size in (limit - 1, limit, limit + 1):
        payload = b"<13>".ljust(size, b"x")
        counted = b"%d %b" % (size, payload)
        for stream, saw in (
            (counted, f"message of at least {size} bytes"),
            (payload + b"\n", refusals.LINE),
            (payload + b"\r\n", refusals.LINE),
        ):
            found = check_every_cut(make, limit, stream)
            if size <= limit:
                assert (found.frames, found.count, found.refusal) == (counted, 1, None)
            else:
                assert (found.frames, found.count, found.refusal) == (b"", 0, (saw, 0, limit))


@syslog
def test_what_was_complete_before_an_error_is_counted_too(make) -> None:
    found = check_every_cut(make, 20, LINE + b"\n" + LINE + b"x" * 21)
    assert (found.frames, found.count, found.refusal) == (COUNTED * 2, 2, (refusals.LINE, 27, 20))
    found = check_every_cut(make, 20, COUNTED + b"\n" + COUNTED + b"x")
    assert (found.frames, found.count, found.refusal) == (COUNTED * 2, 2, (refusals.NO_LENGTH, 31, None))


@syslog
def test_limits_below_the_beginning(make) -> None:
    for stream in (b"12 <13>one line", b"12", b"12\n"):
        found = check_every_cut(make, 1, stream)
        assert (found.frames, found.refusal, found.fed) == (b"", (refusals.LINE, 0, 1), 2)
    found = check_every_cut(make, 5, b"5 <1>hi9 ")
    assert (found.frames, found.refusal) == (b"5 <1>hi", ("message of at least 9 bytes", 7, 5))


@syslog
def test_messages_over_the_limit_are_skipped_either_way(make) -> None:
    skipping = partial(make, oversize="skip")
    found = check_every_cut(skipping, 12, COUNTED + b"14 " + b"\n" * 14 + COUNTED)
    assert (found.frames, found.count, found.refusal) == (COUNTED * 2, 2, None)
    assert (found.skipped, found.fault) == (1, ("message of 14 bytes", 15, 12))
    found = check_every_cut(skipping, 12, LINE + b"x" * 14 + b"\n" + LINE)
    assert (found.frames, found.count, found.refusal) == (COUNTED * 2, 2, None)
    assert (found.skipped, found.fault) == (1, (refusals.LINE, 13, 12))


@syslog
def test_many_lines(make) -> None:
    payloads = [b"<13>" + b"x" * (size % 120) for size in range(1000)]
    stream = b"\n".join(payloads) + b"\n"
    frames = b"".join(b"%d %b" % (len(payload), payload) for payload in payloads)
    for piece in (1, 100, len(stream)):
        found = outcome(make, 1000, [stream[at : at + piece] for at in range(0, len(stream), piece)])
        assert (found.frames, found.count, found.refusal) == (frames, 1000, None)
    assert [message.payload for message in make(1000).messages(frames, None)] == payloads


@pytest.mark.parametrize("kind", [kind for kind in (TWINS, COMPILED) if kind])
def test_what_is_given_is_in_the_form_of_octet_counting(kind) -> None:
    frames = outcome(kind["syslog"], 100, [LINE * 3]).frames
    splitter = kind["octet"](100)
    assert splitter.feed(frames) is frames
    assert kind["syslog"](100).frame(b"<13>one line") == COUNTED == splitter.frame(b"<13>one line")
    with pytest.raises(ValueError, match=r"payload of 0 bytes \(at least 1\)"):
        kind["syslog"](100).frame(b"")


# Streams from public bug reports.


@syslog
def test_datadog_agent_54492_a_line_that_begins_as_a_count_does(make) -> None:
    splitter = make(100)
    assert (splitter.feed(b"54 <1"), splitter.held) == (b"", 5)
    assert splitter.feed(b" minute elapsed\n") == b"20 54 <1 minute elapsed"
    found = check_every_cut(make, 100, b"54 <1 minute elapsed\n<134>x\n")
    assert (found.frames, found.count) == (b"20 54 <1 minute elapsed6 <134>x", 2)


@syslog
def test_hat_syslog_4_and_telegraf_4482_lines_of_syslog(make) -> None:
    line = b"<174>2025-01-01T00:00:00Z host app: hello"
    found = check_every_cut(make, 100, line + b"\n")
    assert (found.frames, found.count, found.refusal) == (b"%d %b" % (len(line), line), 1, None)


@pytest.mark.parametrize("kind", [kind for kind in (TWINS, COMPILED) if kind])
def test_serilog_sinks_syslog_43_a_counted_message_is_a_line_where_only_lines_are_read(kind) -> None:
    line = b"335 <134>1 2021-01-01T00:00:00Z host app - - - hello\n"
    assert kind["lines"](100).feed(line) == line


@syslog
def test_vector_and_rsyslog_a_logged_line_that_looks_like_a_count_swallows_nothing(make) -> None:
    found = check_every_cut(make, 100, b"<13>a\n9999 \n99 <1>b\n<13>c\n")
    assert (found.frames, found.count) == (b"5 <13>a5 9999 7 99 <1>b5 <13>c", 4)


@syslog
def test_twisted_6556_and_actor_ts_752_cuts_at_the_line_end_and_inside_characters(make) -> None:
    line = "<13>grüße €".encode()
    found = check_every_cut(make, len(line), (line + b"\r\n") * 2)
    assert (found.frames, found.count, found.refusal) == (b"%d %b" % (len(line), line) * 2, 2, None)
