"""Witnesses: healthy peers that exchange numbered messages while something goes wrong with others.

Each sender is ahead of the slowest of them by a few messages at most, so that on a machine however slow none of them
comes near its limit. Messages are checked as they come: every one of every sender, whole and in order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from faults.wire import STREAMS, frame
from support.deadline import DEADLINE

Address = tuple[str, int] | str
"""Where a server is: host and port, or the path of a Unix socket."""

FILLER: Final = bytes(range(32, 127)) * 100
SPAN: Final = 1 << 40
"""More messages than a witness sends."""


class Load:
    """The load of each sender: up to `together` messages in one write, of up to `size` bytes, no more than `ahead`
    writes ahead of the slowest, and the next write not before `rest` seconds are over.
    """

    def __init__(self, together: int = 20, size: int = 1500, ahead: int = 2, rest: float = 0.0) -> None:
        self.together = together
        self.size = size
        self.ahead = together * ahead
        self.rest = rest

    def payload(self, sender: int, number: int) -> bytes:
        """The message of that number."""
        return b"witness %d message %d %s" % (sender, number, FILLER[: number * 997 % self.size])


LIGHT: Final = Load(together=1, size=40, ahead=1, rest=1.0)
"""Where every message goes to thousands."""


class Witness(asyncio.Protocol):
    """A witness. Senders have numbers of 0 or more; a witness that only listens has less."""

    transport: Any = None

    def __init__(self, group: Witnesses, number: int, mode: str) -> None:
        self.number = number
        self.sent = 0
        self.counts = [0] * group.senders
        """Messages it got of each sender."""
        self.messages = 0
        """Messages it got, those of others than witnesses too."""
        self.bytes = 0
        self.order: list[int] = []
        """A number for each message it got, in order: below 0 for messages of witnesses."""
        self.gap = 0.0
        """The longest it got nothing, seconds."""
        self.reading = True
        self.ended = False
        self.lost = False
        self.failure = ""
        self._group = group
        self._stream = STREAMS[mode]()
        self._last = 0.0

    def __repr__(self) -> str:
        return f"<witness {self.number}: {self.sent} sent, {self.counts} heard, {self.failure or 'well'}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._last = time.monotonic()

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self.gap = max(self.gap, now - self._last)
        self._last = now
        self.bytes += len(data)
        for payload in self._stream.feed(data):
            self.messages += 1
            if payload.startswith(b"witness "):
                self._check(payload)
            else:
                self.order.append(hash(payload) % SPAN)
        self._group.moved()

    def _check(self, payload: bytes) -> None:
        sender = int(payload[8:16].partition(b" ")[0])
        number = self.counts[sender]
        if payload != self._group.load.payload(sender, number) and not self.failure:
            self.failure = f"instead of message {number} of {sender} it got {payload[:100]!r}, {len(payload)} bytes"
        self.counts[sender] += 1
        self.order.append(-1 - sender * SPAN - number)

    @property
    def others(self) -> int:
        """Messages it got of others than witnesses."""
        return self.messages - sum(self.counts)

    def stop_reading(self) -> None:
        """Take nothing for now; the others do not wait for it."""
        self.reading = False
        self.transport.pause_reading()

    def read_on(self) -> None:
        """Take what waits, and what comes."""
        self.reading = True
        self.transport.resume_reading()

    def sent_it(self, entry: int) -> bool:
        """Whether it sent what has that number in an order."""
        return self.number >= 0 and -1 - (self.number + 1) * SPAN < entry <= -1 - self.number * SPAN

    def agrees(self, order: list[int]) -> int:
        """How far it has got in `order`, which a listener has; fail if it got something else."""
        own = 0
        for at, entry in enumerate(order):
            if self.sent_it(entry):
                own += 1
                continue
            if at - own == len(self.order):
                return at
            assert entry == self.order[at - own], f"a listener got {entry} where {self} got {self.order[at - own]}"
        return len(order)

    def eof_received(self) -> None:
        self.ended = True
        self._group.moved()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if not self.ended:
            self.failure = self.failure or f"it was cut off: {error}"
        self._group.moved()


class Witnesses:
    """Some senders, who also hear each other, and some who only listen. They send without a pause from `start` to
    `finish`, which waits until all is heard, or to the end of the server.
    """

    def __init__(self, mode: str = "lines", load: Load | None = None, senders: int = 3) -> None:
        self.load = load or Load()
        self.senders = senders
        self.all = [Witness(self, number, mode) for number in range(-2, senders)]
        self._mode = mode
        self._moved = asyncio.Event()
        self._sending = False
        self._resting: set[Witness] = set()

    async def start(self, address: Address) -> None:
        """Connect them to `address`, one after another, and have them send once the server has all of them."""
        loop = asyncio.get_running_loop()
        for witness in self.all:
            await _connect(loop, witness, address)
        # The last to connect sends first: connections are accepted in their order.
        self._send(self.all[-1])
        await self.until(lambda: all(one.messages for one in self.all[:-1]), "all connected")
        self._sending = True
        self.moved()

    async def close(self) -> None:
        """Leave, if they are still there."""
        self._sending = False
        connected = [one for one in self.all if one.transport is not None]
        for witness in connected:
            witness.transport.abort()
        while not all(one.lost for one in connected):
            await self.next()

    def moved(self) -> None:
        """Something changed: who may send again does."""
        self._moved.set()
        if self._sending:
            for witness in self.all[2:]:
                floor = min([one.counts[witness.number] for one in self.all if one.reading and one is not witness])
                ready = witness not in self._resting and not witness.transport.is_closing()
                if ready and witness.sent < floor + self.load.ahead:
                    self._send(witness)

    async def next(self) -> None:
        """Return when one of them has got something more, or is gone."""
        self._moved.clear()
        await self._moved.wait()

    async def until(self, happened: Callable[[], bool], what: str) -> None:
        """Return when `happened` is true; fail when it does not come true, or one of them is not well."""
        deadline = time.monotonic() + DEADLINE
        while not happened():
            self.check_health()
            if time.monotonic() > deadline:
                raise AssertionError(f"not {what}: {self.all}")
            await self._wake()
        self.check_health()

    async def go_on(self, messages: int = 100, happened: Callable[[], bool] = lambda: True) -> None:
        """Return when each that reads has got that many more messages of each other, and `happened` is true."""
        goals = [(one, [count + messages for count in one.counts]) for one in self.all if one.reading]
        await self.until(
            lambda: (
                all(
                    have >= goal
                    for one, wanted in goals
                    for sender, (have, goal) in enumerate(zip(one.counts, wanted, strict=True))
                    if sender != one.number
                )
                and happened()
            ),
            f"{messages} messages on, and what was to happen",
        )

    async def finish(self) -> None:
        """Send no more; return when each has got all that was sent."""
        self._sending = False
        sent = [one.sent for one in self.all[2:]]
        await self.until(
            lambda: all(
                count == sent[sender]
                for one in self.all
                for sender, count in enumerate(one.counts)
                if sender != one.number
            ),
            f"all heard of {sent}",
        )

    async def ended(self) -> None:
        """Return when the server has ended the stream of each."""
        await self.until(lambda: all(one.ended for one in self.all), "all ended")

    def check_health(self) -> None:
        """Fail if one of them got what it should not, or was cut off."""
        for witness in self.all:
            assert not witness.failure, f"{witness}"

    def check_order(self, whole: bool = False) -> None:
        """Fail unless all got the same, in one and the same order; `whole`: and each as much of it as all others.
        What all have got is forgotten.
        """
        self.check_health()
        order = max((one.order for one in self.all if one.number < 0), key=len)
        common = min(one.agrees(order) for one in self.all)
        forgotten = order[:common]
        for witness in self.all:
            del witness.order[: common - sum(map(witness.sent_it, forgotten))]
        assert not whole or not any(one.order for one in self.all), f"some got more than others: {self.all}"

    def _send(self, witness: Witness) -> None:
        data = bytearray()
        for number in range(witness.sent, witness.sent + self.load.together):
            data += frame(self._mode, self.load.payload(witness.number, number))
        witness.sent += self.load.together
        witness.transport.write(bytes(data))
        if self.load.rest:
            self._resting.add(witness)
            asyncio.get_running_loop().call_later(self.load.rest, self._rested, witness)

    def _rested(self, witness: Witness) -> None:
        self._resting.discard(witness)
        self.moved()

    async def _wake(self) -> None:
        """Something changed, or a while is over: what is waited for may not be theirs."""
        self._moved.clear()
        timer = asyncio.get_running_loop().call_later(0.05, self._moved.set)
        await self._moved.wait()
        timer.cancel()


async def _connect(loop: asyncio.AbstractEventLoop, witness: Witness, address: Address) -> None:
    if isinstance(address, str):
        await loop.create_unix_connection(lambda: witness, address)
    else:
        await loop.create_connection(lambda: witness, *address)
