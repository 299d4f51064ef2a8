"""Frames of one framing as frames of another: every pair of framings, message by message against an oracle."""

from __future__ import annotations

from itertools import pairwise, product

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import OBJECTS, VALUES
from support.wireforms import RAW_TEXT, WIRE_FORMS, becomes, messages_of

from fastserver.compiled import COMPILED
from fastserver.framing import FRAMINGS, Framing, translation
from fastserver.framing.jsontext import decode, to_json
from fastserver.framing.jsonvalue import from_json
from fastserver.framing.registry import framing, translate
from fastserver.log.escape import shown

EACH_PAIR = pytest.mark.parametrize(("source", "target"), [*product(WIRE_FORMS, WIRE_FORMS)])
NO_LIMIT = 1 << 30
BOTH = pytest.mark.parametrize("translate", [translate, translation.translate][: 2 if COMPILED else 1])

BODIES = [
    b"one",
    b"",
    b"two\nlines\r\n",
    b"a\rb",
    b"\0",
    b"\xff\xf0",
    "é☃".encode(),
    b'{"n":1,"s":"\\u0000"}',
    b"z" * 300,
]
OBJECT_SAMPLES = [
    *(msgpack.packb(value) for value in ("one", "", "two\nlines\r\n", b"\xff\n\0", 5, {"a": [1.5, None]}, "z" * 300)),
    msgpack.packb({"nul": "\0" * 9}),
    msgpack.packb({1: "x", "1": b"y"}),
]


def stream_of(word: str) -> list[tuple[bytes, bytes]]:
    """Messages of a framing, one of each kind that it can have: payload and frame."""
    payloads = OBJECT_SAMPLES if framing(word).typed else BODIES
    return [(payload, frame) for payload in payloads for frame in WIRE_FORMS[word].own(payload)]


def test_every_framing_is_in_the_oracle() -> None:
    assert set(FRAMINGS) <= set(WIRE_FORMS)


@EACH_PAIR
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_message_against_the_oracle_in_any_batch(source: str, target: str, data: st.DataObject) -> None:
    made = data.draw(st.lists(messages_of(source), max_size=8))
    limit = data.draw(st.sampled_from([1, 12, 40, NO_LIMIT]))
    frames = [frame for _, frame in made]
    wanted = [becomes(source, target, payload, frame, limit) for payload, frame in made]
    kept = [frame for frame in wanted if frame is not None]
    whole = translate(framing(source), framing(target), b"".join(frames), len(frames), limit)
    assert whole == (b"".join(kept), len(kept), len(frames) - len(kept))
    assert translation.translate(framing(source), framing(target), b"".join(frames), len(frames), limit) == whole

    # In other batches the same comes out.
    ends = [0, *sorted(data.draw(st.lists(st.integers(0, len(frames)), max_size=3))), len(frames)]
    parts = [
        translate(framing(source), framing(target), b"".join(frames[start:end]), end - start, limit)
        for start, end in pairwise(ends)
    ]
    assert b"".join(part.frames for part in parts) == whole.frames
    assert sum(part.messages for part in parts) == whole.messages
    assert sum(part.untranslatable for part in parts) == whole.untranslatable


@EACH_PAIR
def test_every_cut_of_the_stream(source: str, target: str) -> None:
    made = stream_of(source)
    stream = b"".join(frame for _, frame in made)
    wanted = [becomes(source, target, *one, 250) for one in made]
    known: dict[bytes, translation.Translation] = {}  # most cuts are inside the same message
    for cut in range(len(stream) + 1):
        splitter = framing(source).resplitter()
        found, messages, untranslatable = b"", 0, 0
        for piece in (stream[:cut], stream[cut:]):
            frames = splitter.feed(piece)
            if splitter.count:
                if frames not in known:
                    known[frames] = translate(framing(source), framing(target), frames, splitter.count, 250)
                part = known[frames]
                found += part.frames
                messages += part.messages
                untranslatable += part.untranslatable
        assert found == b"".join([frame for frame in wanted if frame is not None])
        assert (messages, untranslatable) == (len(made) - wanted.count(None), wanted.count(None))


