"""Telnet, compiled and twin."""

from __future__ import annotations

from functools import partial

import pytest
from support.splitters import both, check_every_cut, outcome

from fastserver.errors import FrameError
from fastserver.framing.refusals import LINE, SUBNEGOTIATION
from fastserver.framing.registry import framing, translate

telnet = both("telnet")

IAC, SE, SB, WILL, WONT, DO, DONT = (bytes([byte]) for byte in (255, 240, 250, 251, 252, 253, 254))
NOP, ARE_YOU_THERE = b"\xf1", b"\xf6"
ECHO, GO_AHEAD, TYPE = b"\1", b"\3", b"\x18"


@telnet
@pytest.mark.parametrize(
    ("stream", "frames", "count"),
    [
        (b"", b"", 0),
        (b"one\r\ntwo\n\n\r\n", b"one\r\ntwo\r\n\r\n\r\n", 4),
        (b"a\r\0b\rc\r\r\n", b"a\r\0b\r\0c\r\0\r\n", 1),
        (b"\0a\r\0\n\r\0\0\r\n", b"\0a\r\0\r\n\r\0\0\r\n", 2),
        (b"last", b"last\r\n", 1),
        (b"last\r", b"last\r\n", 1),
        (b"last" + IAC, b"last\r\n", 1),
        (b"\r", b"\r\n", 1),
        (IAC + NOP + IAC, b"", 0),
        (b"a" + IAC + IAC + b"b\r\n", b"a\xff\xffb\r\n", 1),
        (b"a" + IAC + NOP + b"b" + IAC + ARE_YOU_THERE + b"\n", b"ab\r\n", 1),
        (b"a\r" + IAC + NOP + b"\nb\n", b"a\r\nb\r\n", 2),
        (b"a\r" + IAC + IAC + b"\n", b"a\r\0\xff\xff\r\n", 1),
        (b"a" + IAC + WILL + b"\n" + IAC + DO + b"\r" + IAC + DONT + IAC + b"b\n", b"ab\r\n", 1),  # options 10, 13, 255
        (b"a" + IAC + SB + TYPE + b"\r\n" + IAC + IAC + SE + IAC + SE + b"b\n", b"ab\r\n", 1),
        (b"a" + IAC + SE + b"b\n", b"ab\r\n", 1),
        (b"a" + IAC + b"\nb\n", b"ab\r\n", 1),  # no command, but as long as one
        (b"a" + IAC + SB + b"never ended\n", b"a\r\n", 1),
    ],
)
def test_lines_come_out_without_commands(make, stream: bytes, frames: bytes, count: int) -> None:
    found = check_every_cut(make, 100, stream)
    assert (found.frames, found.count, found.refusal) == (frames, count, None)
    again = check_every_cut(make, 100, frames)
    assert (again.frames, again.count, again.refusal) == (frames, count, None)


@telnet
def test_payloads(make) -> None:
    frames = b"one\r\n\r\na\r\0b\r\0\r\n\xff\xff\xff\xff\r\n\r\0\0\r\n"
    messages = make(100).messages(frames, "peer")
    payloads = [b"one", b"", b"a\rb\r", b"\xff\xff", b"\r\0"]
    assert [message.payload for message in messages] == payloads
    assert [message.value for message in messages] == payloads
    assert b"".join(make(9).frame(payload) for payload in payloads) == frames == b"".join(m.frame for m in messages)


@telnet
def test_frame(make) -> None:
    splitter = make(4)
    assert splitter.frame(b"\xff\xff\xff\r") == b"\xff" * 6 + b"\r\0\r\n"
    with pytest.raises(ValueError, match=r"payload of 5 bytes \(limit 4\)"):
        splitter.frame(b"12345")
    with pytest.raises(ValueError, match="payload with a line feed at offset 1"):
        splitter.frame(b"a\nb")


@telnet
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r" + IAC + NOP + b"\n"])
@pytest.mark.parametrize("payload", [b"xxxx", IAC + IAC + b"xxx", b"\r\0" * 4, b"xxx\r", b"x" + IAC + NOP + b"xxx"])
def test_the_limit_counts_the_payload(make, payload: bytes, end: bytes) -> None:
    stream = b"y\n" + payload + end
    found = check_every_cut(make, 4, stream)
    assert (found.count, found.refusal) == (2, None)
    over = check_every_cut(make, 4, b"y\n" + payload + IAC + IAC + end)
    assert (over.frames, over.count, over.refusal) == (b"y\r\n", 1, (LINE, 2, 4))
    assert over.fed == 2 + len(payload) + 2
    skipped = check_every_cut(partial(make, oversize="skip"), 4, b"y\n" + payload + b"x" + IAC + WILL + end + b"\nz\n")
    assert (skipped.frames[:3], skipped.refusal) == (b"y\r\n", None)
    assert (skipped.skipped, skipped.fault) == (1, (LINE, 2, 4))


@telnet
def test_little_is_held_of_a_line_that_never_ends(make) -> None:
    splitter = make(1000)
    for fed in range(1, 1001):
        assert splitter.feed(IAC + IAC) == b""
        assert splitter.held == 2 * fed
    with pytest.raises(FrameError):
        splitter.feed(IAC + IAC)
    assert splitter.held == 0
    skipping = make(1000, oversize="skip")
    skipping.feed(b"x" * 1001)
    for _ in range(1000):
        assert skipping.feed(b"x" * 1000 + IAC) == b""
        assert (skipping.held, skipping.skipped) == (0, 0)


