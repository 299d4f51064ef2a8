"""The codecs: values to payloads and back, and text for people."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastserver.framing import FRAMINGS, Framing
from fastserver.framing.bytescodec import BYTES
from fastserver.framing.codec import abridged
from fastserver.framing.msgpackcodec import DECODED, MSGPACK
from fastserver.framing.octetcodec import OCTET
from fastserver.framing.syslogcodec import SYSLOG

EACH = pytest.mark.parametrize("framing", FRAMINGS.values(), ids=list(FRAMINGS))


@EACH
def test_a_value_in_a_frame_comes_out_again(framing: Framing) -> None:
    for value in (b" ", b"hi", b"\xff\xfe"):
        frame = framing.frame(framing.pack(value))
        splitter = framing.resplitter()
        (message,) = splitter.messages(splitter.feed(frame), None)
        assert message.value == framing.unpack(message.payload) == value


@EACH
def test_frames_have_no_limit_of_their_own(framing: Framing) -> None:
    assert len(framing.frame(framing.pack(b"x" * 2_000_000))) > 2_000_000


@EACH
def test_what_cannot_be_a_payload(framing: Framing) -> None:
    with pytest.raises(ValueError, match="gaps"):
        framing.pack(memoryview(b"abcd")[::2])
    with pytest.raises(ValueError, match="gaps"):
        framing.frame(memoryview(b"abcd")[::2])
    with pytest.raises(TypeError):
        framing.frame("text")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        framing.pack(object())


def test_bytes_are_their_own_value() -> None:
    assert BYTES.pack(bytearray(b"hi")) == b"hi"
    assert type(BYTES.pack(memoryview(b"hi"))) is bytes
    with pytest.raises(TypeError, match="a payload is bytes-like, not str"):
        BYTES.pack("hi", default=str)


def test_values_msgpack_has_no_room_for() -> None:
    with pytest.raises(ValueError, match="msgpack has no room for this value"):
        MSGPACK.pack(1 << 64)
    assert MSGPACK.unpack(MSGPACK.pack({1, 2}, default=sorted)) == [1, 2]
    assert MSGPACK.unpack(b"\xa1\xff") == "\udcff"
    assert MSGPACK.pack("\udcff") == b"\xa1\xff"
    assert MSGPACK.unpack(b"\xd4\x05x", lambda code, data: (code, data)) == (5, b"x")


@pytest.mark.parametrize(
    ("text", "value"), [("", None), ("null", None), ("[1, 2.5]", [1, 2.5]), ('{"$bin": "aGk="}', b"hi"), ('"☃"', "☃")]
)
def test_what_a_person_types_is_json_in_msgpack(text: str, value: object) -> None:
    assert MSGPACK.parse(text) == value
    assert MSGPACK.parse(MSGPACK.show(MSGPACK.pack(value))) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [("[1", "delimiter"), ("☃ \udcff", "not UTF-8 at byte 5"), ("NaN", "NaN is not JSON"), ("2 3", "extra data")],
)
def test_what_is_no_json(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        MSGPACK.parse(text)


@given(st.binary())
def test_what_a_person_types_is_the_payload_in_lines(payload: bytes) -> None:
    assert BYTES.parse(payload.decode("utf-8", "surrogateescape")) == payload


def test_what_a_person_types_can_be_counted() -> None:
    assert [OCTET.parse(text) for text in ("", "hi")] == [b" ", b"hi"]


def test_what_a_person_types_has_a_priority_in_syslog() -> None:
    typed = ["", "hi", "<1>hi", "<191>", "<1234>hi", "<a>"]
    assert [SYSLOG.parse(text) for text in typed] == [
        b"<13>",
        b"<13>hi",
        b"<1>hi",
        b"<191>",
        b"<13><1234>hi",
        b"<13><a>",
    ]
    with pytest.raises(ValueError, match="no syslog message of 8 bytes"):
        SYSLOG.sized(8, b"stamp!")


def test_nothing_shown_acts_on_a_terminal() -> None:
    assert BYTES.show(b"\x1b[2J\xff\n") == "\\x1b[2J\\xff\\x0a"
    assert MSGPACK.show(msgpack.packb("\x1b[2J\n")) == '"\\u001b[2J\\n"'


@pytest.mark.parametrize("codec", [BYTES, MSGPACK])
@given(st.integers(0, 300), st.sampled_from(["x", "é", "☃", "🦊"]))
def test_what_is_too_long_to_show_is_cut_between_characters(codec: Any, most: int, char: str) -> None:
    payload = codec.pack((char * 100).encode()) if codec is BYTES else codec.pack(char * 100)
    whole, shown = codec.show(payload), codec.show(payload, most)
    if len(whole.encode()) <= most:
        assert shown == whole
    else:
        beginning, more = shown.split("… ")
        assert more == f"({len(payload)} bytes)"
        assert whole.startswith(beginning)
        assert most - 4 < len(beginning.encode()) <= most


def test_no_large_msgpack_is_decoded_to_show_its_beginning() -> None:
    payload = MSGPACK.pack("x" * DECODED)
    assert MSGPACK.show(payload, 200) == f"msgpack, {len(payload)} bytes"
    assert MSGPACK.show(payload) == f'"{"x" * DECODED}"'


def test_abridged() -> None:
    assert abridged(b"hello", None, 5) == abridged(b"hello", 5, 5) == b"hello"
    assert abridged(b"hello", 4, 9) == "hell… (9 bytes)".encode()
    assert abridged(b"\x80" * 10, 5, 10).startswith(b"\x80" * 1)


@EACH
@pytest.mark.parametrize("size", [9, 10, 257, 258, 259, 65_538, 65_540, 70_000])
def test_payloads_of_every_size(framing: Framing, size: int) -> None:
    payload = framing.codec.sized(size, b"stamp!")
    assert len(payload) == size
    assert payload.endswith(b"stamp!")
    assert framing.splitter(size).frame(payload) == framing.frame(payload)
