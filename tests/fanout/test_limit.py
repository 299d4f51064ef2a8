"""The limit of how far a peer may be behind: large messages, and when peers are looked at."""

from __future__ import annotations

import pytest

from fastserver.fanout.limit import Limit


class Peer:
    """A peer for which so much is pending."""

    def __init__(self, pending: int, largest: int) -> None:
        self.pending_bytes = pending
        self.largest = largest

    def largest_pending(self) -> int:
        return self.largest


@pytest.mark.parametrize(
    ("pending", "largest", "beyond"),
    [(900, 10, -100), (1100, 10, 100), (1100, 500, 100), (1100, 501, -401), (1600, 501, 99), (5000, 5000, -1000)],
)
def test_one_large_message_may_always_be_pending_whole(pending: int, largest: int, beyond: int) -> None:
    limit = Limit(1000)
    limit.begin()
    limit.flushed(pending, largest)
    assert limit.beyond(Peer(pending, largest)) == beyond


def test_a_peer_is_looked_at_before_it_can_be_over_the_limit() -> None:
    limit = Limit(1000)
    limit.flushed(123_456, 10)
    limit.begin()
    limit.look_at(Peer(400, 10))
    limit.look_at(Peer(700, 10))
    assert not limit.flushed(300, 10)
    assert limit.flushed(1, 10)
    limit.begin_check()
    assert not limit.flushed(1000, 10)
    assert limit.flushed(1, 10)
