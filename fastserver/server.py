"""The server: its parts, its life from start to stop, and its handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import partial
from logging import WARNING
from typing import Any

from fastserver.access.door import Door
from fastserver.clock import Clock
from fastserver.compiled import COMPILED
from fastserver.config import parameters
from fastserver.config.config import Config
from fastserver.config.listener import Listener
from fastserver.drain import Drain
from fastserver.errors import CloseReason
from fastserver.fanout.channel import Channel
from fastserver.fanout.channels import Channels
from fastserver.fanout.flush import Flush
from fastserver.framing import FRAMINGS, Framing
from fastserver.framing.discard import DISCARD
from fastserver.framing.packer import Packer
from fastserver.framing.translation import translate
from fastserver.handlers.decorators import Decorators
from fastserver.handlers.failures import Failures
from fastserver.handlers.handlers import Handlers
from fastserver.handlers.relay import Relay
from fastserver.limits.limits import Limits
from fastserver.listeners.announcement import listening
from fastserver.listeners.listeners import Listeners
from fastserver.listeners.options import accepted
from fastserver.log.log import Log
from fastserver.peers.hub import Hub
from fastserver.peers.listening import Listening, Pipe
from fastserver.peers.peer import Peer
from fastserver.peers.peermap import PeerMap
from fastserver.peers.report import report, stopped
from fastserver.peers.socketlink import Sockets
from fastserver.peers.unread import Unread


class Server(Decorators):
    """Passes every message to everyone connected.

    `async with Server(config):` serves until the block ends; `await serve()` until it is stopped or
    cancelled; `run()` does so with an event loop, signals and logging of its own.

    `default` is for `msgpack.packb`: it turns a value that cannot be packed into one that can. `ext_hook` is for
    `msgpack.unpackb`: it makes the value of an extension type, in `message.value`, of its code and data.
    """

    loop: asyncio.AbstractEventLoop
    """The loop that it runs on, once it has started."""

    def __init__(
        self,
        config: Config | None = None,
        *,
        default: Callable[[Any], Any] | None = None,
        ext_hook: Callable[[int, bytes], Any] | None = None,
    ) -> None:
        self.config = config = Config() if config is None else config
        self.clock = clock = Clock()
        self.log = log = Log(config.log_messages, clock)
        self.peers = peers = PeerMap()
        self.packer = Packer(
            FRAMINGS[config.mode],
            config.max_message,
            parameters.default([FRAMINGS[mode] for mode in config.modes], default),
            config.invalid_text,
        )
        """Puts the values that handlers send into wire form."""
        self.ext_hook: Callable[[int, bytes], Any] | None = parameters.callback("ext_hook", ext_hook)
        self.listening: dict[Peer, Pipe] = {}
        """The peers that are no connections, but listen in this process."""
        self._started = False

        # Messages: from peers, through handlers or not, to peers.
        self.flush = flush = Flush(
            config.max_pending,
            config.flush_interval,
            translate=partial(translate, limit=config.max_message),
            lost=self._lost,
        )
        flush.skips = config.invalid_text == "skip"
        self._failures = Failures(keep=config.handler_errors == "keep", log=log, end=self._begin_stop)
        self.handlers = Handlers(config.max_waiting, self._failures.meet)
        super().__init__(self.handlers)
        relay = Relay(echo=config.echo, log=log, flush=flush, handlers=self.handlers)

        self.limits = Limits(config, clock=clock, log=log, peers=peers, flush=flush, receive=relay.receive)

        # Peers: how they come and go, and what they share.
        self.unread = Unread(clock)
        self.sockets = Sockets()
        self.door = Door(
            config,
            clock=clock,
            log=log,
            peers=peers,
            unread=self.unread,
            watchers=(*self.limits.watchers, relay),
            keepers=(flush, self.unread, *self.limits.keepers),
            greeter=self.handlers,
        )
        self.hub: Hub[Peer] = Hub(
            config=config,
            clock=clock,
            log=log,
            flush=flush,
            sockets=self.sockets,
            packer=self.packer,
            ext_hook=self.ext_hook,
            call_threadsafe=self.call_threadsafe,
            connected=self.door.connected,
            received=relay.receive,
            half_closed=self.door.half_close,
            disconnected=self._disconnected,
            pacing=self.limits.pacing,
            take=self.limits.slow_consumers.take,
            check_memory=self.limits.memory.check,
            slow=self.limits.slow_consumers.lasting,
            unread=self.unread,
            number=peers.number,
            skipped=peers.skipped,
            untranslatable=peers.untranslatable,
            listening=self.listening,
            listen=self._listen,
        )
        self.everyone = self.hub.everyone = Channel("", self.hub)
        """The channel that every receiving peer is in."""
        self.channels: Channels[Peer] = Channels(self.hub, self.everyone)
        """The other channels by name, as long as someone is in them or holds them; looking makes none."""
        self.hub.channels = self.channels

        # Where peers come from, and the end.
        self.listeners = Listeners()
        self._drain = Drain(
            config.drain_timeout,
            clock=clock,
            log=log,
            peers=peers,
            handlers=self.handlers,
            door=self.door,
            stop_accepting=self.listeners.close,
            pass_on_held=self.limits.pacing.deliver_all,
            finish=self._finish,
        )

    @property
    def handler_failures(self) -> int:
        """Exceptions that handlers raised."""
        return self._failures.count

    @property
    def addresses(self) -> list[str]:
        """Where it listens, as text: `127.0.0.1:3000`, `unix:/run/feed.sock`."""
        return [address for address, _ in self.listeners.open_at]

    def time(self) -> float:
        """The loop's time, seconds. Raises RuntimeError before the start."""
        return self.clock.time()

    # Life.

    async def start(self) -> None:
        """Listen and accept. Raises `ListenError`, and may then be called again."""
        self._check_new()
        self._started = self.handlers.frozen = True
        self.attach(asyncio.get_running_loop())
        self.door.open()
        if not COMPILED:
            self.log.line(WARNING, "no compiled splitters: running on the slower pure-Python ones")
        try:
            self.sockets.open(self.loop)
            await self.listeners.open(self.config.listeners, accepted(self.config), self.accept)
        except BaseException:
            self._started = self.handlers.frozen = False
            self.sockets.close()
            self.clock.stop()
            self.flush.attach(self.clock)
            raise
        listening(self.listeners.open_at)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Use the time and the timers of `loop`."""
        self.clock.start(loop)
        self.flush.attach(self.clock)
        self.handlers.context = copy_context()
        self.loop = loop

    async def stop(self) -> None:
        """Stop accepting and receiving, let every peer take what is pending for at most the drain timeout, and return
        when all are gone. Does nothing before the start.

        Can be called several times and from anywhere. If the caller is cancelled, the stop goes on. A handler that
        awaits it goes on when all peers are gone and all other handlers have ended.
        """
        if self._started and not self._drain.over:
            self._drain.begin()
            await self._drain.done()

    def abort(self) -> None:
        """Close every connection at once; what is pending is dropped, and handlers are cancelled."""
        for peer in self.peers:
            peer.abort(CloseReason.SHUTDOWN)
        self.handlers.cancel()

    def report(self) -> None:
        """Write the totals and the peers furthest behind to the log."""
        report(self.peers, self.clock)

    async def serve(self) -> None:
        """Start, and serve until stopped or cancelled. Raises `ListenError`, and what `stopped` raises."""
        async with self:
            await self.stopped()

    async def stopped(self) -> None:
        """Return when the server has stopped, its last peer is gone and the last handler has ended.

        Raises `SystemExit` or `KeyboardInterrupt` if that is why: a handler raised it.
        """
        await self._drain.wait()

    def run(self, *, logging: bool = True) -> None:
        """Serve with an event loop and signal handlers of its own, until SIGINT, SIGTERM or SIGHUP, and with a log
        to standard error unless `logging` is false.

        Raises `ListenError`, what `stopped` raises, and RuntimeError in a running loop, outside the main thread, or
        for a server that was started before.
        """
        from fastserver.process.run import run

        self._check_new()
        run(self, log=logging)

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # Channels and messages.

    def channel(self, name: str) -> Channel[Peer]:
        """The channel of that name. It lasts while someone is in it, or holds it."""
        return self.channels.make(name)

    def send_to(self, ids: Iterable[int], value: Any) -> int:
        """Send one message to each of the peers of these ids; the number of them that are there and receive.

        Raises `TypeError` or `ValueError` for a value that cannot be a message, TypeError for an id that is no number.
        """
        wanted = dict.fromkeys(ids)
        for id in wanted:
            if not isinstance(id, int):
                raise TypeError(f"a peer's id is a whole number, not {type(id).__name__}")
        peers = [self.peers[id] for id in wanted if id in self.peers]
        framings = {peer.framing for peer in peers} or {self.packer.framing}
        frames = {framing: self.packer.frame(value, framing) for framing in framings}
        return sum([peer.send_frame(frames[peer.framing]) for peer in peers])

    def call_threadsafe(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have the server's loop call `call`; for use in other threads."""
        if not self._started:
            raise RuntimeError("the server has not started")
        self.loop.call_soon_threadsafe(call, *arguments)

    # From the listeners and the peers.

    def accept(self, listener: Listener) -> Peer:
        """A peer for the next connection to `listener`."""
        framing, config = FRAMINGS[listener.mode], self.config
        splitter = framing.splitter(config.max_message, config.invalid_text) if listener.role.sends else DISCARD
        peer = Peer(self.hub, framing, splitter, listener.role)
        if listener.path is not None:
            peer.address = f"unix:{listener.path}"
        return peer

    def _listen(self, channel: Channel[Peer]) -> Listening:
        if not self._started or self._drain.begun:
            raise RuntimeError("the server is stopping" if self._started else "the server has not started")
        return Listening(self.hub, channel)

    def _lost(self, number: int, framing: Framing, messages: int) -> None:
        """Count, and log, that so many messages of a peer, by its id, cannot be put into `framing`."""
        self.peers.untranslatable[number] += messages
        self.log.line(
            WARNING,
            "peer %(id)d sent what cannot be put into %(mode)s: %(messages)d messages are lost for those peers",
            id=number,
            mode=framing.name,
            messages=messages,
        )

    def _check_new(self) -> None:
        if self._started:
            raise RuntimeError("a server starts once; make another")

    def _begin_stop(self, cause: BaseException) -> None:
        """End the server, since a handler raised `cause`."""
        self._drain.begin(cause)

    def _finish(self) -> None:
        """Give back what is left when all peers are gone."""
        for peer, pipe in [*self.listening.items()]:
            pipe.widen()  # whoever listens may take the rest when it likes
            peer.close(CloseReason.SHUTDOWN)
        self.sockets.close()
        self.log.flush()
        stopped(self.peers)

    def _disconnected(self, peer: Peer) -> None:
        """Forget `peer`, whose connection is gone."""
        self.listening.pop(peer, None)
        self.door.disconnected(peer)
