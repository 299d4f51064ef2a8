"""Fails every allocation of some ticks in turn, and looks at what is left: `python nomemory.py`, or
`python nomemory.py STEP` for one in so many.

Every peer that is still open must have got whole messages, none twice and none of them its own, and its books must say
how many; one whose write or read failed may have been cut off. Later messages must arrive as ever. Only the compiled
fast path keeps that: its numbers need no memory.

For AddressSanitizer: FASTSERVER_SANITIZE=1 python setup.py build_ext --inplace, then
LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc python tests/nomemory.py
"""

from __future__ import annotations

import _testcapi
import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

from support.simulation import Simulation, Transport

from fastserver.compiled import COMPILED
from fastserver.config.listener import Listener
from fastserver.config.slowconsumers import POLICIES
from fastserver.fanout import sending
from fastserver.fanout.view import Member, View
from fastserver.framing import FRAMINGS
from fastserver.peers.peer import Peer

MANY = 50_000
"""Allocations that no run comes to."""


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


class Known:
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
        self.known = [Known(self.simulation, number, room) for number, room in enumerate(rooms)]
        self.room = server.channel("room")
        for known in self.known[1:4]:
            known.peer.join(self.room)
        self.number = 0
        self.own: dict[int, int] = {}
        one, two, slow, slower, late = self.known
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

    def frames(self, known: Known | None, count: int, size: int) -> bytes:
        made = []
        for _ in range(count):
            self.number += 1
            if known is not None:
                self.own[self.number] = self.known.index(known)
            made.append(b"%05d " % self.number + b"x" * size + b"\n")
        return b"".join(made)

    def say(self, known: Known, count: int, size: int) -> Callable[[], None]:
        frames = self.frames(known, count, size)

        def step() -> None:
            try:
                known.peer.data_received(frames)
            except BaseException:
                known.transport.abort()  # as the loops do
                raise

        return step

    def relay(self, known: Known, count: int) -> Callable[[], None]:
        messages = [*known.peer.splitter.messages(self.frames(known, count, 5), known.peer)]
        return lambda: [message.broadcast() for message in messages] and None

    def broadcast(self, size: int) -> Callable[[], None]:
        payload = self.frames(None, 1, size)[:-1]
        return lambda: self.room.broadcast(payload)

    def send(self, known: Known, size: int) -> Callable[[], object]:
        payload = self.frames(None, 1, size)[:-1]
        return lambda: known.peer.send(payload)

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
        for known in self.known:
            known.transport.give_room(1 << 30)
        self.tick()

    def check(self) -> None:
        self.settle()
        for number, known in enumerate(self.known):
            for member in known.peer.members:
                assert not member.own_end
                assert member.own_more is None
            given = known.transport.stream[0]
            lines = given.split(b"\n")
            if known.open:
                assert lines[-1] == b"", (number, given[-100:])
            numbers = [int(line[:5]) for line in lines[:-1]]
            for one, line in zip(numbers, lines[:-1], strict=True):
                assert line[5:6] == b" ", line
                assert not line[6:].strip(b"x"), line
                assert self.own.get(one) != number, (number, one)
            assert len(set(numbers)) == len(numbers)
            if known.open:
                figures = known.peer.figures()
                assert figures.pending_messages == figures.pending_bytes == 0, figures
                assert figures.messages_out == len(numbers), (number, figures)
                assert figures.bytes_out == len(given), (number, figures, len(given))
        before = [len(known.transport.stream[0]) for known in self.known]
        last = self.frames(None, 1, 3)
        self.simulation.server.everyone.broadcast(last[:-1])
        self.tick()
        for known, size in zip(self.known, before, strict=True):
            if known.open:
                assert known.transport.stream[0][size:] == last


