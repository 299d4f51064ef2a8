"""The parts of a server, and what each of them is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

from fastserver.access.door import Door
from fastserver.clock import Clock
from fastserver.config import parameters
from fastserver.config.config import Config
from fastserver.drain import Drain
from fastserver.fanout.behind import Behind
from fastserver.fanout.channel import Channel
from fastserver.fanout.channels import Channels
from fastserver.fanout.flush import Flush
from fastserver.fanout.route import Route
from fastserver.fanout.tick import Tick
from fastserver.fanout.unraised import Unraised
from fastserver.framing.packer import Packer
from fastserver.framing.registry import translate
from fastserver.handlers.failures import Failures
from fastserver.handlers.handlers import Handlers
from fastserver.handlers.relay import Relay
from fastserver.limits.limits import Limits
from fastserver.listeners.listeners import Listeners
from fastserver.listeners.reception import Reception
from fastserver.log.log import Log
from fastserver.peers.hub import Hub
from fastserver.peers.listening import LocalPeers
from fastserver.peers.peer import Peer
from fastserver.peers.peermap import PeerMap
from fastserver.peers.report import stopped
from fastserver.peers.socketlink import Sockets
from fastserver.peers.unread import Unread


class Assembly:
    """The parts of one server. No part knows the server: each has what it uses."""

    loop: asyncio.AbstractEventLoop
    """The loop that the server runs on, once it has started."""

    def __init__(
        self, config: Config, default: Callable[[Any], Any] | None, ext_hook: Callable[[int, bytes], Any] | None
    ) -> None:
        self.config = config
        self.clock = clock = Clock()
        self.log = log = Log(config.log_messages, clock)
        self.peers = peers = PeerMap(log)
        self.packer = Packer(
            config.framings[0],
            config.max_message,
            parameters.default(config.framings, default),
            config.invalid_text,
        )
        """Puts the values that handlers send into wire form."""
        self.ext_hook: Callable[[int, bytes], Any] | None = parameters.callback("ext_hook", ext_hook)

        # Messages: from peers, through handlers or not, to peers.
        unraised = Unraised(clock)
        behind = Behind[Peer](config.max_pending, unraised)
        self.tick = tick = Tick(
            config.flush_interval,
            config.max_pending,
            delivery=Flush(behind, unraised),
            route=Route(
                partial(translate, limit=config.max_message),
                peers.losses.cannot_translate,
                config.max_pending,
                unraised,
            ),
            behind=behind,
        )
        tick.skips = "skip" in (config.invalid_text, config.oversize) or any(one.skips for one in config.framings)
        tick.answers = any(one.answers for one in config.framings)
        self.failures = Failures(keep=config.handler_errors == "keep", log=log, end=self._begin_stop)
        self.handlers = Handlers(config.max_waiting, self.failures.meet)
        relay = Relay(echo=config.echo, log=log, tick=tick, handlers=self.handlers)

        self.limits = Limits(config, clock=clock, log=log, peers=peers, tick=tick, behind=behind, receive=relay.receive)

        # Peers: how they come and go, and what they share.
        self.unread = Unread(clock)
        self.sockets = Sockets()
        self.listening = LocalPeers()
        self.door = Door(
            config,
            clock=clock,
            log=log,
            peers=peers,
            unread=self.unread,
            watchers=(*self.limits.watchers, relay),
            keepers=(behind, self.unread, *self.limits.keepers),
            greeter=self.handlers,
        )
        self.hub: Hub[Peer] = Hub(
            config=config,
            clock=clock,
            log=log,
            tick=tick,
            behind=behind,
            sockets=self.sockets,
            packer=self.packer,
            ext_hook=self.ext_hook,
            connected=self.door.connected,
            received=relay.receive,
            half_closed=self.door.half_close,
            disconnected=self._disconnected,
            pacing=self.limits.pacing,
            check_memory=self.limits.memory.check,
            slow=self.limits.slow_consumers.lasting,
            unread=self.unread,
            number=peers.number,
            losses=peers.losses,
            listening=self.listening,
        )
        self.everyone: Channel[Peer] = Channel("", self.hub)
        """The channel that every receiving peer is in."""
        self.channels: Channels[Peer] = Channels(self.hub, self.everyone)
        """The other channels by name, as long as someone is in them or holds them; looking makes none."""
        self.hub.channels = self.channels

        # Where peers come from, and the end.
        self.reception = Reception(config, self.hub, self.everyone)
        self.listeners = Listeners(config, self.reception.accept)
        self.drain = Drain(
            config.drain_timeout,
            clock=clock,
            log=log,
            peers=peers,
            handlers=self.handlers,
            door=self.door,
            stop_accepting=self._stop_accepting,
            pass_on_held=self.limits.pacing.deliver_all,
            finish=self._finish,
        )

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Use the time and the timers of `loop`."""
        self.clock.start(loop)
        self.tick.attach(self.clock)
        self.handlers.context = copy_context()
        self.loop = loop

    def detach(self) -> None:
        """Have no loop any more."""
        self.sockets.close()
        self.clock.stop()
        self.tick.attach(self.clock)

    def _begin_stop(self, cause: BaseException) -> None:
        """End the server, since a handler raised `cause`."""
        self.drain.begin(cause)

    def _disconnected(self, peer: Peer) -> None:
        """Forget `peer`, whose connection is gone."""
        self.listening.pop(peer, None)
        self.door.disconnected(peer)

    def _stop_accepting(self) -> None:
        self.listeners.close()
        self.listening.shut = True

    def _finish(self) -> None:
        """Give back what is left when all peers are gone."""
        self.listening.end()
        self.sockets.close()
        self.log.flush()
        stopped(self.peers)
