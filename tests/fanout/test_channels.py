"""Channels, and sending to some: by their API, on a simulated network."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from support.simulation import Simulation, Transport

import fastserver
from fastserver import Channel, CloseReason, Peer

LOW = 64 * 1024
"""The least `max_pending`, bytes."""


def several(simulation: Simulation, count: int, **more: Any) -> tuple[list[Peer], list[Transport]]:
    both = [simulation.connect(**more) for _ in range(count)]
    return [peer for peer, _ in both], [transport for _, transport in both]


def test_several_are_left_out() -> None:
    simulation = Simulation()
    peers, transports = several(simulation, 4)
    everyone = simulation.server.everyone
    everyone.broadcast(b"1", exclude=[peers[0], peers[1]])
    everyone.broadcast(b"2", exclude={peers[1], peers[2]})
    everyone.broadcast(b"3", exclude=(peer for peer in peers[:3]))
    everyone.broadcast(b"4", exclude=[peers[3], peers[3]])
    everyone.broadcast(b"5", exclude=[])
    everyone.broadcast_packed(b"6", exclude=peers)
    everyone.broadcast(b"7", exclude=peers[0])
    simulation.loop.tick()
    heard = [bytes(one.sent).replace(b"\n", b"") for one in transports]
    assert heard == [b"245", b"457", b"1457", b"12357"]
    assert [one.writes for one in transports] == [1] * 4
    for peer, text in zip(peers, heard, strict=True):
        assert peer.figures().offered_messages == peer.figures().messages_out == len(text)
        assert peer.figures().offered_bytes == 2 * len(text)


def test_several_are_left_out_of_a_message_that_is_flushed_at_once() -> None:
    simulation = Simulation(max_message=4 << 20)
    peers, transports = several(simulation, 3)
    simulation.server.everyone.broadcast(b"small", exclude=peers[1:])
    simulation.server.everyone.broadcast(b"x" * (2 << 20), exclude=peers[:2])
    simulation.server.everyone.broadcast(b"end")
    simulation.loop.tick()
    assert [len(one.sent) for one in transports] == [10, 4, (2 << 20) + 5]


def test_several_of_whom_some_are_behind_are_left_out() -> None:
    simulation = Simulation(max_pending=64 * LOW)
    peers, transports = several(simulation, 3, room=10)
    for number in range(300):
        simulation.server.everyone.broadcast(b"%03d" % number, exclude=[peers[number % 3], peers[(number + 1) % 3]])
        if number % 7 == 0:
            simulation.loop.tick()
    simulation.loop.tick()
    for index, transport in enumerate(transports):
        transport.give_room(1 << 20)
        simulation.loop.tick()
        expected = b"".join(b"%03d\n" % number for number in range(300) if (number + 2) % 3 == index)
        assert bytes(transport.sent) == expected
        figures = peers[index].figures()
        assert figures.offered_messages == figures.messages_out == 100
        assert figures.pending_messages == figures.dropped_messages == 0


def test_broadcasts_to_peers_of_another_framing_alone_share_a_view_as_long_as_there_are_any() -> None:
    simulation = Simulation(log_messages=0)
    room = simulation.server.channel("room")
    peer, transport = simulation.connect(mode="msgpack-stream")
    peer.join(room)
    for text in (b"one", b"two"):
        room.broadcast(text)
        simulation.loop.tick()
    assert bytes(transport.sent) == b"\xa3one\xa3two"
    assert [(view.framing.name, view.messages) for view in room.views] == [("msgpack-stream", 2), ("lines", 2)]
    peer.leave(room)
    simulation.server.everyone.broadcast(b"")  # the tick knows the channel that was last
    simulation.loop.tick()
    assert room.views == []
    del room
    assert "room" not in simulation.server.channels


def test_some_are_sent_to_by_id() -> None:
    simulation = Simulation()
    peers, transports = several(simulation, 4)
    peers[3].close()
    assert simulation.server.send_to([1, 3, 3, 4, 99], b"you") == 2
    simulation.loop.tick()
    assert [bytes(one.sent) for one in transports] == [b"you\n", b"", b"you\n", b""]
    with pytest.raises(TypeError, match="a peer's id is a whole number, not Peer"):
        simulation.server.send_to([1, peers[1]], b"no")  # type: ignore[list-item]
    with pytest.raises(ValueError, match="line"):
        simulation.server.send_to([1], b"two\nlines")
    simulation.loop.tick()
    assert bytes(transports[0].sent) == b"you\n"


def test_channels_there_are() -> None:
    simulation = Simulation()
    made = simulation.server
    peer, transport = simulation.connect()
    assert made.channels.get("a") is None
    assert "a" not in made.channels
    assert dict(made.channels) == {}
    a, b = made.channel("a"), made.channel("b")
    assert made.channels["a"] is a
    peer.join(b)
    peer.join(a)
    assert peer.channels == [b, a]
    assert set(made.channels) == {"a", "b"}
    for name in made.channels:  # while others are made
        made.channel(name + "2")
    peer.leave(b)
    assert peer.channels == [a]
    del a, b
    gc.collect()
    assert list(made.channels) == ["a"]
    with pytest.raises(KeyError):
        made.channels["b"]
    peer.send(b"to it alone")
    assert [channel.name for channel in peer.channels] == ["a"]
    transport.reset()
    simulation.loop.tick()
    assert [channel.name for channel in peer.channels] == ["a"]


@pytest.mark.parametrize("end", ["reset", "eof", "close", "abort", "vanish", "behind"])
def test_where_a_peer_was_is_known_when_it_has_left(end: str) -> None:
    simulation = Simulation(half_close_timeout=0)
    made, seen = simulation.server, []

    def left(peer: Peer, reason: CloseReason) -> None:
        seen.append([channel.name for channel in peer.channels])
        for channel in peer.channels:
            channel.broadcast(b"left " + channel.name.encode())

    made.on_disconnect(left)
    (one, gone), (other, stays) = simulation.connect(room=1 if end == "behind" else 1 << 40), simulation.connect()
    for name in "ab":
        one.join(made.channel(name))
        other.join(made.channel(name))
    if end == "eof":
        one.eof_received()
        simulation.loop.advance(0.1)
    elif end == "close":
        one.close()
        one.eof_received()
    elif end in ("abort", "behind"):
        made.channel("a").broadcast(b"x")
        simulation.loop.tick()
        one.abort()
    elif end == "vanish":
        gone.vanish()
        made.channel("a").broadcast(b"x", exclude=other)
        simulation.loop.tick()
        one.eof_received()
    else:
        gone.reset()
    simulation.loop.tick()
    assert seen == [["a", "b"]]
    assert one.channels == [made.channels["a"], made.channels["b"]]
    assert bytes(stays.sent).endswith(b"left a\nleft b\n")


def other_server() -> Simulation:
    return Simulation(mode="msgpack")


MISUSE: list[tuple[Callable[[Simulation, Peer, Peer], object], type[Exception], str]] = [
    (lambda here, mine, other: mine.join(other_server().server.channel("a")), ValueError, "one of another server"),
    (lambda here, mine, other: mine.leave(other_server().server.channel("a")), ValueError, "one of another server"),
    (lambda here, mine, other: mine.join(other_server().server.everyone), ValueError, "one of another server"),
    (lambda here, mine, other: mine.join(Channel("a")), ValueError, "was made by no server"),
    (lambda here, mine, other: Channel("a").broadcast(b"x"), ValueError, "was made by no server"),
    (lambda here, mine, other: mine.join("a"), TypeError, "a channel is needed"),  # type: ignore[arg-type]
    (lambda here, mine, other: mine.leave(None), TypeError, "a channel is needed"),  # type: ignore[arg-type]
    (lambda here, mine, other: here.server.channel(1), TypeError, "is text, not int"),  # type: ignore[arg-type]
    (lambda here, mine, other: here.server.channel(b"a"), TypeError, "is text, not bytes"),  # type: ignore[arg-type]
    (lambda here, mine, other: here.server.everyone.broadcast(b"x", exclude=other), ValueError, "another server"),
    (
        lambda here, mine, other: here.server.everyone.broadcast(b"x", exclude=[mine, other]),
        ValueError,
        "another server",
    ),
    (lambda here, mine, other: here.server.everyone.broadcast(b"x", exclude=1), TypeError, "not int"),
    (lambda here, mine, other: here.server.everyone.broadcast(b"x", exclude="ab"), TypeError, "not str"),
    (lambda here, mine, other: here.server.everyone.broadcast(b"x", exclude=[[mine]]), TypeError, "not list"),
    (lambda here, mine, other: mine.send(memoryview(b"abcd")[::2]), ValueError, "contiguous"),
    (lambda here, mine, other: mine.send_packed(memoryview(b"abcd")[::2]), ValueError, "contiguous"),  # type: ignore[arg-type]
    (lambda here, mine, other: here.server.everyone.broadcast(memoryview(b"abcd")[::2]), ValueError, "contiguous"),
    (lambda here, mine, other: mine.close("go away"), ValueError, "go away"),  # type: ignore[arg-type]
    (lambda here, mine, other: mine.abort("go away"), ValueError, "go away"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("number", range(len(MISUSE)))
def test_misuse_is_refused_before_anything_changes(number: int) -> None:
    wrong, error, text = MISUSE[number]
    simulation = Simulation()
    (mine, own), (_, others) = simulation.connect(), simulation.connect()
    other, _ = other_server().connect()
    before = mine.channels, mine.figures().offered_messages, mine.reason
    with pytest.raises(error, match=text):
        wrong(simulation, mine, other)
    simulation.loop.tick()
    assert (mine.channels, mine.figures().offered_messages, mine.reason) == before
    assert not own.sent
    simulation.server.everyone.broadcast(b"fine")
    simulation.loop.tick()
    assert bytes(own.sent) == bytes(others.sent) == b"fine\n"


@pytest.mark.parametrize("mode", ["msgpack", "msgpack-stream"])
@pytest.mark.parametrize("value", [1 << 64, -(1 << 63) - 1, [{"a": 1 << 70}], memoryview(b"abcd")[::2]])
def test_values_that_msgpack_has_no_room_for(mode: str, value: object) -> None:
    simulation = Simulation(mode=mode)
    peer, transport = simulation.connect()
    for send in (peer.send, simulation.server.everyone.broadcast, lambda one: simulation.server.send_to([1], one)):
        with pytest.raises(ValueError):  # noqa: PT011
            send(value)
    simulation.loop.tick()
    assert not transport.sent


def test_extension_types_have_values() -> None:
    made = Simulation(mode="msgpack-stream")
    made.server.ext_hook = lambda code, data: (code, bytes(data))
    values: list[object] = []
    made.server.on_message(lambda message: values.append(message.value))
    peer, _ = made.connect()
    peer.data_received(msgpack.packb([1, msgpack.ExtType(7, b"x")]) + msgpack.packb({"a": "b" * 2000}))
    assert values == [[1, (7, b"x")], {"a": "b" * 2000}]
    assert fastserver.Server(fastserver.Config(mode="msgpack"), ext_hook=msgpack.ExtType).ext_hook is msgpack.ExtType
    with pytest.raises(ValueError, match="ext_hook 3 is not allowed"):
        fastserver.Server(fastserver.Config(mode="msgpack"), ext_hook=3)  # type: ignore[arg-type]


def test_a_function_makes_values_that_can_be_packed_of_others() -> None:
    made = fastserver.Server(fastserver.Config(mode="msgpack-stream"), default=lambda value: sorted(value))
    assert made.packer.frame({1}) == b"\x91\x01"
    with pytest.raises(ValueError, match="default is not allowed in mode lines"):
        fastserver.Server(default=sorted)
    with pytest.raises(ValueError, match="default 3 is not allowed"):
        fastserver.Server(fastserver.Config(mode="msgpack"), default=3)  # type: ignore[arg-type]


def test_channels_last_while_someone_is_in_them() -> None:
    simulation = Simulation()
    made = simulation.server
    peer, transport = simulation.connect()
    peer.join(made.channel("room"))
    assert made.channel("room").peers == [peer]
    assert made.channel("room") is made.channel("room")
    peer.join(made.channel("room"))
    assert made.channel("room").peers == [peer]
    peer.leave(made.channel("room"))
    peer.leave(made.channel("room"))
    assert made.channel("room").peers == []
    assert made.everyone.peers == [peer]
    transport.reset()
    simulation.loop.tick()
    assert made.everyone.peers == []
