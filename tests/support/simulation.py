"""A server without sockets: a loop that is stepped by hand and transports whose kernel takes what it is told to."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, cast

from support.late_sequencer import LateSequencer

from fastserver import Config, Server
from fastserver.config.listener import Listener, Role
from fastserver.peers.peer import Peer


class Timer:
    """A timer, as `call_later` gives it back."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """The part of an event loop a server uses, with a clock that moves only when told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._soon: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._later: list[tuple[float, int, Timer, Callable[..., object], tuple[Any, ...]]] = []
        self._numbers = count()

    def time(self) -> float:
        return self.now

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> None:
        self._soon.append((call, arguments))

    def call_soon_threadsafe(self, call: Callable[..., object], *arguments: Any) -> None:
        self.call_soon(call, *arguments)

    def call_later(self, delay: float, call: Callable[..., object], *arguments: Any) -> Timer:
        timer = Timer()
        heapq.heappush(self._later, (self.now + delay, next(self._numbers), timer, call, arguments))
        return timer

    def exchange(self) -> bool:
        """Have the kernels pass on what they have, where there are any; whether anything moved."""
        return False

    def tick(self) -> None:
        """Run what is due now, and what that makes due."""
        while self._soon:
            call, arguments = self._soon.popleft()
            call(*arguments)

    @property
    def waiting(self) -> int:
        """Timers that will run."""
        return sum(not timer.cancelled for _, _, timer, _, _ in self._later)

    def advance(self, seconds: float) -> None:
        """Move the clock and run what falls due."""
        end = self.now + seconds
        while self._later and self._later[0][0] <= end:
            self.now, _, timer, call, arguments = heapq.heappop(self._later)
            if not timer.cancelled:
                call(*arguments)
            self.tick()
        self.now = end


class Transport:
    """A connection whose kernel takes at most `room` more bytes; `sent` is what it has taken."""

    def __init__(self, loop: Loop, protocol: Peer, number: int, room: int) -> None:
        self.loop = loop
        self.protocol = protocol
        self.number = number
        self.room = room
        self.host = "127.0.0.1"
        self.sent = bytearray()
        self.writes = 0
        self.reading = True
        self.closing = False
        self.lost = False
        self.told = False
        self.broken = False
        self.ended = False
        self._buffer = bytearray()
        self._paused = False

    def write(self, data: bytes) -> None:
        assert not self.told, "write after connection_lost"
        if not data or self.closing:
            return
        self.writes += 1
        if self.broken:
            self._lose(BrokenPipeError())
            return
        self._buffer += data
        self._pass_on()
        if self._buffer and not self._paused:
            self._paused = True
            self.protocol.pause_writing()

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def give_room(self, size: int) -> None:
        """The peer reads: the kernel takes `size` more bytes."""
        self.room += size
        self._pass_on()
        if self._paused and not self._buffer:
            self._paused = False
            self.protocol.resume_writing()

    def _pass_on(self) -> None:
        taken = self._buffer[: self.room]
        del self._buffer[: self.room]
        self.sent += taken
        self.room -= len(taken)
        if self.closing and not self._buffer and not self.lost:
            self._lose(None)

    def get_write_buffer_size(self) -> int:
        return 0 if self.lost else len(self._buffer)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert (high, low) == (0, 0)

    def get_extra_info(self, name: str) -> Any:
        return {"peername": (self.host, 40000 + self.number), "socket": self}[name]

    def fileno(self) -> int:
        return -1

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closing or self.lost

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        assert not self.is_closing()
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        if not self.is_closing():
            self.closing = True
            if not self._buffer:
                self._lose(None)

    def abort(self) -> None:
        if not self.lost:
            self.closing = True
            self._buffer.clear()
            self._lose(None)

    def reset(self) -> None:
        """The peer resets the connection, which is noticed at once."""
        self._buffer.clear()
        self._lose(ConnectionResetError())

    def vanish(self) -> None:
        """The peer resets the connection, which is noticed at the next write."""
        self.broken = True

    def _lose(self, error: Exception | None) -> None:
        if not self.lost:
            self.closing = self.lost = True
            self.loop.call_soon(self._tell, error)

    def _tell(self, error: Exception | None) -> None:
        self.told = True
        self.protocol.connection_lost(error)


class Simulation:
    """A server on a loop and transports of its own. Unless `paced`, pacing waits for nobody, so that what is sent is
    passed on at once, whoever is behind.
    """

    def __init__(self, paced: bool = False, **settings: Any) -> None:
        self.loop = self.make_loop()
        self.server = Server(Config(**settings))
        if not paced:
            self.server.limits.pacing.watch = lambda peer: None  # type: ignore[method-assign]
        self.server.attach(cast(asyncio.AbstractEventLoop, self.loop))
        self.sequencer: LateSequencer | None = None
        self._numbers = count(1)

    def put_in_sequence(self) -> LateSequencer:
        """Have what is published from now on have its turn when the sequencer that this gives says so."""
        self.sequencer = LateSequencer(self.server.tick)
        return self.sequencer

    def make_loop(self) -> Loop:
        return Loop()

    def make_transport(self, peer: Peer, room: int) -> Transport:
        return Transport(self.loop, peer, next(self._numbers), room)

    def close(self) -> None:
        """Give back what the system lent."""

    @property
    def collecting(self) -> bool:
        """Whether something waits for the end of a tick. Messages of one who was heard alone before go out without
        that, and so does what is collected as soon as it is much. What goes out to a sequencer waits no more.
        """
        return self.server.tick.collected > (0 if self.sequencer is None else self.sequencer.bytes)

    def connect(
        self,
        room: int = 1 << 40,
        role: Role = Role.BOTH,
        host: str = "127.0.0.1",
        mode: str | None = None,
        channel: str | None = None,
    ) -> tuple[Peer, Transport]:
        """A new peer and its connection, whose kernel takes `room` bytes."""
        peer = self.server.reception.accept(Listener(mode or self.server.config.mode, role=role, channel=channel))
        transport = self.make_transport(peer, room)
        transport.host = host
        peer.connection_made(cast(asyncio.Transport, transport))
        return peer, transport
