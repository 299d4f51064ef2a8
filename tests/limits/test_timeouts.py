"""Messages that are not finished, and peers on which nothing moves."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from support.simulation import Simulation, Transport
from support.slow import LIMIT, message

from fastserver import CloseReason
from fastserver.config.listener import Role
from fastserver.peers.peer import Peer


def outlast(simulation: Simulation, peer: Peer, limit: float) -> None:
    """`peer` lives for the limit from now on, and not for a quarter of it longer."""
    simulation.loop.advance(limit * 0.999)
    assert peer.reason is None
    simulation.loop.advance(limit * 0.252)
    assert peer.reason is not None


def test_message_that_is_not_finished() -> None:
    simulation = Simulation(message_timeout=10.0)
    peer, transport = simulation.connect()
    simulation.loop.advance(100.0)
    peer.data_received(b"whole\nbeg")
    outlast(simulation, peer, 10.0)
    assert peer.reason == CloseReason.MESSAGE_TIMEOUT
    peer.eof_received()
    simulation.loop.tick()
    assert simulation.server.peers.reasons == {"message_timeout": 1}
    assert transport.ended


def test_it_does_not_help_to_send_a_byte_now_and_then() -> None:
    simulation = Simulation(message_timeout=10.0)
    peer, _ = simulation.connect()
    for _ in range(13):
        assert peer.reason is None
        peer.data_received(b"x")
        simulation.loop.advance(1.0)
    assert peer.reason == CloseReason.MESSAGE_TIMEOUT


def test_each_message_has_its_own_time() -> None:
    simulation = Simulation(message_timeout=10.0)
    peer, _ = simulation.connect()
    peer.data_received(b"first begun")
    for _ in range(10):
        simulation.loop.advance(9.0)
        peer.data_received(b", done\nnext begun")
    assert peer.reason is None
    outlast(simulation, peer, 10.0)


@pytest.mark.parametrize(
    "move",
    [
        lambda peer, other, _: peer.data_received(b"whole\n"),
        lambda peer, other, _: peer.data_received(b"x"),
        lambda peer, other, _: other.data_received(b"for it\n"),
    ],
    ids=["message", "byte", "delivery"],
)
def test_idle(move: Callable[[Peer, Peer, Transport], None]) -> None:
    simulation = Simulation(idle_timeout=10.0, message_timeout=None)
    peer, transport = simulation.connect()
    other, _ = simulation.connect()
    for _ in range(5):
        simulation.loop.advance(9.9)
        other.data_received(b"part")
        move(peer, other, transport)
        simulation.loop.tick()
    outlast(simulation, peer, 10.0)
    assert peer.reason == CloseReason.IDLE


def test_peer_that_takes_nothing_is_idle_though_it_is_offered_much() -> None:
    simulation = Simulation(idle_timeout=10.0)
    peer, _ = simulation.connect(room=0)
    other, _ = simulation.connect()
    for _ in range(13):
        other.data_received(b"news\n")
        simulation.loop.advance(1.0)
    assert peer.reason == CloseReason.IDLE
    assert other.reason is None


def test_peers_that_only_send() -> None:
    simulation = Simulation(idle_timeout=10.0)
    peer, _ = simulation.connect(role=Role.SEND)
    outlast(simulation, peer, 10.0)


def test_many_peers_are_looked_at_some_at_a_time() -> None:
    simulation = Simulation(idle_timeout=10.0)
    peers = [simulation.connect()[0] for _ in range(2500)]
    simulation.loop.advance(13.0)
    assert {peer.reason for peer in peers} == {CloseReason.IDLE}


def test_no_timer_without_a_limit_or_a_peer() -> None:
    simulation = Simulation(idle_timeout=None, message_timeout=None)
    peer, _ = simulation.connect()
    assert not simulation.loop.waiting
    peer.abort()
    simulation = Simulation(idle_timeout=10.0)
    assert not simulation.loop.waiting
    peer, _ = simulation.connect()
    assert simulation.loop.waiting == 1
    peer.data_received(b"begun")
    assert simulation.loop.waiting == 1
    peer.abort()
    simulation.loop.advance(10.0)
    assert not simulation.loop.waiting


def test_stand_still_while_a_peer_is_not_read() -> None:
    simulation = Simulation(message_timeout=10.0)
    peer, _ = simulation.connect()
    peer.data_received(b"begun")
    peer.pause_reading(1)
    simulation.loop.advance(50.0)
    peer.pause_reading(2)
    simulation.loop.advance(50.0)
    peer.resume_reading(1)
    simulation.loop.advance(50.0)
    peer.resume_reading(2)
    outlast(simulation, peer, 10.0)


def test_slow_after_closes_under_disconnect_what_is_a_quarter_behind_for_so_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    simulation = Simulation(max_pending=LIMIT, slow_after=8.0, log_messages=1, message_timeout=None)
    sender, _ = simulation.connect()
    (slow, _), (better, reading) = simulation.connect(0), simulation.connect(0)
    for number in range(3):
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    simulation.loop.advance(6.0)
    reading.give_room(20_000)
    assert slow.reason is None
    simulation.loop.advance(6.0)
    assert slow.reason == "slow_consumer"
    assert better.reason is None
    assert "has been more than 16384 bytes behind for 8.0 s: closing it" in caplog.text


def test_slow_after_marks_and_logs_once_under_the_others(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation(
        max_pending=LIMIT, slow_after=8.0, slow_consumer="drop-oldest", log_messages=5, message_timeout=None
    )
    sender, _ = simulation.connect()
    slow, reading = simulation.connect(0)
    for number in range(3):
        sender.data_received(message(number, 9990))
        simulation.loop.tick()
    with caplog.at_level(logging.WARNING, "fastserver"):
        simulation.loop.advance(30.0)
        assert slow.reason is None
        assert slow.figures().slow
        reading.give_room(1 << 40)
        simulation.loop.advance(10.0)
    assert caplog.messages == ["peer 2 127.0.0.1:40002 has been more than 16384 bytes behind for 8.0 s"]
    assert not slow.figures().slow
