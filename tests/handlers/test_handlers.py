"""Your own handlers: what they are called with, in which order, and what becomes of their errors."""

from __future__ import annotations

from support.simulation import Simulation

from fastserver import CloseReason, Message


def test_plain_handlers_are_called_in_order() -> None:
    simulation = Simulation()
    seen: list[object] = []
    simulation.server.on_connect(lambda peer: seen.append(("connect", peer.id)))
    simulation.server.on_message(lambda message: seen.append((message.peer.id, message.payload)))
    simulation.server.on_disconnect(lambda peer, reason: seen.append(("disconnect", peer.id, reason)))
    peer, transport = simulation.connect()
    peer.data_received(b"one\ntw")
    peer.data_received(b"o\r\nthree")
    peer.eof_received()
    transport.reset()
    simulation.loop.tick()
    assert seen == [("connect", 1), (1, b"one"), (1, b"two"), (1, b"three"), ("disconnect", 1, CloseReason.RESET)]


def test_messages_of_one_read_at_once() -> None:
    simulation = Simulation(mode="msgpack-stream")
    reads: list[list[object]] = []
    simulation.server.on_messages(lambda messages: reads.append([message.value for message in messages]))
    peer, _ = simulation.connect()
    peer.data_received(b"\x01\x02\x93\x01")
    peer.data_received(b"\x02\x03\xc0")
    assert reads == [[1, 2], [[1, 2, 3], None]]


def test_a_peer_closed_by_its_handler_is_heard_no_more() -> None:
    simulation = Simulation()
    handled: list[bytes] = []

    def close(message: Message) -> None:
        handled.append(message.payload)
        message.peer.close()

    simulation.server.on_message(close)
    peer, _ = simulation.connect()
    peer.data_received(b"one\ntwo\n")
    peer.data_received(b"three\n")
    assert handled == [b"one"]


def test_several_handlers_of_a_kind_are_called_in_order() -> None:
    simulation = Simulation()
    made, seen = simulation.server, []
    for name in ("a", "b"):
        made.on_connect(lambda peer, name=name: seen.append((name, "connect")))
        made.on_message(lambda message, name=name: seen.append((name, message.payload)))
        made.on_disconnect(lambda peer, reason, name=name: seen.append((name, reason)))
    peer, transport = simulation.connect()
    peer.data_received(b"1\n2\n")
    transport.reset()
    simulation.loop.tick()
    expected: list[object] = [b"1", b"2", CloseReason.RESET]
    assert seen == [(name, what) for what in ["connect", *expected] for name in ("a", "b")]


def test_several_handlers_of_reads_are_called_in_order() -> None:
    simulation = Simulation()
    seen: list[tuple[str, int]] = []
    simulation.server.on_messages(lambda messages: seen.append(("a", len(messages))))
    simulation.server.on_messages(lambda messages: seen.append(("b", len(messages))))
    peer, _ = simulation.connect()
    peer.data_received(b"1\n2\n")
    assert seen == [("a", 2), ("b", 2)]
