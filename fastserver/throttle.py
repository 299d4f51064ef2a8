"""The throttle: keeps one peer to its rates by not reading it.

Nothing is lost and nothing is split: a read is passed on whole and paid for afterwards.
"""

from __future__ import annotations

from logging import WARNING
from typing import TYPE_CHECKING, Final

from fastserver.descriptors import broken
from fastserver.pause import Pause
from fastserver.rate import Bucket

if TYPE_CHECKING:
    from fastserver.peer import Peer
    from fastserver.server import Server

LONGEST: Final = 1.0
"""Seconds after which a peer that is not read is looked at: a reset is not noticed without reading."""

SHORTEST: Final = 0.001
"""Seconds; the clock of libuv has no finer ones."""


class Throttle:
    """The rates of `peer`: messages and bytes a second."""

    def __init__(self, server: Server, peer: Peer) -> None:
        self._server = server
        self._peer = peer
        self._said = False
        config = server.config
        self._buckets = [
            None if rate is None else Bucket(rate, config.burst)
            for rate in (config.max_messages_per_second, config.max_bytes_per_second)
        ]

    def spend(self, messages: int, size: int) -> None:
        """It sent that many messages, and bytes; if that is over a rate, it is not read for a while."""
        now = self._server.time()
        over = ""
        names = ("max_messages_per_second", "max_bytes_per_second")
        for name, bucket, amount in zip(names, self._buckets, (messages, size), strict=True):
            if bucket is not None and amount:
                bucket.take(amount, now)
                if bucket.debt(now):
                    over = name
        if over and self._peer.reason is None:
            self._server.peers.throttled[over] += 1
            self._say(over)
            self._peer.pause_reading(Pause.RATE)
            self._wait()

    def _wait(self) -> None:
        now = self._server.time()
        debt = max([bucket.debt(now) for bucket in self._buckets if bucket is not None])
        peer = self._peer
        if peer.closed or peer.reason is not None:
            return
        gone = broken(peer.transport.get_extra_info("socket").fileno())
        if gone:
            peer.throttle = None  # the rest of what it sent is read at once, and then its end
        if gone or not debt:
            peer.resume_reading(Pause.RATE)
        else:
            self._server.call_later(max(SHORTEST, min(LONGEST, debt)), self._wait)

    def _say(self, over: str) -> None:
        if not self._said:
            self._said = True
            self._server.log.line(
                WARNING,
                "peer %(id)d %(address)s sends more than %(limit)s allows: reading it slower",
                id=self._peer.id,
                address=self._peer.address,
                limit=over,
            )
