"""Peers that send faster than they may: read slower, and nothing lost."""

from __future__ import annotations

import pytest
from support.simulation import Simulation, Transport

from fastserver import CloseReason
from fastserver.peers.peer import Peer

LINE = b"x" * 9 + b"\n"


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


FAR = "192.0.2.1"


def heard(simulation: Simulation, host: str, seconds: float) -> int:
    """How many messages are heard in that time from one who sends 50 whenever it is read, and connects anew each time
    it is not.
    """
    count = 0
    peer, transport = simulation.connect(host=host)
    for _ in range(round(seconds * 100)):
        if transport.reading:
            peer.data_received(LINE * 50)
            count += 50
        else:
            transport.reset()
            simulation.loop.tick()
            peer, transport = simulation.connect(host=host)
        simulation.loop.advance(0.01)
    transport.reset()
    simulation.loop.tick()
    return count


@pytest.mark.parametrize("host", [FAR, "::ffff:192.0.2.1", "2001:db8::1", "fe80::1%lan"])
def test_coming_again_brings_nothing(host: str) -> None:
    simulation = Simulation(max_messages_per_second=100, log_messages=0)
    assert heard(simulation, host, 10.0) <= 100 * (10 + 1) + 50


def test_connections_of_an_address_share_its_rate() -> None:
    simulation = Simulation(max_messages_per_second=100, max_bytes_per_second=1 << 30, log_messages=0)
    peers = [simulation.connect(host=FAR) for _ in range(10)]
    other, free = simulation.connect(host="192.0.2.2")
    for _ in range(1000):
        for peer, transport in peers:
            if transport.reading:
                peer.data_received(LINE * 5)
        assert free.reading
        if round(simulation.loop.now * 100) % 2:
            other.data_received(LINE)
        simulation.loop.advance(0.01)
    assert 950 <= sum(peer.messages_in for peer, _ in peers) <= 100 * 11 + 10 * 5 + 10 * 5
    assert other.messages_in >= 400


def test_loopback_is_one_address_if_asked_for() -> None:
    for limited in False, True:
        simulation = Simulation(max_messages_per_second=100, limit_loopback=limited, log_messages=0)
        count = heard(simulation, "127.0.0.1", 10.0)
        assert (count <= 1150) is limited


def test_origins_that_paid_are_forgotten() -> None:
    simulation = Simulation(max_messages_per_second=10, log_messages=0)
    for number in range(3000):
        peer, transport = simulation.connect(host=f"10.0.{number // 250}.{number % 250}")
        peer.data_received(LINE)
        transport.reset()
        simulation.loop.tick()
        simulation.loop.advance(0.01)
        assert len(simulation.server.limits.rates) <= 25


def test_who_waits_and_goes_is_not_kept() -> None:
    simulation = Simulation(max_messages_per_second=1, message_timeout=None)
    peer, transport = simulation.connect(host=FAR)
    peer.data_received(LINE * 100_000)
    transport.reset()
    simulation.loop.tick()
    simulation.loop.advance(2.0)
    assert not simulation.loop.waiting
