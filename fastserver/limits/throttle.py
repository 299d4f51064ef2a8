"""The throttle: keeps peers to their rates by pausing their reading.

Nothing is lost and nothing is split: a read is passed on whole and paid for afterwards. The origin pays where it is
known, so that many connections, or one after another, bring no more than one does.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from logging import WARNING
from typing import TYPE_CHECKING, Final

from fastserver.fanout.pause import Pause
from fastserver.limits.rate import Bucket
from fastserver.peers.doorway import Doorway

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.config.config import Config
    from fastserver.fanout.tick import Tick
    from fastserver.log.log import Log
    from fastserver.peers.peer import Peer

MAX_WAIT: Final = 1.0
"""Seconds after which a waiting peer is checked at the latest: one that is gone is not kept until its debt is paid."""

MIN_WAIT: Final = 0.001
"""Seconds; the clock of libuv has no finer ones."""

NAMES: Final = ("max_messages_per_second", "max_bytes_per_second")
"""The settings of the rates, in the order in which buckets stand."""


class Used:
    """The part of the rates, messages and bytes a second, that a peer or origin has used; None is no limit."""

    __slots__ = ("buckets", "turn")

    def __init__(self, limits: tuple[int | None, int | None], burst: float) -> None:
        self.buckets = tuple([None if limit is None else Bucket(limit, burst) for limit in limits])
        self.turn = 0.0
        """Loop time from which the next waiting peer may be read: one after another, or all would be read at once."""

    def debt(self, now: float) -> float:
        """Seconds until the debt is paid, 0 if there is none."""
        return max([bucket.debt(now) for bucket in self.buckets if bucket is not None])

    def is_nothing(self, now: float) -> bool:
        """True if nothing of the rates is used."""
        return all(bucket is None or bucket.full(now) for bucket in self.buckets)


class Rates:
    """The rates of `config`, and how much of them each origin has used: a brake if there are any.

    `throttled` counts how often the reading of a peer was paused, by the name of the setting.
    """

    def __init__(self, config: Config, *, clock: Clock, log: Log, tick: Tick, throttled: Counter[str]) -> None:
        self.clock = clock
        self.log = log
        self.throttled = throttled
        self._limits = config.max_messages_per_second, config.max_bytes_per_second
        self._burst = config.burst
        self._origins: OrderedDict[str, Used] = OrderedDict()
        if self._limits != (None, None):
            tick.brakes.append(self)

    def __len__(self) -> int:
        """Origins that are remembered."""
        return len(self._origins)

    def watch(self, peer: Peer) -> None:
        """Keep `peer`, which has come, to the rates, if there are any."""
        if self._limits != (None, None):
            throttle = Throttle(self, peer)
            peer.throttle = throttle
            throttle.begin()

    def after_read(self, peer: Peer, size: int, messages: int) -> None:
        """Pause the reading of `peer`, of which so many bytes and messages were read, if it is over a rate."""
        if peer.throttle is not None:
            peer.throttle.spend(messages, size)

    def unused(self) -> Used:
        """The account of a peer or origin that has used nothing."""
        return Used(self._limits, self._burst)

    def of(self, origin: str, now: float) -> Used:
        """The account of `origin`. Origins that have used nothing of late are forgotten, which makes no difference: two
        old ones are checked for each new one.
        """
        used = self._origins.get(origin)
        if used is None:
            for _ in range(min(2, len(self._origins))):
                oldest, before = self._origins.popitem(last=False)
                if not before.is_nothing(now):
                    self._origins[oldest] = before
            used = self._origins[origin] = self.unused()
        return used


class Throttle:
    """Keeps `peer` to `rates`: those of its origin, or its own where the origin is not known."""

    def __init__(self, rates: Rates, peer: Peer) -> None:
        self._rates = rates
        self._clock = rates.clock
        self._peer = peer
        self._own = rates.unused() if peer.origin is None else None
        self._logged = False
        self._waiting = False
        self._doorway: Doorway | None = None

    @property
    def held(self) -> int:
        """Bytes that the peer sent and that are passed on later."""
        return 0 if self._doorway is None else len(self._doorway.held)

    @property
    def shared(self) -> bool:
        """True if the whole origin owes what the peer owes, so that it cannot escape by leaving."""
        return self._own is None

    def begin(self) -> None:
        """Pause the reading of the peer, which has come, if its origin is in debt."""
        now = self._clock.time()
        if self._used(now).debt(now):
            self._doorway = Doorway(self._peer)
            self._pause()

    def spend(self, messages: int, size: int) -> None:
        """Take so many messages and bytes off the rates, and pause the reading of the peer if that was too much."""
        now = self._clock.time()
        over = ""
        for name, bucket, amount in zip(NAMES, self._used(now).buckets, (messages, size), strict=True):
            if bucket is not None and amount:
                bucket.take(amount, now)
                if bucket.debt(now):
                    over = name
        if over and self._peer.reason is None:
            self._rates.throttled[over] += 1
            self._log(over)
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
        """Resume the reading of the peer when the debt is paid and it is its turn."""
        self._waiting = False
        if self._peer.closed or self._peer.reason is not None:
            return
        now = self._clock.time()
        used = self._used(now)
        left = max(used.debt(now), used.turn - now)
        if left > 0:
            self._clock.call_later(max(MIN_WAIT, min(MAX_WAIT, left)), self._wait)
            self._waiting = True
            return
        used.turn = now + MIN_WAIT
        self._peer.resume_reading(Pause.RATE)
        if self._doorway is not None:
            doorway, self._doorway = self._doorway, None
            doorway.let_through()

    def _log(self, over: str) -> None:
        """Log once that the peer is over the rate `over`."""
        if not self._logged:
            self._logged = True
            self._rates.log.line(
                WARNING,
                "peer %(id)d %(address)s sends more than %(limit)s allows: reading it slower",
                id=self._peer.id,
                address=self._peer.address,
                limit=over,
            )
