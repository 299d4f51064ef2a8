"""Frames of one framing as frames of another, message by message against an oracle."""

from __future__ import annotations

import json
from itertools import accumulate, pairwise, product

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import OBJECTS, VALUES, prefixed

from fastserver.framing import FRAMINGS, Framing
from fastserver.framing.jsontext import decode, to_json
from fastserver.framing.jsonvalue import from_json
from fastserver.framing.registry import translate
from fastserver.log.escape import shown

PAIRS = list(product(FRAMINGS, FRAMINGS))
EACH_PAIR = pytest.mark.parametrize(("source", "target"), PAIRS)
NO_LIMIT = 1 << 30

RAW_TEXT = st.binary(max_size=40).map(lambda data: bytes([0xD9, len(data)]) + data)  # not always UTF-8
LINES = st.one_of(st.binary(max_size=40), st.text(max_size=20).map(str.encode)).map(
    lambda line: line.replace(b"\n", b"")
)
FRAMES = {
    "lines": st.tuples(LINES, st.sampled_from([b"\n", b"\r\n"])).map(b"".join),
    "msgpack": st.one_of(OBJECTS, RAW_TEXT).map(prefixed),
    "msgpack-stream": st.one_of(OBJECTS, RAW_TEXT),
}


def payload_of(mode: str, frame: bytes) -> bytes:
    if mode == "lines":
        return frame[:-2] if frame.endswith(b"\r\n") else frame[:-1]
    return frame[4:] if mode == "msgpack" else frame


def frame_of(mode: str, payload: bytes) -> bytes:
    return {"lines": payload + b"\n", "msgpack": prefixed(payload), "msgpack-stream": payload}[mode]


def expected(source: str, target: str, frame: bytes, limit: int = NO_LIMIT) -> bytes | None:
    """What one frame becomes."""
    if source == target:
        return frame
    payload = payload_of(source, frame)
    if source == "lines":
        try:
            payload = msgpack.packb(payload.decode())
        except UnicodeDecodeError:
            payload = msgpack.packb(payload)
    elif target == "lines":
        value = msgpack.unpackb(payload, strict_map_key=False, unicode_errors="surrogateescape")
        if isinstance(value, (bytes, str)):
            data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
            payload = data.replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        else:
            text = json.dumps(json.loads(to_json(decode(payload))), ensure_ascii=False, separators=(",", ":"))
            payload = "".join(char if shown(char) else json.dumps(char)[1:-1] for char in text).encode()
    return frame_of(target, payload) if len(payload) <= limit else None


@EACH_PAIR
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_message_against_the_oracle_in_any_batch(source: str, target: str, data: st.DataObject) -> None:
    frames = data.draw(st.lists(FRAMES[source], max_size=8))
    limit = data.draw(st.sampled_from([1, 12, 40, NO_LIMIT]))
    wanted = [expected(source, target, frame, limit) for frame in frames]
    kept = [frame for frame in wanted if frame is not None]
    whole = translate(FRAMINGS[source], FRAMINGS[target], b"".join(frames), len(frames), limit)
    assert whole == (b"".join(kept), len(kept), len(frames) - len(kept))

    # In other batches the same comes out.
    ends = [0, *sorted(data.draw(st.lists(st.integers(0, len(frames)), max_size=3))), len(frames)]
    parts = [
        translate(FRAMINGS[source], FRAMINGS[target], b"".join(frames[start:end]), end - start, limit)
        for start, end in pairwise(ends)
    ]
    assert b"".join(part.frames for part in parts) == whole.frames
    assert sum(part.messages for part in parts) == whole.messages
    assert sum(part.untranslatable for part in parts) == whole.untranslatable


@EACH_PAIR
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_target_takes_what_comes_out(source: str, target: str, data: st.DataObject) -> None:
    frames = data.draw(st.lists(FRAMES[source], max_size=8))
    found = translate(FRAMINGS[source], FRAMINGS[target], b"".join(frames), len(frames), NO_LIMIT)
    splitter = FRAMINGS[target].splitter(NO_LIMIT, "pass")
    assert splitter.feed(found.frames) == found.frames
    assert (splitter.count, splitter.held) == (found.messages, 0)


@given(st.lists(st.one_of(OBJECTS, RAW_TEXT), max_size=5))
def test_objects_go_there_and_back(objects: list[bytes]) -> None:
    stream = b"".join(objects)
    there = translate(FRAMINGS["msgpack-stream"], FRAMINGS["msgpack"], stream, len(objects), NO_LIMIT)
    assert there.frames == b"".join(map(prefixed, objects))
    back = translate(FRAMINGS["msgpack"], FRAMINGS["msgpack-stream"], there.frames, there.messages, NO_LIMIT)
    assert back.frames == stream


@given(st.lists(LINES, max_size=5))
def test_lines_go_there_and_back_but_for_carriage_returns(lines: list[bytes]) -> None:
    frames = b"".join(line + b"\n" for line in lines)
    payloads = [message.payload for message in FRAMINGS["lines"].messages(frames, None)]
    for mode in ("msgpack", "msgpack-stream"):
        there = translate(FRAMINGS["lines"], FRAMINGS[mode], frames, len(lines), NO_LIMIT)
        back = translate(FRAMINGS[mode], FRAMINGS["lines"], there.frames, there.messages, NO_LIMIT)
        assert back.frames == b"".join(payload.replace(b"\r", b"\\r") + b"\n" for payload in payloads)


