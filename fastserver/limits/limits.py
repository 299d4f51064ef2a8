"""All limits of one server: each part that keeps peers from costing too much, given what it uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastserver.limits.heartbeat import Heartbeat
from fastserver.limits.memory import Memory
from fastserver.limits.pacing import Pacing
from fastserver.limits.slowconsumer import SlowConsumers
from fastserver.limits.throttle import Rates
from fastserver.limits.timeouts import Timeouts
from fastserver.limits.vanished import Vanished

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.config.config import Config
    from fastserver.fanout.behind import Behind
    from fastserver.fanout.tick import Tick
    from fastserver.log.log import Log
    from fastserver.peers.peer import Peer
    from fastserver.peers.peermap import PeerMap


class Limits:
    """The limits of `config`. `receive` takes frames (complete, so many messages) of a peer that pacing lets pass."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        log: Log,
        peers: PeerMap,
        tick: Tick,
        behind: Behind[Peer],
        receive: Callable[[Peer, bytes, int], object],
    ) -> None:
        self.pacing = Pacing(config, clock=clock, log=log, tick=tick, receive=receive)
        self.slow_consumers = SlowConsumers(config, clock=clock, log=log, tick=tick, behind=behind)
        moves = self.pacing.readers.is_moving
        self.memory = Memory(
            config.max_memory, clock=clock, log=log, peers=peers, tick=tick, behind=behind, moves=moves
        )
        self.timeouts = Timeouts(config, clock=clock, peers=peers, slow_consumers=self.slow_consumers)
        self.heartbeat = Heartbeat(config, clock=clock, peers=peers)
        self.vanished = Vanished(config.tcp_user_timeout, clock=clock, log=log, peers=peers)
        self.rates = Rates(config, clock=clock, log=log, tick=tick, throttled=peers.throttled)
        self.watchers = (self.timeouts, self.heartbeat, self.vanished, self.rates)
        """The parts that watch peers from when they come (see `fastserver.access.door`)."""
        self.keepers = (self.slow_consumers, self.timeouts, self.heartbeat, self.vanished, self.memory)
        """The parts that keep something of peers until they are gone."""
        behind.govern(policy=self.slow_consumers, memory=self.memory, pacing=self.pacing)
