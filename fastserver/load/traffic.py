"""One process's part of a run: it sends as its pace allows, and reads whatever arrives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fastserver.load.board import (
    CLOSED,
    DONE,
    DUE,
    HEARD,
    HEARD_AT,
    MESSAGES,
    OVER,
    OWED,
    PUBLISHED,
    RECEIVERS,
    SENDERS,
    STOP,
    WRITTEN_OFF,
    Board,
)
from fastserver.load.link import Link
from fastserver.load.mix import Write
from fastserver.load.pace import WAIT, Pace
from fastserver.load.plan import Plan
from fastserver.load.poll import READ, WRITE, Poll

LOOK: Final = 10_000_000  # nanoseconds after which the receivers are counted again


@dataclass
class Tally:
    """The counts of one process, or of all, after a run, by the numbers of connections."""

    sent: dict[int, int] = field(default_factory=dict)  # messages of each publisher
    heard: dict[int, int] = field(default_factory=dict)  # bytes that each receiver got while messages were sent
    gaps: dict[int, int] = field(default_factory=dict)  # nanoseconds, the longest time that each receiver got nothing
    overheard: int = 0  # bytes of messages that came to connections that only publish
    busy: list[float] = field(default_factory=list)  # seconds of processor time, of each process

    def add(self, other: Tally) -> None:
        """Add the counts of another process."""
        self.sent |= other.sent
        self.heard |= other.heard
        self.gaps |= other.gaps
        self.overheard += other.overheard
        self.busy += other.busy


class Traffic:
    """Sends what `next_write` gives when `pace` allows it, and hands what arrives to `take`.

    `control` is a descriptor on which nothing comes during a run; it ends with the process that started this one.
    """

    def __init__(self, plan: Plan, board: Board, links: Sequence[Link], control: int) -> None:
        self.plan = plan
        self.board = board
        self.tally = Tally()
        self.pace: Pace
        self._links = {link.descriptor: link for link in links}
        self._waiting: list[Link] = []  # links that have something to send, and room for it
        self._messages = self._due = self._published = self._owed = self._heard = self._heard_at = 0
        self._hearers = 0  # open receivers of all processes
        self._looked = 0  # when these were counted, nanoseconds
        self._control = control
        self._poll = Poll()
        for descriptor in (*self._links, control):
            self._poll.register(descriptor)

    def next_write(self, link: Link) -> Write:
        """Write number `link.turn` of `link`, which is sent now."""
        raise NotImplementedError

    def take(self, link: Link) -> int:
        """Read `link`; how many bytes of messages it got. Raises OSError or EOFError."""
        raise NotImplementedError

    def offer(self, link: Link, writes: int) -> None:
        """Let `link` begin `writes` more writes."""
        link.granted += writes
        if not link.queued:
            link.queued = True
            self._waiting.append(link)

    def run(self, start: int, end: int) -> Tally:
        """Send from `start` to `end` (nanoseconds of the monotonic clock), then read until the board says OVER."""
        board, poll, clock = self.board, self._poll, time.monotonic_ns
        for link in self._links.values():
            link.heard_at = start
        self._hearers = board.total(RECEIVERS)
        busy = time.process_time()
        time.sleep(max(0, start - clock()) / 1e9)
        sending = True
        while not board.orders[OVER]:
            now = clock()
            wait = WAIT
            if sending:
                wait = min(self.pace.grant(min(now, end - 1)), max(0, end - now) / 1e9)
            if self._waiting:
                self._send()
                wait = 0.0
            if sending and (now >= end or board.orders[STOP]):
                sending = False
                self._stop(now)
            events = poll.wait(wait)
            now = clock()
            for descriptor, event in events:
                if descriptor == self._control:
                    raise SystemExit(1)  # the process that started this one has ended
                link = self._links[descriptor]
                if event & WRITE:
                    poll.modify(descriptor, READ)
                    self._waiting.append(link)
                if event & ~WRITE:
                    self._receive(link, now)
            self._tell(now)
            if not sending and not any(link.unsent for link in self._links.values()):
                board.mine[DONE] = 1
        self.tally.busy.append(time.process_time() - busy)
        for link in self._links.values():
            self._note(link)
        poll.close()
        return self.tally

    def _send(self) -> None:
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
        hearers = self._hearers - self._deaf(link)
        self._messages += self.plan.batch
        self._due += self.plan.batch * hearers
        self._published += write.delivered
        self._owed += write.delivered * hearers
        return write.data

    def _receive(self, link: Link, now: int) -> None:
        try:
            size = self.take(link)
        except BlockingIOError:
            return
        except (OSError, EOFError):
            self._lose(link)
            return
        if not link.role.receives:
            if link.wire.overhears:
                self.tally.overheard += size
        elif size:
            link.heard += size
            self._heard += size
            self.board.mine[HEARD] = self._heard  # at once: a turn can take longer than `patience`
            self._heard_at = now
            gap = now - link.heard_at
            if gap > link.gap:
                link.gap = gap
            link.heard_at = now

    def _tell(self, now: int) -> None:
        mine = self.board.mine
        mine[MESSAGES] = self._messages
        mine[DUE] = self._due
        mine[PUBLISHED] = self._published
        mine[OWED] = self._owed
        mine[HEARD] = self._heard
        mine[HEARD_AT] = self._heard_at
        if self.plan.processes > 1 and now - self._looked > LOOK:
            self._looked = now
            self._hearers = self.board.total(RECEIVERS)

    def _stop(self, now: int) -> None:
        """Begin no more writes; the share and the last gap of each receiver end here."""
        for link in self._links.values():
            link.granted = 0
            if link.role.receives:
                self.tally.heard[link.number] = link.heard
                link.gap = max(link.gap, now - link.heard_at)

    def _lose(self, link: Link) -> None:
        """The server closed `link`."""
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
            self._hearers = self.board.total(RECEIVERS)
            own = int(link.turn * self.plan.batch * self.plan.mix.delivered(link.wire)) * self._deaf(link)
            self._tell(self._looked)
            mine[WRITTEN_OFF] += max(0, self.board.total(PUBLISHED) - own - link.heard)

    def _note(self, link: Link) -> None:
        if link.role.sends:
            self.tally.sent[link.number] = link.turn * self.plan.batch
        if link.role.receives:
            self.tally.heard.setdefault(link.number, link.heard)
            self.tally.gaps[link.number] = link.gap

    def _deaf(self, link: Link) -> int:
        """1 if `link` both sends and receives, and the server leaves its own messages out; else 0."""
        return 1 if link.role.receives and not link.wire.echo else 0