@given(VALUES.filter(lambda value: not isinstance(value, (str, bytes))))
def test_values_are_json_that_can_be_read_back(value: object) -> None:
    payload = msgpack.packb(value)
    line = translate(FRAMINGS["msgpack-stream"], FRAMINGS["lines"], payload, 1, NO_LIMIT).frames
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert all(map(shown, line.decode()[:-1]))
    assert to_json(from_json(line.decode())) == to_json(decode(payload))


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("hi", b"hi"),
        ("", b""),
        (b"", b""),
        ("two\nlines\r\n", b"two\\nlines\\r\\n"),
        ("a \\n stays", b"a \\n stays"),
        (b"\xff\x00", b"\xff\x00"),
        (None, b"null"),
        ({"a": [1, 2.5, True], "b": {"c": "x\ny"}}, b'{"a":[1,2.5,true],"b":{"c":"x\\ny"}}'),
        ([b"hi"], b'[{"$bin":"aGk="}]'),
        (msgpack.ExtType(5, b"hi"), b'{"$ext":[5,"aGk="]}'),
        (msgpack.Timestamp(1704067200, 1), b'{"$timestamp":"2024-01-01T00:00:00.000000001Z"}'),
        (float("nan"), b'{"$float":"nan"}'),
        ({1: "x"}, b'{"1":"x"}'),
        (2**64 - 1, b"18446744073709551615"),
        (["☃", "\u2028"], '["☃","\\u2028"]'.encode()),
    ],
)
def test_objects_as_lines(value: object, line: bytes) -> None:
    found = translate(FRAMINGS["msgpack"], FRAMINGS["lines"], prefixed(msgpack.packb(value)), 1, NO_LIMIT)
    assert found == (line + b"\n", 1, 0)


def test_text_that_is_not_utf8_keeps_its_bytes() -> None:
    assert translate(FRAMINGS["msgpack-stream"], FRAMINGS["lines"], b"\xa2h\xff", 1, 9).frames == b"h\xff\n"
    assert translate(FRAMINGS["msgpack-stream"], FRAMINGS["lines"], b"\x91\xa2h\xff", 1, 99).frames == b'["h\\udcff"]\n'
    assert translate(FRAMINGS["lines"], FRAMINGS["msgpack-stream"], b"h\xff\n", 1, 9).frames == b"\xc4\x02h\xff"


@pytest.mark.parametrize(
    ("source", "target", "frame", "size"),
    [
        ("lines", "msgpack", b"x" * 31 + b"\n", 32),
        ("lines", "msgpack-stream", b"x" * 32 + b"\n", 34),
        ("msgpack", "lines", prefixed(b"\xa3\n\n\n"), 6),
        ("msgpack-stream", "lines", b"\x91\xa1\x00", 10),
        ("msgpack-stream", "msgpack", b"\xa3abc", 4),
    ],
)
def test_what_is_longer_than_the_limit_is_left_out_and_never_cut(
    source: str, target: str, frame: bytes, size: int
) -> None:
    def at(limit: int) -> tuple[int, int, int]:
        found = translate(FRAMINGS[source], FRAMINGS[target], frame * 2, 2, limit)
        payloads = [message.payload for message in FRAMINGS[target].messages(found.frames, None)]
        return found.messages, found.untranslatable, sum(map(len, payloads))

    assert at(size) == (2, 0, 2 * size)
    assert at(size - 1) == (0, 2, 0)


def test_the_same_framing_is_verbatim_and_has_no_limit() -> None:
    frames = b"a\r\nb\n"
    assert translate(FRAMINGS["lines"], FRAMINGS["lines"], frames, 2, 1).frames is frames


def test_a_framing_whose_frames_cannot_say_the_length() -> None:
    class Short:
        count = held = skipped = 0
        fault = None

        def __init__(self, max_message: int, invalid_text: str = "close") -> None:
            pass

        def frame(self, payload: bytes) -> bytes:
            if len(payload) > 255:
                raise ValueError("payload of more than 255 bytes")
            return bytes([len(payload)]) + payload

        def messages(self, frames: bytes, peer: object, most: int = -1, start: int = 0) -> list[object]:
            return []

    target = Framing("short", Short, FRAMINGS["lines"].codec)  # type: ignore[arg-type]
    frames = b"a\n" + b"x" * 256 + b"\nb\n"
    assert translate(FRAMINGS["lines"], target, frames, 3, NO_LIMIT) == (b"\x01a\x01b", 2, 1)


def test_nested_as_deep_as_can_be() -> None:
    payload = b"\x91" * 128 + b"\xc0"
    line = translate(FRAMINGS["msgpack-stream"], FRAMINGS["lines"], payload, 1, NO_LIMIT).frames
    assert line == b"[" * 128 + b"null" + b"]" * 128 + b"\n"


def test_batches_of_many_sizes_keep_their_order() -> None:
    lines = [b"%d" % number * (number % 7) for number in range(1000)]
    frames = b"".join(line + b"\n" for line in lines)
    found = translate(FRAMINGS["lines"], FRAMINGS["msgpack-stream"], frames, 1000, NO_LIMIT)
    assert [message.value.encode() for message in FRAMINGS["msgpack-stream"].messages(found.frames, None)] == lines
    assert list(accumulate(map(len, lines)))[-1] < len(found.frames)
