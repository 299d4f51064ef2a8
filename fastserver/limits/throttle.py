"""The throttle: keeps peers to their rates by not reading them.

Nothing is lost and nothing is split: a read is passed on whole and paid for afterwards. Who pays is the origin where it
is known, so that many connections, or one after another, bring no more than one does.
"""

from __future__ import annotations

from collections import OrderedDict
from logging import WARNING
from typing import TYPE_CHECKING, Final

from fastserver.fanout.pause import Pause
from fastserver.limits.rate import Bucket
from fastserver.peers.doorway import Doorway

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer
    from fastserver.server import Server

LONGEST: Final = 1.0
"""Seconds after which a peer that waits is looked at: one that is gone is not kept for its debt."""

SHORTEST: Final = 0.001
"""Seconds; the clock of libuv has no finer ones."""

NAMES: Final = ("max_messages_per_second", "max_bytes_per_second")


class Used:
    """How much of the rates, messages and bytes a second, someone has used; None is no limit."""

    __slots__ = ("buckets", "turn")

    def __init__(self, limits: tuple[int | None, int | None], burst: float) -> None:
        self.buckets = tuple([None if limit is None else Bucket(limit, burst) for limit in limits])
        self.turn = 0.0
        """Loop time from which the next that waited may be read: one after another, or all would be read at once."""

    def debt(self, now: float) -> float:
        """How long it will be in debt, seconds."""
        return max([bucket.debt(now) for bucket in self.buckets if bucket is not None])

    def none(self, now: float) -> bool:
        """Whether nothing of the rates is used."""
        return all(bucket is None or bucket.full(now) for bucket in self.buckets)


class Rates:
    """The rates of one server, messages and bytes a second, and how much of them each origin has used."""

    def __init__(self, server: Server) -> None:
        config = server.config
        self._server = server
        self._limits = config.max_messages_per_second, config.max_bytes_per_second
        self._burst = config.burst
        self._origins: OrderedDict[str, Used] = OrderedDict()
        if self._limits != (None, None):
            server.flush.brakes.append(self)

    def __len__(self) -> int:
        """Origins that are remembered."""
        return len(self._origins)

    def watch(self, peer: Peer) -> None:
        """Keep `peer`, which is new, to the rates, if there are any."""
        if self._limits != (None, None):
            peer.throttle = Throttle(self._server, self, peer)
            peer.throttle.begin()

    def after_read(self, peer: Peer, size: int, messages: int) -> None:
        """Pause the reading of `peer`, of which that much was read, if it is over a rate."""
        if peer.throttle is not None:
            peer.throttle.spend(messages, size)

    def new(self) -> Used:
        """What someone has used who is new."""
        return Used(self._limits, self._burst)

    def of(self, origin: str, now: float) -> Used:
        """What `origin` has used. Forgotten are those that have used nothing of late, which is as if they were new: for
        each new one, two old ones are looked at.
        """
        used = self._origins.get(origin)
        if used is None:
            for _ in range(min(2, len(self._origins))):
                oldest, before = self._origins.popitem(last=False)
                if not before.none(now):
                    self._origins[oldest] = before
            used = self._origins[origin] = self.new()
        return used


class Throttle:
    """Keeps `peer` to `rates`: those of its origin, or its own where that is not known."""

    def __init__(self, server: Server, rates: Rates, peer: Peer) -> None:
        self._server = server
        self._rates = rates
        self._peer = peer
        self._own = rates.new() if peer.origin is None else None
        self._said = False
        self._waiting = False
        self._doorway: Doorway | None = None

    @property
    def held(self) -> int:
        """Bytes it sent that it is to be heard with later."""
        return 0 if self._doorway is None else len(self._doorway.held)

    @property
    def shared(self) -> bool:
        """Whether what it owes is owed by all of its origin, and it cannot escape by leaving."""
        return self._own is None

    def begin(self) -> None:
        """It is there; if its origin is in debt, it is not read for now."""
        now = self._server.clock.time()
        if self._used(now).debt(now):
            self._doorway = Doorway(self._peer)
            self._pause()

    def spend(self, messages: int, size: int) -> None:
        """It sent that many messages, and bytes; if that is over a rate, it is not read for a while."""
        now = self._server.clock.time()
        over = ""
        for name, bucket, amount in zip(NAMES, self._used(now).buckets, (messages, size), strict=True):
            if bucket is not None and amount:
                bucket.take(amount, now)
                if bucket.debt(now):
                    over = name
        if over and self._peer.reason is None:
            self._server.peers.throttled[over] += 1
            self._say(over)
            self._pause()

    def _used(self, now: float) -> Used:
        if self._own is not None:
            return self._own
        return self._rates.of(self._peer.origin or "", now)

    def _pause(self) -> None:
        self._peer.pause_reading(Pause.RATE)
        if not self._waiting:
            self._wait()

    def _wait(self) -> None:
        self._waiting = False
        if self._peer.closed or self._peer.reason is not None:
            return
        now = self._server.clock.time()
        used = self._used(now)
        left = max(used.debt(now), used.turn - now)
        if left > 0:
            self._server.clock.call_later(max(SHORTEST, min(LONGEST, left)), self._wait)
            self._waiting = True
            return
        used.turn = now + SHORTEST
        self._peer.resume_reading(Pause.RATE)
        if self._doorway is not None:
            doorway, self._doorway = self._doorway, None
            doorway.let_through()

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