@telnet
@pytest.mark.parametrize("line", [b"x" * 100_000 + b"\r\n", IAC * 100_000 + b"\r\n"])
def test_long_lines_in_many_small_pieces(make, line: bytes) -> None:
    found = outcome(make, 1 << 20, [line[at : at + 7] for at in range(0, len(line), 7)])
    assert (found.frames, found.count) == (line, 1)


@telnet
def test_each_option_is_refused_once_while_it_is_asked_for(make) -> None:
    splitter = make(100)
    assert splitter.answer() == b""
    for _ in range(1000):
        splitter.feed(IAC + WILL + TYPE + b"x\n" + IAC + DO + ECHO + IAC + DO + GO_AHEAD)
    assert splitter.answer() == IAC + WONT + ECHO + IAC + WONT + GO_AHEAD + IAC + DONT + TYPE
    assert splitter.answer() == b""
    splitter.feed(IAC + DO + ECHO + IAC + WONT + GO_AHEAD + IAC + DONT + TYPE)
    assert splitter.answer() == b""
    splitter.feed(IAC + DONT + ECHO + IAC + DO + ECHO + IAC + WONT + TYPE)
    assert splitter.answer() == IAC + WONT + ECHO
    splitter.feed(IAC + WILL + TYPE)
    assert splitter.answer() == IAC + DONT + TYPE


@telnet
def test_answers_that_nobody_takes_do_not_grow(make) -> None:
    splitter = make(100)
    for _ in range(10):
        for option in range(256):
            splitter.feed(b"".join(IAC + verb + bytes([option]) for verb in (WILL, DO, WONT, DONT)))
    answer = splitter.answer()
    assert len(answer) == 256 * 2 * 3
    again = make(100)
    assert (again.feed(answer), again.count, again.held, again.answer()) == (b"", 0, 0, b"")


@telnet
def test_commands_of_options_may_be_cut_anywhere(make) -> None:
    for cut in range(4):
        splitter = make(100)
        stream = IAC + DO + b"\n"
        assert (splitter.feed(stream[:cut]), splitter.feed(stream[cut:] + b"hi\n")) == (b"", b"hi\r\n")
        assert splitter.answer() == IAC + WONT + b"\n"


@pytest.mark.parametrize(
    ("source", "payload", "line"),
    [
        ("octet", b"9 a\nb\r\xff\xff\r\n\\", b"a\\nb\\r\xff\xff\xff\xff\\r\\n\\\r\n"),
        ("lines", b"a\rb\r\n", b"a\\rb\r\n"),
        ("msgpack-stream", b"\xc4\x01\xff", b"\xff\xff\r\n"),
    ],
)
def test_from_other_framings(source: str, payload: bytes, line: bytes) -> None:
    assert translate(framing(source), framing("telnet"), payload, 1, 100) == (line, 1, 0)


def test_into_other_framings() -> None:
    frames = b"a\xff\xff\r\0b\r\n\r\n"
    assert translate(framing("telnet"), framing("length?bytes=1"), frames, 2, 4) == (b"\4a\xff\rb\0", 2, 0)
    assert translate(framing("telnet"), framing("lines"), frames, 2, 5) == (b"a\xff\\rb\n\n", 2, 0)


# Streams from public bug reports.


@telnet
@pytest.mark.parametrize("body", [b"x" * 50, IAC + IAC, b"\n"])
def test_twisted_12706_and_skerryssh_315_a_subnegotiation_without_end(make, body: bytes) -> None:
    stream = b"hi\n" + IAC + SB + body * 60
    found = check_every_cut(make, 30, stream[: 3 + 2 + 40])
    assert (found.frames, found.count, found.refusal) == (b"hi\r\n", 1, (SUBNEGOTIATION, 3, 30))
    assert found.fed == 3 + 2 + (31 if body != IAC + IAC else 32)
    splitter = make(1 << 20)
    for _ in range(1000):
        splitter.feed(IAC + SB + IAC + IAC if splitter.count else b"x\n" + IAC + SB + IAC + IAC)
        assert splitter.held == 0


@telnet
def test_nuttx_18590_and_dikumud3_428_a_terminal_type(make) -> None:
    found = check_every_cut(make, 10, IAC + SB + TYPE + b"\0Mudlet" + IAC + SE + b"look\r\n")
    assert (found.frames, found.count, found.refusal) == (b"look\r\n", 1, None)


@telnet
def test_rune_54_rune_78_and_jline3_2164_a_doubled_iac(make) -> None:
    found = check_every_cut(make, 20, b"Hello \xff\xff World\r\n")
    assert (found.frames, found.count, found.refusal) == (b"Hello \xff\xff World\r\n", 1, None)
    (message,) = make(20).messages(found.frames, None)
    assert message.payload == b"Hello \xff World"
    assert make(20).frame(message.payload) == found.frames


@telnet
def test_mudlet_4394_and_ser2net_30_a_subnegotiation_that_another_command_ends(make) -> None:
    stream = b"a" + IAC + SB + TYPE + b"\1" + IAC + WILL + ECHO + b"b\r\n"
    found = check_every_cut(make, 10, stream)
    assert (found.frames, found.count, found.refusal) == (b"ab\r\n", 1, None)
    splitter = make(10)
    for _ in range(1000):
        splitter.feed(stream)
    assert splitter.answer() == IAC + DONT + ECHO
