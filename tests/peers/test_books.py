"""The books of a peer: what it was offered is delivered, pending or dropped, and costs nothing while it keeps up."""

from __future__ import annotations

import pytest
from support.simulation import Simulation

from fastserver.peers import books


def test_a_peer_that_keeps_up_has_no_books_of_its_own() -> None:
    simulation = Simulation(log_messages=0)
    (sender, _), (peer, transport) = simulation.connect(), simulation.connect()
    sender.data_received(b"one\ntwo\n")
    simulation.loop.tick()
    assert peer.past is books.NOTHING
    assert peer.offered() == (2, 8)
    assert peer.delivered_bytes == len(transport.sent) == 8
    assert peer.dropped == peer.pending() == (0, 0)


def test_what_is_booked_for_one_is_not_booked_for_another() -> None:
    simulation = Simulation(log_messages=0)
    (one, _), (other, _) = simulation.connect(), simulation.connect()
    one.offer(3, 30)
    one.skip(1, 10)
    one.lose(2, 20)
    assert one.offered() == (5, 50)
    assert one.dropped == (3, 30)
    assert one.past.skipped == 1
    assert other.offered() == other.dropped == (0, 0)
    assert books.NOTHING.offered == books.NOTHING.dropped == (0, 0)


@pytest.mark.parametrize(
    ("size", "lost"), [(0, (0, 0)), (1, (1, 1)), (10, (1, 10)), (11, (2, 11)), (40, (4, 40)), (99, (4, 40))]
)
def test_what_was_never_acknowledged_is_counted_in_messages_of_mean_size(size: int, lost: books.Amount) -> None:
    simulation = Simulation(log_messages=0)
    peer, _ = simulation.connect()
    for _ in range(4):
        simulation.server.everyone.broadcast(b"123456789")
    simulation.loop.tick()
    assert books.undelivered(peer, peer.pending(), size) == lost
