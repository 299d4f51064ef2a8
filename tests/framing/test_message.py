"""`Message`, compiled and twin."""

from __future__ import annotations

import gc
import weakref

import msgpack
import pytest
from support.splitters import both


class Peer:
    def __init__(self) -> None:
        self.relayed: list[bytes] = []

    def relay(self, frames: bytes, start: int, end: int) -> None:
        self.relayed.append(frames[start:end])

    def __repr__(self) -> str:
        return "<Peer 7>"


@both("lines", "msgpack", "msgpack-stream")
def test_attributes(make) -> None:
    peer = Peer()
    payload = b"\x92\x01\xa2hi"
    splitter = make(100)
    frames = splitter.frame(payload)
    for message, frame in zip(splitter.messages(frames * 2, peer), [frames, frames], strict=True):
        assert message.peer is peer
        assert message.frame == frame
        assert message.payload == payload
        for name in ("peer", "frame", "payload", "value"):
            with pytest.raises(AttributeError):
                setattr(message, name, b"")
        with pytest.raises(AttributeError):
            message.more = 1


@both("msgpack", "msgpack-stream")
@pytest.mark.parametrize("value", [None, {"a": [1, 2.5, b"\xff"]}, {1: 2, None: 3}, msgpack.Timestamp(1, 2)])
def test_value_of_msgpack(make, value: object) -> None:
    splitter = make(100)
    (message,) = splitter.messages(splitter.frame(msgpack.packb(value)), "peer")
    assert message.value == value
    assert message.value is message.value


@both("msgpack", "msgpack-stream")
def test_a_value_python_cannot_hold(make) -> None:
    splitter = make(100)
    (message,) = splitter.messages(splitter.frame(b"\x81\x90\xc0"), "peer")
    with pytest.raises(TypeError):
        _ = message.value
    assert message.payload == b"\x81\x90\xc0"


@both("lines", "msgpack", "msgpack-stream")
def test_broadcast_passes_the_frame_on_verbatim(make) -> None:
    peer = Peer()
    splitter = make(100)
    frames = splitter.frame(b"\xc3") + (b"hi\r\n" if "Lines" in make.__name__ else splitter.frame(b"\xa1x"))
    for message in splitter.messages(frames, peer):
        assert message.broadcast() is None
    assert len(peer.relayed) == 2
    assert b"".join(peer.relayed) == frames


@both("lines")
def test_repr_shows_the_peer_and_the_beginning_of_the_payload(make) -> None:
    short, long = make(1000).messages(b"hi\r\n" + b"x" * 500 + b"\n", Peer())
    assert repr(short) == "<Message from <Peer 7>: b'hi'>"
    assert repr(long) == f"<Message from <Peer 7>: {b'x' * 60!r} … of 500 bytes>"


@both("lines")
def test_only_splitters_make_messages(make) -> None:
    (message,) = make(10).messages(b"hi\n", "peer")
    with pytest.raises(TypeError, match="made by a splitter's messages"):
        type(message)()


@both("lines")
def test_a_message_outlives_splitter_and_frames(make) -> None:
    splitter = make(10)
    messages = splitter.messages(bytes(bytearray(b"one\ntwo\n")), "peer")
    del splitter
    gc.collect()
    assert [message.payload for message in messages] == [b"one", b"two"]


@both("lines")
def test_a_cycle_through_a_peer_is_collected(make) -> None:
    peer = Peer()
    peer.last = make(10).messages(b"hi\n", peer)[0]  # type: ignore[attr-defined]
    gone = weakref.ref(peer)
    del peer
    gc.collect()
    assert gone() is None