@EACH_PAIR
def test_the_target_takes_what_comes_out(source: str, target: str) -> None:
    made = stream_of(source)
    found = translate(framing(source), framing(target), b"".join(frame for _, frame in made), len(made), NO_LIMIT)
    splitter = framing(target).resplitter()
    assert splitter.feed(found.frames) == found.frames
    assert (splitter.count, splitter.held) == (found.messages, 0)


@given(st.lists(st.one_of(OBJECTS, RAW_TEXT), max_size=5))
def test_objects_go_there_and_back(objects: list[bytes]) -> None:
    stream = b"".join(objects)
    there = translate(FRAMINGS["msgpack-stream"], FRAMINGS["msgpack"], stream, len(objects), NO_LIMIT)
    back = translate(FRAMINGS["msgpack"], FRAMINGS["msgpack-stream"], there.frames, there.messages, NO_LIMIT)
    assert back.frames == stream


@given(VALUES.filter(lambda value: not isinstance(value, (str, bytes))))
def test_values_are_json_that_can_be_read_back(value: object) -> None:
    payload = msgpack.packb(value)
    line = translate(FRAMINGS["msgpack-stream"], FRAMINGS["lines"], payload, 1, NO_LIMIT).frames
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert all(map(shown, line.decode()[:-1]))
    assert to_json(from_json(line.decode())) == to_json(decode(payload))
    back = translate(FRAMINGS["lines"], framing("msgpack-stream?json=parse"), line, 1, NO_LIMIT).frames
    assert to_json(decode(back)) == to_json(decode(payload))


@BOTH
@pytest.mark.parametrize(
    ("source", "target", "frame", "size"),
    [
        ("lines", "msgpack", b"x" * 31 + b"\n", 32),
        ("lines", "msgpack-stream", b"x" * 32 + b"\n", 34),
        ("lines", "msgpack-stream?json=parse", b"[1e1]\n", 10),
        ("msgpack", "lines", b"\0\0\0\4\xa3\n\n\n", 6),
        ("msgpack-stream", "lines", b"\x91\xa1\x00", 10),
        ("msgpack-stream", "msgpack", b"\xa3abc", 4),
    ],
)
def test_what_is_longer_than_the_limit_is_left_out_and_never_cut(
    translate, source: str, target: str, frame: bytes, size: int
) -> None:
    def at(limit: int) -> tuple[int, int, int]:
        found = translate(framing(source), framing(target), frame * 2, 2, limit)
        payloads = [message.payload for message in framing(target).messages(found.frames, None)]
        return found.messages, found.untranslatable, sum(map(len, payloads))

    assert at(size) == (2, 0, 2 * size)
    assert at(size - 1) == (0, 2, 0)


def test_the_same_framing_is_verbatim_and_has_no_limit() -> None:
    frames = b"a\r\nb\n"
    assert translate(FRAMINGS["lines"], FRAMINGS["lines"], frames, 2, 1).frames is frames


def test_a_framing_that_has_no_compiled_form() -> None:
    class Short:
        count = held = skipped = 0
        fault = None

        def __init__(self, max_message: int, invalid_text: str = "close", oversize: str = "close") -> None:
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


def test_a_bomb_is_given_up_at_the_limit() -> None:
    """All control characters, which are six times as long as JSON."""
    payload = b"\xdb\x00\x10\x00\x00" + b"\0" * (1 << 20)
    frames = b"\x91" + payload + b"\x01"
    assert translate(FRAMINGS["msgpack-stream"], FRAMINGS["lines"], frames, 2, 1 << 20) == (b"1\n", 1, 1)


def test_batches_of_many_sizes_keep_their_order() -> None:
    lines = [b"%d" % number * (number % 7) for number in range(1000)]
    frames = b"".join(line + b"\n" for line in lines)
    found = translate(FRAMINGS["lines"], FRAMINGS["msgpack-stream"], frames, 1000, NO_LIMIT)
    assert [message.value.encode() for message in FRAMINGS["msgpack-stream"].messages(found.frames, None)] == lines
