"""The relay: messages that go to handlers, or to everyone."""

from __future__ import annotations

from support.simulation import Simulation

from fastserver import Message


def test_without_a_message_handler_messages_are_broadcast_and_with_one_they_are_not() -> None:
    for handled in (False, True):
        simulation = Simulation()
        simulation.server.on_connect(lambda peer: None)
        if handled:
            simulation.server.on_message(lambda message: None)
        (one, _), (_, hearing) = simulation.connect(), simulation.connect()
        one.data_received(b"hello\n")
        simulation.loop.tick()
        assert bytes(hearing.sent) == (b"" if handled else b"hello\n")


def test_broadcast_of_a_message_passes_the_frame_on_as_it_came() -> None:
    for echo in (False, True):
        simulation = Simulation(echo=echo)
        simulation.server.on_message(Message.broadcast)
        (one, own), (_, other) = simulation.connect(), simulation.connect()
        one.data_received(b"with CR\r\nwithout\n")
        simulation.loop.tick()
        assert bytes(other.sent) == b"with CR\r\nwithout\n"
        assert bytes(own.sent) == (b"with CR\r\nwithout\n" if echo else b"")


def test_the_same_frames_of_two_peers_are_not_mixed_up() -> None:
    simulation = Simulation()
    (one, own), (other, others), (_, third) = simulation.connect(), simulation.connect(), simulation.connect()
    frames = b"1\n2\n"
    one.splitter.messages(frames, one)[0].broadcast()
    other.splitter.messages(frames, other)[1].broadcast()
    simulation.loop.tick()
    assert (bytes(own.sent), bytes(others.sent), bytes(third.sent)) == (b"2\n", b"1\n", b"1\n2\n")


def test_one_who_leaves_and_comes_back_does_not_hear_itself() -> None:
    simulation = Simulation()
    (one, own), (_, other) = simulation.connect(), simulation.connect()
    one.leave(simulation.server.everyone)
    one.join(simulation.server.everyone)
    one.data_received(b"hello\n")
    simulation.loop.tick()
    assert (bytes(own.sent), bytes(other.sent)) == (b"", b"hello\n")
