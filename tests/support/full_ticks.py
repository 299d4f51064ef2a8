"""Ticks with all that can happen in them, step by step, and a look at what is left when steps have failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from support.simulation import Simulation, Transport

from fastserver.config.listener import Listener
from fastserver.peers.peer import Peer


class Kernel(Transport):
    """A transport of which a write that fails changes nothing."""

    def __init__(self, loop: Any, protocol: Peer, number: int, room: int) -> None:
        super().__init__(loop, protocol, number, room)
        self.stream: tuple[bytes, int] = b"", 0  # all it was given, and how much of that was taken
        self.space = room
        self.descriptor = -1

    def write(self, data: Any) -> None:
        if self.closing or not data:
            return
        given = self.stream[0] + bytes(data)
        self.stream = given, min(len(given), self.space)
        if len(given) > self.stream[1] and not self._paused:
            self._paused = True
            self.protocol.pause_writing()

    def give_room(self, size: int) -> None:
        self.space += size
        given = self.stream[0]
        self.stream = given, min(len(given), self.space)
        if self._paused and len(given) == self.stream[1]:
            self._paused = False
            self.protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return len(self.stream[0]) - self.stream[1]

    def abort(self) -> None:
        self.closing = True
        if not self.lost:
            self.lost = True
            self.loop.call_soon(self._tell, None)


class Taker:
    """A peer, its transport, and the number of the messages that were for it."""

    def __init__(self, simulation: Simulation, number: int, room: int) -> None:
        self.peer = simulation.server.reception.accept(Listener(simulation.server.config.mode))
        self.transport = Kernel(simulation.loop, self.peer, number, room)
        self.peer.connection_made(cast(Any, self.transport))

    @property
    def open(self) -> bool:
        return self.peer.reason is None and not self.peer.link.error and not self.peer.closed


class Ticks:
    """Some ticks with all that can happen in them: senders, own frames, several channels, stalls, refills, policies."""

    def __init__(self, policy: str) -> None:
        self.simulation = Simulation(max_pending=1 << 16, slow_consumer=policy, log_messages=0)
        server = self.simulation.server
        rooms = (1 << 30, 1 << 30, 40, 90, 30_000)
        self.takers = [Taker(self.simulation, number, room) for number, room in enumerate(rooms)]
        self.room = server.channel("room")
        for taker in self.takers[1:4]:
            taker.peer.join(self.room)
        self.number = 0
        self.own: dict[int, int] = {}
        one, two, slow, slower, late = self.takers
        self.steps: list[Callable[[], object]] = []
        for size in (10, 20_000):
            self.steps += [
                self.say(one, 2, size),
                self.say(slow, 1, size),
                self.say(two, 1, size),
                self.say(slow, 2, size),
                self.broadcast(size),
                self.say(late, 1, size),
                self.send(slower, size),
                self.relay(slow, 3),
                self.send(slow, size),
                self.relay(slower, 1),
                self.tick,
                self.say(slower, 1, size),
                self.tick,
                lambda: slow.transport.give_room(30_000),
                self.broadcast(size),
                self.say(one, 3, 30_000),
                self.say(slow, 3, 30_000),
                self.tick,
                lambda: slower.transport.give_room(50_000),
                self.tick,
            ]
        self.failed = [False] * len(self.steps)

    def frames(self, taker: Taker | None, count: int, size: int) -> bytes:
        made = []
        for _ in range(count):
            self.number += 1
            if taker is not None:
                self.own[self.number] = self.takers.index(taker)
            made.append(b"%05d " % self.number + b"x" * size + b"\n")
        return b"".join(made)

    def say(self, taker: Taker, count: int, size: int) -> Callable[[], None]:
        frames = self.frames(taker, count, size)

        def step() -> None:
            try:
                taker.peer.data_received(frames)
            except BaseException:
                taker.transport.abort()  # as the loops do
                raise

        return step

    def relay(self, taker: Taker, count: int) -> Callable[[], None]:
        messages = [*taker.peer.splitter.messages(self.frames(taker, count, 5), taker.peer)]
        return lambda: [message.broadcast() for message in messages] and None

    def broadcast(self, size: int) -> Callable[[], None]:
        payload = self.frames(None, 1, size)[:-1]
        return lambda: self.room.broadcast(payload)

    def send(self, taker: Taker, size: int) -> Callable[[], object]:
        payload = self.frames(None, 1, size)[:-1]
        return lambda: taker.peer.send(payload)

    def tick(self) -> None:
        self.simulation.loop.tick()

    def run(self) -> None:
        steps, failed = self.steps, self.failed
        for number in range(len(steps)):
            try:
                steps[number]()
            except MemoryError:
                failed[number] = True

    def settle(self) -> None:
        """All that is due is done, with memory again; and everyone reads."""
        for _ in range(20):
            try:
                self.tick()
            except MemoryError:
                continue
            break
        for taker in self.takers:
            taker.transport.give_room(1 << 30)
        self.tick()

    def check(self) -> None:
        self.settle()
        for number, taker in enumerate(self.takers):
            for member in taker.peer.members:
                assert not member.own_end
                assert member.own_more is None
            given = taker.transport.stream[0]
            lines = given.split(b"\n")
            if taker.open:
                assert lines[-1] == b"", (number, given[-100:])
            numbers = [int(line[:5]) for line in lines[:-1]]
            for one, line in zip(numbers, lines[:-1], strict=True):
                assert line[5:6] == b" ", line
                assert not line[6:].strip(b"x"), line
                assert self.own.get(one) != number, (number, one)
            assert len(set(numbers)) == len(numbers)
            if taker.open:
                figures = taker.peer.figures()
                assert figures.pending_messages == figures.pending_bytes == 0, figures
                assert figures.messages_out == len(numbers), (number, figures)
                assert figures.bytes_out == len(given), (number, figures, len(given))
        before = [len(taker.transport.stream[0]) for taker in self.takers]
        last = self.frames(None, 1, 3)
        self.simulation.server.everyone.broadcast(last[:-1])
        self.tick()
        for taker, size in zip(self.takers, before, strict=True):
            if taker.open:
                assert taker.transport.stream[0][size:] == last
