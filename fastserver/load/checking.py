"""The run that checks every message: whether it arrived once, in order and unchanged, and how long that took."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from fastserver.load.board import Board
from fastserver.load.link import Link
from fastserver.load.mix import Write
from fastserver.load.pace import FixedRate
from fastserver.load.plan import Plan
from fastserver.load.stamp import LENGTH, STAMPS, stamp, stamped
from fastserver.load.traffic import Tally, Traffic
from fastserver.load.wire import Cut


@dataclass
class Findings(Tally):
    """The counts after a checking run."""

    latency: dict[int, int] = field(default_factory=lambda: defaultdict(int))  # deliveries by microseconds
    late: dict[int, int] = field(default_factory=lambda: defaultdict(int))  # writes by microseconds after their time
    arrived: int = 0  # messages that a receiver got for the first time
    reordered: int = 0  # of these, messages that came after a later message of their sender
    duplicated: int = 0  # messages that a receiver got again
    foreign: int = 0  # messages that are not of this run, or were changed

    def add(self, other: Tally) -> None:
        super().add(other)
        assert isinstance(other, Findings)
        for mine, more in ((self.latency, other.latency), (self.late, other.late)):
            for value, count in more.items():
                mine[value] = mine.get(value, 0) + count
        self.arrived += other.arrived
        self.reordered += other.reordered
        self.duplicated += other.duplicated
        self.foreign += other.foreign


class Receipts:
    """The messages that one receiver has got so far, of each publisher."""

    __slots__ = ("cut", "expected", "missing")

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.expected: dict[int, int] = {}  # the next message of each publisher
        self.missing: set[int] = set()  # messages passed over, by their numbers in the run


class Checking(Traffic):
    """Sends stamped messages at a fixed rate, and checks every message that arrives.

    Message `k` of publisher `p` has the number `k * publishers + p`; from that alone follow its bytes and its time.
    """

    tally: Findings
    pace: FixedRate

    def __init__(self, plan: Plan, board: Board, links: Sequence[Link], control: int, rate: float, start: int) -> None:
        super().__init__(plan, board, links, control)
        self.tally = Findings()
        wire, self._senders, self._cycle = plan.wire, plan.senders, plan.mix.cycle
        blank = stamp(0)
        self._fills = {size: wire.payload(size, blank)[:-LENGTH] for size in self._cycle}
        self._delivered = {size: len(wire.deliver(wire.payload(size, blank))) for size in self._cycle}
        self._receipts = {link.number: Receipts(wire.cut()) for link in links if link.role.receives}
        for link in links:
            if self._left_out(link):
                self._receipts[link.number].expected[link.number] = STAMPS  # its own messages are not to come back
        self._limit = message_limit(plan, rate)
        self.pace = FixedRate(plan, rate, start, [link for link in links if link.role.sends], self.offer)

    def next_write(self, link: Link) -> Write:
        first = link.turn * self.plan.batch
        late = time.monotonic_ns() - self.pace.due(link.number, link.turn)
        self.tally.late[max(0, late) // 1000] += 1
        wire, cycle = link.wire, self._cycle
        data, delivered = [], 0
        for turn in range(first, first + self.plan.batch):
            size = cycle[turn % len(cycle)]
            data.append(wire.publish(self._fills[size] + stamp(turn * self._senders + link.number)))
            delivered += self._delivered[size]
        return Write(b"".join(data), delivered)

    def take(self, link: Link) -> int:
        data = link.receive()
        receipts = self._receipts.get(link.number)
        if receipts is not None:
            now = time.monotonic_ns()
            try:
                payloads = receipts.cut(data)
            except ValueError:  # the rest of this stream cannot be checked
                self.tally.foreign += 1
                receipts.cut = lambda data: []
            else:
                for payload in payloads:
                    self._check(receipts, payload, now)
        return len(data)

    def _check(self, receipts: Receipts, payload: bytes, now: int) -> None:
        tally = self.tally
        number = stamped(payload)
        turn, publisher = divmod(number, self._senders)
        if not 0 <= number < self._limit or payload[:-LENGTH] != self._fills[self._cycle[turn % len(self._cycle)]]:
            tally.foreign += 1
            return
        expected = receipts.expected.get(publisher, 0)
        if turn >= expected:
            receipts.expected[publisher] = turn + 1
            if turn > expected:
                receipts.missing.update(range(expected * self._senders + publisher, number, self._senders))
        elif number in receipts.missing:
            receipts.missing.remove(number)
            tally.reordered += 1
        else:
            tally.duplicated += 1
            return
        tally.arrived += 1
        late = now - self.pace.due(publisher, turn // self.plan.batch)
        tally.latency[max(0, late) // 1000] += 1


def message_limit(plan: Plan, rate: float) -> int:
    """An upper bound for the messages of a checking run at `rate` a second, at most what stamps can tell apart."""
    assert plan.check is not None
    return min(STAMPS, int(plan.check * rate) + 2 * plan.batch * plan.senders)
