"""`Messages`, compiled and twin."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
from support.splitters import COMPILED, WORDS, both

from fastserver.framing.bytescodec import BYTES
from fastserver.framing.form import Form
from fastserver.framing.messages import messages_of as messages_of_form

ALL = ("lines", "msgpack", "msgpack-stream")
PAYLOADS = [b"\xa2hi", b"\x01", b"\xa9" + b"x" * 9, b"\x93\x01\x02\x03"]


class Peer:
    kept: Any


def messages_of(make: Any, peer: object, payloads: list[bytes]) -> Any:
    splitter = make(100)
    return splitter.messages(b"".join(map(splitter.frame, payloads)), peer)


@both(*ALL)
def test_it_is_a_sequence(make) -> None:
    messages = messages_of(make, "peer", PAYLOADS)
    assert isinstance(messages, Sequence)
    assert len(messages) == 4
    assert bool(messages)
    assert not messages_of(make, "peer", [])
    assert [message.payload for message in messages] == PAYLOADS
    assert [message.payload for message in reversed(messages)] == PAYLOADS[::-1]
    assert [messages[index].payload for index in range(-4, 4)] == PAYLOADS * 2
    assert [message.payload for message in messages[1:-1]] == PAYLOADS[1:-1]
    assert isinstance(messages[:0], list)
    for outside in (4, -5):
        with pytest.raises(IndexError):
            messages[outside]
    with pytest.raises(TypeError):
        messages[0] = messages[1]
    assert repr(messages) == repr(list(messages))


@both(*ALL)
def test_each_message_is_one_and_the_same_object(make) -> None:
    messages = messages_of(make, "peer", PAYLOADS)
    last = messages[-1]
    assert [message is last for message in messages] == [False, False, False, True]
    assert last in messages
    assert messages.index(last) == 3
    assert messages.count(last) == 1
    assert messages_of(make, "peer", PAYLOADS)[-1] not in messages
    with pytest.raises(ValueError):  # noqa: PT011
        messages.index(last, 0, 2)


@both(*ALL)
def test_a_part_of_them(make) -> None:
    splitter = make(100)
    frames = b"".join(map(splitter.frame, PAYLOADS))
    some = splitter.messages(frames, "peer", 3, len(splitter.frame(PAYLOADS[0])))
    assert [message.payload for message in some] == PAYLOADS[1:]
    assert some.end == len(frames)
    first = splitter.messages(frames, "peer", 1)
    assert [message.payload for message in first] == PAYLOADS[:1]
    assert first.end == len(splitter.frame(PAYLOADS[0]))
    none = splitter.messages(frames, "peer", 0, first.end)
    assert (list(none), none.end) == ([], first.end)


@both(*ALL)
def test_one_by_one(make) -> None:
    messages = messages_of(make, "peer", PAYLOADS)
    for _ in range(2):
        assert [message.payload for message in messages.one_by_one()] == PAYLOADS
    every = [(message.peer, message.frame, message.payload, message.value) for message in messages.one_by_one()]
    assert every == [(message.peer, message.frame, message.payload, message.value) for message in messages]
    again = messages.one_by_one()
    assert next(again).payload == PAYLOADS[0]
    assert [message.payload for message in again] == PAYLOADS[1:]
    assert list(again) == []


@both("lines")
def test_one_by_one_leaves_alone_what_somebody_kept(make) -> None:
    payloads = [str(number).encode() for number in range(100)]
    for keeps in (lambda n: True, lambda n: n % 2, lambda n: n % 3 == 0, lambda n: n % 7 < 3, lambda n: n > 97):
        kept = {}
        broadcasts = []
        for number, message in enumerate(messages_of(make, "peer", payloads).one_by_one()):
            assert message.payload == payloads[number]
            if keeps(number):
                kept[number] = message
            elif number % 5 == 0:
                broadcasts.append((number, message.__repr__))  # a method keeps its message too
        assert all(message.payload == payloads[number] for number, message in kept.items())
        assert all(f"b'{number}'" in show() for number, show in broadcasts)


@both("lines")
@pytest.mark.parametrize("number", range(4))
def test_what_was_kept_is_collected(make, number: int) -> None:
    peer = Peer()
    for at, message in enumerate(messages_of(make, peer, PAYLOADS).one_by_one()):
        if at == number:
            peer.kept = message
    del message
    gc.collect()
    assert peer.kept.payload == PAYLOADS[number]
    gone = weakref.ref(peer)
    del peer
    gc.collect()
    assert gone() is None


@both("lines")
def test_what_keeps_its_own_messages_is_collected(make) -> None:
    for what in (lambda messages: messages, lambda messages: messages[0]):
        peer = Peer()
        peer.kept = what(messages_of(make, peer, PAYLOADS))
        gone = weakref.ref(peer)
        del peer
        gc.collect()
        assert gone() is None


@both("lines")
def test_collecting_within_the_loop_takes_nothing_away(make) -> None:
    seen = []
    for message in messages_of(make, Peer(), PAYLOADS).one_by_one():
        gc.collect()
        seen.append((type(message.peer), message.payload))
    assert seen == [(Peer, payload) for payload in PAYLOADS]


@both("lines")
def test_nothing_leaks(make) -> None:
    peer = object()
    before = sys.getrefcount(peer)
    for _ in range(100):
        messages = messages_of(make, peer, PAYLOADS)
        kept = [message for message in messages.one_by_one() if message.payload == PAYLOADS[1]]
        assert len(list(messages)) == 4
        del messages, kept
    gc.collect()
    assert sys.getrefcount(peer) == before


@both("lines")
def test_only_splitters_make_them(make) -> None:
    messages = messages_of(make, "peer", PAYLOADS)
    with pytest.raises(TypeError, match="made by a splitter's messages"):
        type(messages)()


def test_heads_and_tails_may_differ_from_frame_to_frame() -> None:
    """As in netstrings: a decimal length, a colon, the payload, a comma."""
    frames = b"2:hi,0:,11:eleven long,"
    ends = [5, 8, len(frames)]
    form = Form(lambda data, start, end: (data.index(b":", start) + 1, end - 1), BYTES)
    messages = messages_of_form(frames, "peer", -1, 0, form, lambda at: min(end for end in ends if end > at))
    assert [message.payload for message in messages] == [b"hi", b"", b"eleven long"]
    assert [message.value for message in messages.one_by_one()] == [b"hi", b"", b"eleven long"]
    assert b"".join(message.frame for message in messages) == frames


@both(*WORDS)
def test_an_incomplete_frame_is_no_message(make) -> None:
    splitter = make(100)
    frame = splitter.frame(PAYLOADS[2])
    for frames, start in ((frame, 0), (frame + frame, len(frame))):
        for end in range(start + 1, start + len(frame)):
            with pytest.raises(ValueError, match=r"frames do not end where a frame ends|stream|length|byte"):
                splitter.messages(frames[:end], None)


@pytest.mark.skipif("lines" not in COMPILED, reason="nothing compiled")
def test_what_python_makes_itself_is_empty() -> None:
    messages = messages_of(COMPILED["lines"], "peer", PAYLOADS)
    for kind in (type(messages), type(messages.one_by_one())):
        assert list(kind.__new__(kind)) == []
