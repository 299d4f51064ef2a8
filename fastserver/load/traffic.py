"""The traffic of one process in a run: it sends as its pace allows, and reads whatever arrives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fastserver.load.board import (
    CLOSED,
    DONE,
    DUE,
    MESSAGES,
    OVER,
    OWED,
    PUBLISHED,
    RECEIVED,
    RECEIVED_AT,
    RECEIVERS,
    SENDERS,
    STOP,
    WRITTEN_OFF,
    Board,
)
from fastserver.load.link import Link
from fastserver.load.mix import Write
from fastserver.load.pace import LONGEST_WAIT, Pace
from fastserver.load.plan import Plan
from fastserver.load.poll import READ, WRITE, Poll

RECOUNT: Final = 10_000_000  # nanoseconds after which the receivers of all processes are counted again


@dataclass
class Tally:
    """The counts of one process, or of all, after a run, by the numbers of connections."""

    sent: dict[int, int] = field(default_factory=dict)  # messages of each publisher
    received: dict[int, int] = field(default_factory=dict)  # bytes that each receiver got while messages were sent
    gaps: dict[int, int] = field(default_factory=dict)  # nanoseconds, the longest time that each receiver got nothing
    unsolicited: int = 0  # bytes of messages that came to connections that only publish
    busy: list[float] = field(default_factory=list)  # seconds of processor time, of each process

    def add(self, other: Tally) -> None:
        """Add the counts of another process."""
        self.sent |= other.sent
        self.received |= other.received
        self.gaps |= other.gaps
        self.unsolicited += other.unsolicited
        self.busy += other.busy


class Traffic:
    """Sends the writes of `next_write` when `pace` allows it; `take` reads.

    `control` is a descriptor on which nothing comes during a run; it ends with the process that started this one.
    """

    def __init__(self, plan: Plan, board: Board, links: Sequence[Link], control: int) -> None:
        self.plan = plan
        self.board = board
        self.tally = Tally()
        self.pace: Pace
        self._links = {link.descriptor: link for link in links}
        self._waiting: list[Link] = []  # links that have something to send, and room for it
        self._messages = self._due = self._published = self._owed = self._received = self._received_at = 0
        self._receivers = 0  # open receivers of all processes
        self._counted_at = 0  # nanoseconds, of the last count of these
        self._control = control
        self._poll = Poll()
        for descriptor in (*self._links, control):
            self._poll.register(descriptor)

    def next_write(self, link: Link) -> Write:
        """Write number `link.turn` of `link`, which is sent now."""
        raise NotImplementedError

    def take(self, link: Link) -> int:
        """Read `link`; the number of bytes of messages that arrived. Raises OSError or EOFError."""
        raise NotImplementedError

    def offer(self, link: Link, writes: int) -> None:
        """Let `link` begin so many more writes."""
        link.granted += writes
        if not link.queued:
            link.queued = True
            self._waiting.append(link)

    def run(self, start: int, end: int) -> Tally:
        """Send from `start` to `end` (nanoseconds of the monotonic clock), then read until the board says OVER."""
        board, poll, clock = self.board, self._poll, time.monotonic_ns
        for link in self._links.values():
            link.received_at = start
        self._receivers = board.total(RECEIVERS)
        busy = time.process_time()
        time.sleep(max(0, start - clock()) / 1e9)
        sending = True
        while not board.orders[OVER]:
            now = clock()
            wait = LONGEST_WAIT
            if sending:
                wait = min(self.pace.grant(min(now, end - 1)), max(0, end - now) / 1e9)
            if self._waiting:
                self.send_waiting()
                wait = 0.0
            if sending and (now >= end or board.orders[STOP]):
                sending = False
                self._stop(now)
            events = poll.wait(wait)
            now = clock()
            for descriptor, event in events:
                if descriptor == self._control:
                    raise SystemExit(1)  # the process that started this process has ended
                link = self._links[descriptor]
                if event & WRITE:
                    poll.modify(descriptor, READ)
                    self._waiting.append(link)
                if event & ~WRITE:
                    self._receive(link, now)
            self.update_board(now)
            if not sending and not any(link.unsent for link in self._links.values()):
                board.mine[DONE] = 1
        self.tally.busy.append(time.process_time() - busy)
        for link in self._links.values():
            self._note(link)
        poll.close()
        return self.tally

    def send_waiting(self) -> None:
        """Send what links have to send, as far as they have room."""
        waiting, self._waiting = self._waiting, []
        for link in waiting:
            data = link.unsent
            try:
                while data or link.granted:
                    if not data:
                        link.granted -= 1
                        data = self._begin(link)
                    sent = link.socket.send(data)
                    data = memoryview(data)[sent:] if sent < len(data) else b""
            except BlockingIOError:
                link.unsent = data
                self._poll.modify(link.descriptor, READ | WRITE)
            except OSError:  # data that has arrived is still read, to the end of the stream
                link.granted, link.unsent, link.queued = 0, b"", True  # no more writes are offered to it
            else:
                link.unsent = b""
                link.queued = False

    def _begin(self, link: Link) -> bytes:
        write = self.next_write(link)
        link.turn += 1
        recipients = self._receivers - self._left_out(link)
        self._messages += self.plan.batch
        self._due += self.plan.batch * recipients
        self._published += write.delivered
        self._owed += write.delivered * recipients
        return write.data

    def _receive(self, link: Link, now: int) -> None:
        try:
            size = self.take(link)
        except BlockingIOError:
            return
        except (OSError, EOFError):
            self.lose(link)
            return
        if not link.role.receives:
            if link.wire.unsolicited:
                self.tally.unsolicited += size
        elif size:
            link.received += size
            self._received += size
            self.board.mine[RECEIVED] = self._received  # at once: a turn can take longer than `patience`
            self._received_at = now
            gap = now - link.received_at
            if gap > link.gap:
                link.gap = gap
            link.received_at = now

    def update_board(self, now: int) -> None:
        """Write the numbers of this process, at `now` (nanoseconds), where all processes read them."""
        mine = self.board.mine
        mine[MESSAGES] = self._messages
        mine[DUE] = self._due
        mine[PUBLISHED] = self._published
        mine[OWED] = self._owed
        mine[RECEIVED] = self._received
        mine[RECEIVED_AT] = self._received_at
        if self.plan.processes > 1 and now - self._counted_at > RECOUNT:
            self._counted_at = now
            self._receivers = self.board.total(RECEIVERS)

    def _stop(self, now: int) -> None:
        """Begin no more writes; the share and the last gap of each receiver end here."""
        for link in self._links.values():
            link.granted = 0
            if link.role.receives:
                self.tally.received[link.number] = link.received
                link.gap = max(link.gap, now - link.received_at)

    def lose(self, link: Link) -> None:
        """Give up `link`, which the server closed."""
        self._note(link)
        self._poll.unregister(link.descriptor)
        del self._links[link.descriptor]
        link.close()
        link.queued, link.unsent = True, b""  # no more writes are offered to it
        if link in self._waiting:
            self._waiting.remove(link)
        mine = self.board.mine
        mine[CLOSED] += 1
        if link.role.sends:
            mine[SENDERS] -= 1
        if link.role.receives:
            mine[RECEIVERS] -= 1
            self._receivers = self.board.total(RECEIVERS)
            own = int(link.turn * self.plan.batch * self.plan.mix.delivered(link.wire)) * self._left_out(link)
            self.update_board(self._counted_at)
            mine[WRITTEN_OFF] += max(0, self.board.total(PUBLISHED) - own - link.received)

    def _note(self, link: Link) -> None:
        if link.role.sends:
            self.tally.sent[link.number] = link.turn * self.plan.batch
        if link.role.receives:
            self.tally.received.setdefault(link.number, link.received)
            self.tally.gaps[link.number] = link.gap

    def _left_out(self, link: Link) -> int:
        """1 if `link` both sends and receives, and the server leaves its own messages out; else 0."""
        return 1 if link.role.receives and not link.wire.echo else 0
