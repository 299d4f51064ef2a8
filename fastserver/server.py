"""The server: its listeners, its peers, its life from start to drain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextvars import copy_context
from logging import INFO, WARNING
from typing import Any, TypeVar

from fastserver.access import descriptors
from fastserver.access.admission import Admission
from fastserver.access.halfclosed import HalfClosed
from fastserver.clock import Clock
from fastserver.compiled import COMPILED
from fastserver.config import parameters
from fastserver.config.config import Config
from fastserver.config.hostport import host_of, show_address
from fastserver.config.listener import Listener, Role
from fastserver.errors import CloseReason
from fastserver.fanout.channel import Channel
from fastserver.fanout.channels import Channels
from fastserver.fanout.flush import Flush
from fastserver.framing import FRAMINGS, Splitter
from fastserver.framing.arguments import UNLIMITED
from fastserver.framing.discard import DISCARD
from fastserver.handlers.handlers import KINDS, Handlers, OnConnect, OnDisconnect, OnError, OnMessage, OnMessages
from fastserver.handlers.inbox import HANDLING
from fastserver.limits.heartbeat import Heartbeat
from fastserver.limits.memory import Memory
from fastserver.limits.pacing import Pacing
from fastserver.limits.slowconsumer import SlowConsumers
from fastserver.limits.throttle import Rates
from fastserver.limits.timeouts import Timeouts
from fastserver.limits.vanished import Vanished
from fastserver.listeners.announcement import listening
from fastserver.listeners.listeners import Listeners
from fastserver.listeners.options import accepted
from fastserver.log.log import Log, summary
from fastserver.once import Once
from fastserver.peers.figures import Figures
from fastserver.peers.hub import Hub
from fastserver.peers.link import SocketLink
from fastserver.peers.listening import Pipe
from fastserver.peers.peer import CLOSE_TIMEOUT, Peer
from fastserver.peers.peermap import PeerMap
from fastserver.peers.report import report, skipped, stopped
from fastserver.peers.unread import Unread

M = TypeVar("M", bound=OnMessage)
L = TypeVar("L", bound=OnMessages)
C = TypeVar("C", bound=OnConnect)
D = TypeVar("D", bound=OnDisconnect)
E = TypeVar("E", bound=OnError)


class Server:
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
        for kind in KINDS:
            if getattr(type(self), f"on_{kind}") is not getattr(Server, f"on_{kind}"):
                raise TypeError(
                    f"{type(self).__name__} must not define on_{kind}, which names handlers and is none: in __init__, "
                    f"after super().__init__(…), call self.on_{kind}(…) with a method of another name"
                )
        self.config = Config() if config is None else config
        self.clock = Clock()
        self.log = Log(self.config.log_messages, self.clock)
        self.peers = PeerMap()
        self.listeners = Listeners()
        self.everyone = Channel("", self)
        """The channel that every peer is in."""
        self.channels = Channels(self)
        """The other channels by name, as long as someone is in them or holds them; looking makes none."""
        self.framing = FRAMINGS[self.config.mode]
        self.framer = self.splitter()
        """Frames what is sent."""
        self._default = parameters.default(self.framing, default)
        self.ext_hook: Callable[[int, bytes], Any] | None = parameters.callback("ext_hook", ext_hook)
        config, clock, log, peers = self.config, self.clock, self.log, self.peers
        self.flush = flush = Flush(config.max_pending, self.resplitter, config.flush_interval)
        self.pacing = Pacing(config, clock=clock, log=log, flush=flush, receive=self.receive, splitter=self.resplitter)
        self.slow_consumers = SlowConsumers(config, clock=clock, log=log, flush=flush)
        self.memory = Memory(
            config.max_memory, clock=clock, log=log, peers=peers, flush=flush, moves=self.pacing.readers.is_moving
        )
        flush.govern(policy=self.slow_consumers, memory=self.memory, pacing=self.pacing)
        self.flush.skips = self.config.invalid_text == "skip"
        self.link = SocketLink()
        self.handlers = Handlers(self.config.max_waiting, self._handler_failed)
        self.handler_failures = 0
        """Exceptions that handlers raised."""
        self.listening: dict[Peer, Pipe] = {}
        """The peers that are no connections: who listens in this process."""
        self.admission = Admission(self.config)
        self.timeouts = Timeouts(config, clock=clock, peers=peers, slow_consumers=self.slow_consumers)
        self.heartbeat = Heartbeat(config, self.framing, clock=clock, peers=peers)
        self.vanished = Vanished(config.tcp_user_timeout, clock=clock, log=log, peers=peers)
        self.unread = Unread(self.clock)
        self.rates = Rates(config, clock=clock, log=log, flush=flush, throttled=peers.throttled)
        self._half_closed = HalfClosed()
        self.hub: Hub[Peer] = Hub(
            config=self.config,
            clock=self.clock,
            log=self.log,
            flush=self.flush,
            channels=self.channels,
            everyone=self.everyone,
            link=self.link,
            framing=self.framing,
            splitter=self.resplitter,
            frame=self.frame,
            frame_packed=self.frame_packed,
            ext_hook=self.ext_hook,
            call_threadsafe=self.call_threadsafe,
            connected=self.connected,
            received=self.receive,
            relay=self.relay_message,
            half_closed=self.half_closed,
            disconnected=self.disconnected,
            pacing=self.pacing,
            take=self.slow_consumers.take,
            check_memory=self.memory.check,
            slow=self.slow_consumers.lasting,
            unread=self.unread,
            number=self.peers.number,
            skipped=self.peers.skipped,
            listening=self.listening,
        )
        self._ceiling = descriptors.ceiling()
        self._refused = 0
        self._started = False
        self._stopping = False
        self._drain_until = 0.0
        self._drain = Once(self._drain_peers)
        self._stop = Once(self._stop_whole)
        self._waiting = 0  # for the stop, and told why it was
        self._exit: BaseException | None = None
        self._emptied = asyncio.Event()
        self._stopped = asyncio.Event()

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
        self._started = self.handlers.settled = True
        self.attach(asyncio.get_running_loop())
        self._ceiling = descriptors.ceiling()
        if not COMPILED:
            self.log.line(WARNING, "no compiled splitters: running on the slower pure-Python ones")
        try:
            self.link.open(self.loop)
            await self.listeners.open(self.config.listeners, accepted(self.config), self.accept)
        except BaseException:
            self._started = self.handlers.settled = False
            self.link.close()
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
        """Stop accepting and hearing, let every peer take what is pending for at most the drain timeout,
        and return when all are gone. Nothing to do for one that was not started.

        Can be called several times and from anywhere. Who is cancelled while waiting only waits no more: the stop
        goes on. A handler that waits for it is itself waited for last: it goes on when all peers are gone and all
        other handlers have ended.
        """
        if not self._started or self._stopped.is_set():
            return
        self._begin_stop()
        inbox = HANDLING.get(None)
        if inbox is not None and inbox.handlers is self.handlers:
            self.handlers.stops(inbox)
            await self._drain.done()
        else:
            await self._stop.done()

    def _begin_stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._drain_until = self.clock.time() + self.config.drain_timeout
            if self.peers:
                self.log.line(
                    INFO,
                    "draining %(peers)d peers, at most %(timeout)g s",
                    peers=len(self.peers),
                    timeout=self.config.drain_timeout,
                )
            self.listeners.close()
            for peer in self.peers:
                peer.deafen(CloseReason.SHUTDOWN)
            self.pacing.deliver_all()
        self._stop.begin()

    async def _stop_whole(self) -> None:
        await self._drain.done()
        # Disconnect handlers have a moment even where peers took all the time.
        await self._end_handlers(max(self._drain_until, self.clock.time() + CLOSE_TIMEOUT))
        for peer, pipe in [*self.listening.items()]:
            pipe.widen()  # whoever listens may take the rest when it likes
            peer.close(CloseReason.SHUTDOWN)
        self.link.close()
        self.log.flush()
        stopped(self.peers)
        self._stopped.set()
        if self._exit is not None and not self._waiting:
            self.loop.call_soon(_raise, self._exit)

    async def _drain_peers(self) -> None:
        await self._end_handlers(self._drain_until)
        for peer in self.peers:
            try:
                peer.close(CloseReason.SHUTDOWN, max(0.0, self._drain_until - self.clock.time()))
            except Exception as error:  # the others are to be closed all the same
                self.log.failure("closing peer %(id)d failed: %(error)s", error, id=peer.id)
                peer.abort(CloseReason.SHUTDOWN)
        while self.peers:
            self._emptied.clear()
            await self._emptied.wait()
        await self._end_handlers(max(self._drain_until, self.clock.time() + CLOSE_TIMEOUT))
        self.handlers.stopping.clear()

    async def _end_handlers(self, deadline: float) -> None:
        """Wait for async handlers until `deadline` (loop time); those that take longer are cancelled."""
        if await self.handlers.done(max(0.0, deadline - self.clock.time())):
            return
        self.handlers.cancel()
        if not await self.handlers.done(CLOSE_TIMEOUT):
            self.log.line(WARNING, "handlers go on although they were cancelled: not waiting for them")
            self.handlers.give_up()

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
        self._waiting += 1
        try:
            await self._stopped.wait()
        finally:
            self._waiting -= 1
        if self._exit is not None:
            raise self._exit

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

    # For your own handlers.

    def on_message(self, handler: M) -> M:
        """Call `handler(message)` for each message, which is then broadcast only if the handler does it.

        Decorator; so are the other four. Handlers are plain functions (the fast path) or coroutine functions; several
        for the same are called in the order in which they were named. Raises RuntimeError after the start, TypeError
        for what is no function that does something when it is called, ValueError if there are `on_messages` handlers.
        """
        self.handlers.add("message", handler)
        return handler

    def on_messages(self, handler: L) -> L:
        """Call `handler(messages)` with those of one read, a sequence of at most 500, instead of one by one."""
        self.handlers.add("messages", handler)
        return handler

    def on_connect(self, handler: C) -> C:
        """Call `handler(peer)` before the first message of a peer is handled."""
        self.handlers.add("connect", handler)
        return handler

    def on_disconnect(self, handler: D) -> D:
        """Call `handler(peer, reason)` after the last; the reason is a `CloseReason`."""
        self.handlers.add("disconnect", handler)
        return handler

    def on_error(self, handler: E) -> E:
        """Call `handler(peer, error)` when another handler raised `error`, after that is logged and counted."""
        self.handlers.add("error", handler)
        return handler

    def channel(self, name: str) -> Channel:
        """The channel of that name. It lasts while someone is in it, or holds it."""
        return self.channels.make(name)

    def send_to(self, ids: Iterable[int], value: Any) -> int:
        """Send one message to each of the peers of these ids; how many of them are there, and hear.

        Raises `TypeError` or `ValueError` for what cannot be a message, TypeError for what is no id.
        """
        frame = self.frame(value)
        wanted = dict.fromkeys(ids)
        for id in wanted:
            if not isinstance(id, int):
                raise TypeError(f"a peer's id is a whole number, not {type(id).__name__}")
        return sum([self.peers[id]._send(frame) for id in wanted if id in self.peers])

    def frame(self, value: Any) -> bytes:
        """`value` in wire form: bytes-like in lines mode, any packable value in the msgpack modes.

        Raises `TypeError` or `ValueError` for what cannot be a message.
        """
        return self.frame_packed(self.framing.pack(value, self._default))

    def frame_packed(self, payload: bytes) -> bytes:
        """`payload` in wire form. Raises as `frame` does."""
        return self.framer.frame(payload)

    def call_threadsafe(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have the server's loop call `call`; for use in other threads."""
        if not self._started:
            raise RuntimeError("the server has not started")
        self.loop.call_soon_threadsafe(call, *arguments)

    # From the listeners and the peers.

    def splitter(self) -> Splitter:
        """A splitter for one more stream of a peer."""
        return self.framing.splitter(self.config.max_message, self.config.invalid_text)

    def resplitter(self) -> Splitter:
        """A splitter for frames we have: the limit of the peers is not for them, some are notices of our own."""
        return self.framing.splitter(UNLIMITED, "pass")

    def accept(self, listener: Listener) -> Peer:
        """A peer for the next connection to `listener`."""
        peer = Peer(self.hub, self.splitter() if listener.role.sends else DISCARD, listener.role)
        if listener.path is not None:
            peer.address = f"unix:{listener.path}"
        return peer

    def connected(self, peer: Peer) -> None:
        """`peer` was accepted: let it in, unless a limit says no, or we are stopping."""
        transport = peer.transport
        name = transport.get_extra_info("peername")
        host = None
        if isinstance(name, tuple):
            host = host_of(name)
            peer.address = show_address(name)
        peer.descriptor = self.link.descriptor(transport)
        if self.config.send_buffer is not None and not isinstance(name, tuple):
            self.link.limit(peer, self.config.send_buffer)  # TCP has it from the listener
        if self._stopping:
            peer.abort(CloseReason.SHUTDOWN)
            return
        now = self.clock.time()
        reason = self.admission.refusal(peer, host, len(self.peers), now)
        if reason is not None and not self._take_place(peer, reason):
            self._refuse(peer, reason)
            return
        full = transport.get_extra_info("socket").fileno() >= self._ceiling
        if full and not self._make_room(CloseReason.DESCRIPTORS):
            self._refuse(peer, CloseReason.DESCRIPTORS)
            return
        if self._refused:
            self.log.line(WARNING, "accepting again; %(refused)d peers were refused", refused=self._refused)
            self._refused = 0
        self.admission.admitted(peer, now)
        self.flush.relaying = None if self.handlers.hear or self.config.echo else self.everyone
        self.flush.shown = self.log.shows_messages  # so another level of the log counts from the next connection on
        self.peers.add(peer)
        self.timeouts.watch(peer)
        self.heartbeat.watch(peer)
        self.vanished.watch(peer)
        self.rates.watch(peer)
        if peer.role.receives:
            peer.add(self.everyone)
        kind = "peer %(id)d %(address)s connected" + _role(peer.role)
        self.log.line(INFO, kind, id=peer.id, address=peer.address, role=peer.role)
        self.handlers.connected(peer)

    def receive(self, peer: Peer, frames: bytes, messages: int) -> None:
        """`peer` sent `frames`, complete, that many messages."""
        self.log.messages(peer.id, peer.address, self.framing, frames, messages)
        if self.handlers.hear:
            self.handlers.received(peer, frames, messages)
        else:
            self.relay(peer, frames, messages)

    def relay(self, peer: Peer, frames: bytes, messages: int) -> None:
        """Pass on what `peer` sent to everyone else, or to everyone if they want the echo."""
        self.flush.publish(self.everyone, None if self.config.echo else peer.member, frames, messages)

    def relay_message(self, peer: Peer, frames: bytes, start: int, end: int) -> None:
        """`relay` one message of `peer`, `frames[start:end]`."""
        self.flush.relay(self.everyone, None if self.config.echo else peer.member, frames, start, end)

    def half_closed(self, peer: Peer) -> None:
        """`peer` ended its stream; it may go on receiving for a while, if it does."""
        if not peer.role.receives:
            peer.close(CloseReason.EOF)
            return
        self._half_closed.add(peer)
        self.unread.add(peer)
        peer.expire(self.config.half_close_timeout)

    def disconnected(self, peer: Peer) -> None:
        """`peer`'s connection is gone: it is off all books, also where something fails on the way."""
        was_in = peer.id in self.peers
        self.listening.pop(peer, None)
        try:
            for forget in (
                self.flush.forget,
                Peer.leave_all,
                self._half_closed.forget,
                self.unread.forget,
                self.slow_consumers.forget,
                self.timeouts.forget,
                self.heartbeat.forget,
                self.vanished.forget,
                self.memory.forget,
            ):
                self._whatever_happens(forget, peer)
            if was_in:
                self._whatever_happens(self.admission.parted, peer)
                self._whatever_happens(self._parted, peer)
        finally:
            if was_in and not self.peers:
                self._emptied.set()

    # Its own.

    def _parted(self, peer: Peer) -> None:
        try:
            figures = self.peers.remove(peer)
            self._say_parted(figures)
        finally:
            self.handlers.disconnected(peer)

    def _say_parted(self, figures: Figures) -> None:
        self.log.line(
            INFO,
            "peer %(id)d %(address)s disconnected: %(reason)s; %(messages_in)d messages (%(bytes_in)d bytes) in, "
            "%(messages_out)d messages (%(bytes_out)d bytes) out, %(dropped_messages)d messages dropped"
            + skipped(figures),
            **figures.fields(),
        )

    def _whatever_happens(self, call: Callable[[Peer], object], peer: Peer) -> None:
        """`call(peer)`; what it raises is logged, and keeps nobody else from what is due for `peer`."""
        try:
            call(peer)
        except Exception as error:
            self.log.failure(
                "failed while peer %(id)d %(address)s left: %(error)s", error, id=peer.id, address=peer.address
            )

    def check_runs(self) -> None:
        """Raises RuntimeError unless it was started and is not being stopped."""
        if not self._started or self._stopping:
            raise RuntimeError("the server is stopping" if self._started else "the server has not started")

    def _check_new(self) -> None:
        if self._started:
            raise RuntimeError("a server starts once; make another")

    def _handler_failed(self, peer: Peer, error: BaseException, telling: bool) -> None:
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            self.log.line(
                WARNING,
                "handler for peer %(id)d %(address)s ends the program: %(error)s",
                id=peer.id,
                address=peer.address,
                error=summary(error),
            )
            self._exit = self._exit or error
            self._begin_stop()
            return
        self.handler_failures += 1
        keep = telling or self.config.handler_errors == "keep" or peer.closed
        self.log.failure(
            "%(which)s failed for peer %(id)d %(address)s%(closing)s: %(error)s",
            error,
            which="error handler" if telling else "handler",
            id=peer.id,
            address=peer.address,
            closing="" if keep else ", closing it",
        )
        if not keep:
            peer.close(CloseReason.HANDLER_ERROR)

    def _take_place(self, peer: Peer, refusal: CloseReason) -> bool:
        """Whether a half-closed peer could make room for `peer`, which is refused for that reason alone."""
        if refusal is CloseReason.MAX_PEERS:
            return self._make_room(CloseReason.EOF)
        return refusal is CloseReason.MAX_PEERS_PER_ADDRESS and self._make_room(CloseReason.EOF, peer.origin)

    def _make_room(self, reason: CloseReason, origin: str | None = None) -> bool:
        """Close the peer that has been half-closed longest, of all or of those of `origin`; whether there was one."""
        peer = self._half_closed.longest(origin)
        if peer is None:
            return False
        self._half_closed.forget(peer)
        peer.abort(reason)
        return True

    def _refuse(self, peer: Peer, reason: CloseReason) -> None:
        self.peers.refused[reason.value] += 1
        if reason is not CloseReason.DESCRIPTORS:
            self.log.line(WARNING, "refused %(address)s: %(reason)s", address=peer.address, reason=reason)
        else:
            if not self._refused:
                self.log.line(
                    WARNING,
                    "no file descriptors left: refusing new peers, %(peers)d are connected",
                    peers=len(self.peers),
                )
            self._refused += 1
        peer.turn_away(reason)


def _role(role: Role) -> str:
    """What a log line says of a role that is not the usual one."""
    return "" if role is Role.BOTH else ", role %(role)s"


def _raise(error: BaseException) -> None:
    raise error
