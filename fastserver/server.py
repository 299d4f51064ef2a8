"""The server: its life from start to stop, and what a program asks of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from logging import WARNING
from typing import Any

from fastserver.assembly import Assembly
from fastserver.compiled import COMPILED
from fastserver.config.config import Config
from fastserver.errors import CloseReason
from fastserver.fanout.channel import Channel
from fastserver.handlers.decorators import Decorators
from fastserver.peers.peer import Peer
from fastserver.peers.report import report


class Server(Assembly, Decorators):
    """Passes every message to everyone connected.

    `async with Server(config):` serves until the block ends; `await serve()` until it is stopped or
    cancelled; `run()` does so with an event loop, signals and logging of its own.

    `default` is for `msgpack.packb`: it turns a value that cannot be packed into one that can. `ext_hook` is for
    `msgpack.unpackb`: it makes the value of an extension type, in `message.value`, of its code and data.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        default: Callable[[Any], Any] | None = None,
        ext_hook: Callable[[int, bytes], Any] | None = None,
    ) -> None:
        Assembly.__init__(self, Config() if config is None else config, default, ext_hook)
        Decorators.__init__(self, self.handlers)
        self._started = False

    @property
    def handler_failures(self) -> int:
        """Exceptions that handlers raised."""
        return self.failures.count

    @property
    def addresses(self) -> list[str]:
        """Where it listens, as text: `127.0.0.1:3000`, `unix:/run/feed.sock`."""
        return self.listeners.addresses

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
            await self.listeners.open()
        except BaseException:
            self._started = self.handlers.frozen = False
            self.detach()
            raise

    async def stop(self) -> None:
        """Stop accepting and receiving, let every peer take what is pending for at most the drain timeout, and return
        when all are gone. Does nothing before the start.

        Can be called several times and from anywhere. If the caller is cancelled, the stop goes on. A handler that
        awaits it goes on when all peers are gone and all other handlers have ended.
        """
        if self._started and not self.drain.over:
            self.drain.begin()
            await self.drain.done()

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
        await self.drain.wait()

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
        """The channel of that name. A channel lasts while someone is in it, or holds it."""
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
        self.clock.call_threadsafe(call, *arguments)

    def _check_new(self) -> None:
        if self._started:
            raise RuntimeError("a server starts once; make another")
