"""Peers that only send and peers that only receive."""

from __future__ import annotations

from support.simulation import Simulation

from fastserver import CloseReason
from fastserver.config.listener import Role


def test_sender_is_heard_and_offered_nothing() -> None:
    simulation = Simulation()
    both, received = simulation.connect()
    sender, nothing = simulation.connect(role=Role.SEND)
    sender.data_received(b"from the sender\n")
    both.data_received(b"not for it\n")
    simulation.loop.tick()
    assert received.sent == b"from the sender\n"
    assert nothing.sent == b""
    assert (sender.figures().messages_in, sender.figures().offered_messages) == (1, 0)
    assert [peer.id for peer in simulation.server.everyone.peers] == [both.id]


def test_handlers_cannot_offer_a_sender_anything() -> None:
    simulation = Simulation()
    sender, nothing = simulation.connect(role=Role.SEND)
    assert sender.send(b"for it alone") is False
    channel = simulation.server.channel("some")
    sender.join(channel)
    channel.broadcast(b"for all of them")
    simulation.loop.tick()
    assert not channel.peers
    assert nothing.sent == b""


def test_sender_does_not_hear_itself_though_echo_is_on() -> None:
    simulation = Simulation(echo=True)
    _, received = simulation.connect()
    sender, nothing = simulation.connect(role=Role.SEND)
    sender.data_received(b"hello\n")
    simulation.loop.tick()
    assert (received.sent, nothing.sent) == (b"hello\n", b"")


def test_sender_that_ends_its_stream_is_done() -> None:
    simulation = Simulation()
    _, received = simulation.connect()
    sender, _ = simulation.connect(role=Role.SEND)
    sender.data_received(b"the last line")
    sender.eof_received()
    simulation.loop.tick()
    assert received.sent == b"the last line\n"
    assert sender.closed
    assert sender.reason == CloseReason.EOF


def test_receiver_hears_and_is_not_heard() -> None:
    simulation = Simulation(max_message=10)
    both, nothing = simulation.connect()
    receiver, received = simulation.connect(role=Role.RECEIVE)
    receiver.data_received(b"hello\n" + b"far too long for a line" * 10)
    both.data_received(b"news\n")
    simulation.loop.tick()
    assert nothing.sent == b""
    assert received.sent == b"news\n"
    figures = receiver.figures()
    assert (figures.messages_in, figures.bytes_in, figures.reason) == (0, 236, None)
    receiver.eof_received()
    assert receiver.state == "half-closed"


def test_handlers_do_not_hear_a_receiver() -> None:
    simulation = Simulation()
    heard: list[bytes] = []
    simulation.server.on_message(lambda message: heard.append(message.payload))
    receiver, _ = simulation.connect(role=Role.RECEIVE)
    sender, _ = simulation.connect(role=Role.SEND)
    receiver.data_received(b"no\n")
    sender.data_received(b"yes\n")
    assert heard == [b"yes"]