class Sends:
    """A batch sent beneath the transports of some peers, some of which cannot take it all."""

    def __init__(self) -> None:
        self.pairs = [socket.socketpair() for _ in range(4)]
        self.blob = os.urandom(400_000)
        self.ready: Any = {}
        for number, (ours, theirs) in enumerate(self.pairs):
            ours.setblocking(False)
            theirs.setblocking(False)
            peer: Any = SimpleNamespace(link=SimpleNamespace(descriptor=ours.fileno(), error=0))
            member = Member(View(FRAMINGS["lines"]), peer)
            if number == 1:
                member.own_start, member.own_end = 5, 100
            if number == 2:
                member.own_start, member.own_end = 300_000, 100  # another's: nothing may be sent
            if number == 3:
                member.own_start, member.own_end = 0, 500_000
            self.ready[member] = type("Open", (), {"is_closing": lambda self: False})()
        self.send_all = sending.send_all
        self.rest: Any = None

    def run(self) -> None:
        try:
            self.rest = self.send_all(self.ready, self.blob)
        except MemoryError:
            self.rest = "failed"

    def check(self) -> None:
        taken = {} if self.rest == "failed" else dict(self.rest)
        for (ours, theirs), member, number in zip(self.pairs, self.ready, range(4), strict=True):
            heard = b""
            while True:
                try:
                    heard += theirs.recv(1 << 20)
                except BlockingIOError:
                    break
            wanted = self.blob if number != 1 else self.blob[:5] + self.blob[100:]
            assert wanted.startswith(heard)
            if number > 1 or self.rest == "failed":
                assert not heard
            elif member.descriptor >= 0:
                assert taken.get(member, len(wanted)) == len(heard)
            else:
                assert member.peer.link.error or member not in taken
            ours.close()
            theirs.close()


class Splits:
    """A stream that comes in pieces, cut anywhere: what a splitter gives is right, or it is dead."""

    def __init__(self, framing: str) -> None:
        self.splitter = FRAMINGS[framing].splitter(100_000)
        head = b"" if framing == "lines" else b"\xdb"
        frames = []
        for size in (3, 40_000, 0, 300, 70_000, 5):
            payload = head + (size.to_bytes(4, "big") if head else b"") + b"x" * size
            frames.append(len(payload).to_bytes(4, "big") * (framing == "msgpack") + payload + b"\n" * (not head))
        self.stream = b"".join(frames)
        cuts = [0, 2, 9, 5000, 20_000, 40_020, 40_030, 40_100, 60_000, 90_000, 110_300, len(self.stream)]
        self.pieces = [self.stream[start:end] for start, end in pairwise(cuts)]
        self.given: list[Any] = [None] * len(self.pieces)
        self.failed = False

    def run(self) -> None:
        feed, pieces, given = self.splitter.feed, self.pieces, self.given
        for number in range(len(pieces)):
            try:
                given[number] = feed(pieces[number])
            except MemoryError:
                self.failed = True

    def check(self) -> None:
        got = b"".join([one for one in self.given if one is not None])
        assert self.stream.startswith(got)
        if not self.failed:
            assert got == self.stream or None in self.given
            return
        for call in (partial(self.splitter.feed, b"x"), self.splitter.finish):
            try:
                call()
            except MemoryError:
                continue
            raise AssertionError("a splitter that lost something goes on")


def used(make: Callable[[], Any]) -> int:
    """About how many allocations a run makes."""
    make().run()  # once, for what is made only once
    made = make()
    held: list[object] = []
    _testcapi.set_nomemory(MANY, MANY + 1)
    try:
        made.run()
        while True:
            held.append(object())
    except MemoryError:
        pass
    _testcapi.remove_mem_hooks()
    return MANY - len(held)


def fail_each(make: Callable[[], Any], check: Callable[[Any], None], step: int) -> int:
    """Fail one allocation in `step`. Gives how many there are."""
    total = used(make)
    for start in range(1, total + 20, step):
        made = make()
        _testcapi.set_nomemory(start, start + 1)
        try:
            made.run()
        except MemoryError:
            pass
        finally:
            _testcapi.remove_mem_hooks()
        try:
            check(made)
        except BaseException:
            print("failed with allocation", start, "of", total, file=sys.stderr)
            raise
        if start % 100 == 0:
            gc.collect()
    return total


def main() -> None:
    logging.disable()
    gc.disable()
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    for policy in POLICIES:
        total = fail_each(partial(Ticks, policy), Ticks.check, step)
        print(f"{policy}: {total} allocations", flush=True)
    for framing in FRAMINGS:
        print(f"{framing}: {fail_each(partial(Splits, framing), Splits.check, 1)} allocations")
    if COMPILED:
        print(f"send_all: {fail_each(Sends, Sends.check, 1)} allocations")


if __name__ == "__main__":
    main()
