"""Listening: a channel's messages, received within the server's own process.

A peer that is no connection is a member of the channel, so the rules are those of peers: what is not taken waits, up to
`max_pending`, and beyond it `slow_consumer` says what happens. Its transport is a pipe that holds `ROOM` bytes, as a
kernel would.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from fastserver.config.listener import Role
from fastserver.errors import CloseReason, FastserverError
from fastserver.figures import Figures
from fastserver.framing.discard import DISCARD
from fastserver.peers.membership import join
from fastserver.peers.peer import Peer
from fastserver.peers.transportlink import TransportLink

if TYPE_CHECKING:
    from fastserver.fanout.channel import Channel
    from fastserver.framing import Message
    from fastserver.peers.hub import Hub

ROOM: Final = 64 * 1024
"""Bytes in the pipe beyond which its peer is behind."""


class Pipe(asyncio.Transport):
    """The transport of a peer that is no connection: what is written is kept until it is taken."""

    def __init__(self, peer: Peer) -> None:
        super().__init__()
        self.more = asyncio.Event()
        """Set when there is something to take, or the end."""
        self._peer = peer
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._room: float = ROOM
        self._closing = False

    def take(self) -> bytes | None:
        """Take the oldest bytes that were written; None if there are none."""
        if not self._parts:
            self.more.clear()
            return None
        part = self._parts.popleft()
        self._size -= len(part)
        self._go_on()
        return part

    def widen(self) -> None:
        """Have room for everything pending."""
        self._room = float("inf")
        self._go_on()

    def write(self, data: Any) -> None:
        if self._closing:
            return
        self._parts.append(bytes(data))
        self._size += len(data)
        self.more.set()

    def get_write_buffer_size(self) -> int:
        return int(max(0, self._size - self._room))

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.more.set()
            self._peer.hub.clock.call_soon(self._peer.connection_lost, None)

    def abort(self) -> None:
        self._parts.clear()
        self._size = 0
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def _go_on(self) -> None:
        if self._peer.link.stuck and self._size <= self._room and not self._closing:
            self._peer.resume_writing()


class Listening:
    """The messages of a channel from now on, an async iterator; `close` ends it, and so does the end of a `with` block
    or its not being used any more.

    A message has no peer: what several sent in a tick comes as one. Raises `FastserverError` where it was closed, being
    too slow.
    """

    def __init__(self, hub: Hub[Peer], channel: Channel[Peer], local: LocalPeers) -> None:
        peer = Peer(hub, channel.view(hub.packer.framing), DISCARD, Role.RECEIVE)
        peer.id = hub.number()
        peer.address = f"listening to {channel.name!r}"
        self._peer = peer
        self._pipe = Pipe(peer)
        self._splitter = peer.framing.resplitter()
        self._messages: Iterator[Message[None]] = iter(())
        peer.link = TransportLink(peer, self._pipe)
        peer.began()
        hub.tick.run()  # what was broadcast before is not for it
        join(peer, peer.view)
        local[peer] = self._pipe

    def __aiter__(self) -> Listening:
        return self

    async def __anext__(self) -> Message[None]:
        while True:
            for message in self._messages:
                return message
            part = self._pipe.take()
            if part is not None:
                frames = self._splitter.feed(part)
                self._messages = self._peer.framing.messages(frames, None).one_by_one()
            elif self._pipe.is_closing():
                if self._peer.reason in (CloseReason.SLOW_CONSUMER, CloseReason.MEMORY):
                    raise FastserverError(f"{self._peer.address} was closed: {self._peer.reason}")
                raise StopAsyncIteration
            else:
                await self._pipe.more.wait()

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def figures(self) -> Figures:
        """Its figures: what it was offered, took and missed."""
        return self._peer.figures()

    def close(self) -> None:
        """Receive nothing more; what waits is dropped."""
        self._messages = iter(())
        if not self._pipe.is_closing():
            self._peer.abort(CloseReason.EOF)

    def __del__(self) -> None:
        if hasattr(self, "_pipe"):
            with suppress(RuntimeError):  # the loop is closed
                self.close()


class LocalPeers(dict[Peer, Pipe]):
    """The peers that are no connections, but listen in this process, each with its pipe."""

    def __init__(self) -> None:
        super().__init__()
        self.shut = False
        """Nobody may listen any more."""

    def listen(self, hub: Hub[Peer], channel: Channel[Peer]) -> Listening:
        """Have another listen to `channel`. Raises RuntimeError unless the server runs."""
        if self.shut:
            raise RuntimeError("the server is stopping")
        hub.clock.time()  # raises if there is no loop yet
        return Listening(hub, channel, self)

    def end(self) -> None:
        """Have all leave. Whoever listens may take the rest when it likes."""
        for peer, pipe in [*self.items()]:
            pipe.widen()
            peer.close(CloseReason.SHUTDOWN)
