"""Peers that send faster than they may: read slower, and nothing lost."""

from __future__ import annotations

import pytest
from simulation import Simulation, Transport

from fastserver import CloseReason
from fastserver.peer import Peer

LINE = b"x" * 9 + b"\n"


@pytest.fixture(autouse=True)
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections of a simulation have no descriptors to look at."""
    monkeypatch.setattr("fastserver.throttle.broken", lambda _: False)


def send(peer: Peer, transport: Transport, data: bytes) -> None:
    assert transport.reading
    peer.data_received(data)


def test_messages_in_a_second() -> None:
    simulation = Simulation(max_messages_per_second=10)
    _, received = simulation.connect()
    peer, transport = simulation.connect()
    send(peer, transport, LINE * 10)
    assert transport.reading
    send(peer, transport, LINE * 25)
    assert not transport.reading
    simulation.loop.tick()
    assert received.sent == LINE * 35  # passed on at once, paid for now
    simulation.loop.advance(2.4)
    assert not transport.reading
    simulation.loop.advance(0.11)
    assert transport.reading
    assert simulation.server.peers.throttled == {"max_messages_per_second": 1}


def test_bytes_in_a_second() -> None:
    simulation = Simulation(max_bytes_per_second=1000, burst=2)
    peer, transport = simulation.connect()
    send(peer, transport, b"y" * 2000)
    assert transport.reading
    send(peer, transport, b"y" * 500)
    simulation.loop.advance(0.49)
    assert not transport.reading
    simulation.loop.advance(0.02)
    assert transport.reading
    assert simulation.server.peers.throttled == {"max_bytes_per_second": 1}


def test_rate_over_a_long_time() -> None:
    """A peer that sends whenever it is read gets its burst, its rate, and one read more."""
    simulation = Simulation(max_messages_per_second=100, max_bytes_per_second=1 << 30)
    peer, transport = simulation.connect()
    for _ in range(10_000):
        if transport.reading:
            peer.data_received(LINE * 7)
        simulation.loop.advance(0.001)
    assert 1090 <= peer.messages_in <= 1107
    assert peer.reason is None


def test_quiet_peers_are_not_slowed() -> None:
    simulation = Simulation(max_messages_per_second=10)
    peer, transport = simulation.connect()
    for _ in range(100):
        send(peer, transport, LINE)
        simulation.loop.advance(0.11)
    assert transport.reading
    assert not simulation.server.peers.throttled


def test_reset_is_noticed_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(max_messages_per_second=1)
    peer, transport = simulation.connect()
    send(peer, transport, LINE * 1000)
    monkeypatch.setattr("fastserver.throttle.broken", lambda _: True)
    simulation.loop.advance(1.0)
    send(peer, transport, LINE * 1000)  # what had arrived before is read to its end
    assert transport.reading
    assert peer.messages_in == 2000


def test_peer_that_is_closed_while_it_waits_is_read_on() -> None:
    simulation = Simulation(max_messages_per_second=1)
    peer, transport = simulation.connect()
    send(peer, transport, LINE * 1000)
    peer.close()
    assert transport.reading
    peer.data_received(LINE)
    peer.eof_received()
    simulation.loop.advance(5.0)
    assert peer.reason == CloseReason.KICKED
    assert peer.closed


def test_handler_that_closes_its_peer_leaves_it_read() -> None:
    simulation = Simulation(max_messages_per_second=1)
    simulation.server.on_message(lambda message: message.peer.close())
    peer, transport = simulation.connect()
    peer.data_received(LINE * 5)
    assert transport.reading


def test_timeouts_stand_still_meanwhile() -> None:
    simulation = Simulation(max_messages_per_second=1, message_timeout=10.0, idle_timeout=10.0)
    peer, transport = simulation.connect()
    send(peer, transport, LINE * 101 + b"begun")
    simulation.loop.advance(100.1)
    assert transport.reading
    assert peer.reason is None
    simulation.loop.advance(9.0)
    assert peer.reason is None
    simulation.loop.advance(4.0)
    assert peer.reason == CloseReason.MESSAGE_TIMEOUT
