"""The loads, made by fastserver's own generator within this process, which has its processors to itself.

`run` takes the class that sends and reads: `Counting` for rate and cost, `Held` and `Timed` from here.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Final, TypeVar

from contest import Running

from fastserver.load.board import (
    DONE,
    DUE,
    MESSAGES,
    OVER,
    OWED,
    RECEIVED,
    RECEIVED_AT,
    RECEIVERS,
    SENDERS,
    Board,
    shared,
)
from fastserver.load.counting import Counting
from fastserver.load.link import Link, open_links
from fastserver.load.mix import Write
from fastserver.load.plan import Plan
from fastserver.load.probing import receive_probes, send_probes
from fastserver.load.traffic import Tally
from fastserver.load.wire import Role
from fastserver.load.worker import roles

SO_TIMESTAMPNS: Final = getattr(socket, "SO_TIMESTAMPNS", 35)  # Python names it since 3.15
PATIENCE: Final = 12_000_000_000
"""Nanoseconds without a delivery after which all that is missing counts as lost."""

Load = TypeVar("Load", bound="Leading")


@dataclass(frozen=True)
class Cost:
    """The cost of a run. `gap` is the longest time that a receiver received nothing, seconds."""

    messages: int
    deliveries: int
    lost: int
    seconds: float
    server_seconds: float
    gap: float

    @property
    def nanoseconds(self) -> float:
        """Processor time of the server per delivery."""
        return self.server_seconds / max(1, self.deliveries) * 1e9

    @property
    def rate(self) -> float:
        """Deliveries per second."""
        return self.deliveries / self.seconds

    @property
    def busy(self) -> float:
        """The share of the time in which the server ran. Well below 1, the load set the rate."""
        return self.server_seconds / self.seconds


class Leading(Counting):
    """A load of one process, which ends the run itself."""

    def update_board(self, now: int) -> None:
        super().update_board(now)
        board = self.board
        silent = now - max(board.mine[RECEIVED_AT], self.end) > PATIENCE
        if silent or (board.mine[DONE] and board.outstanding <= 0):
            board.orders[OVER] = 1

    def run(self, start: int, end: int) -> Tally:
        self.end = end
        return super().run(start, end)


class Held(Leading):
    """Stops the server while all senders write, so that every server finds the messages of all of them.

    Without that, a server that wakes up sooner finds less at a time, and pays for more writes.
    """

    def send_waiting(self) -> None:
        assert self.plan.pid is not None
        os.kill(self.plan.pid, signal.SIGSTOP)
        state = Path(f"/proc/{self.plan.pid}/stat")
        while state.read_bytes().rpartition(b") ")[2][:1] != b"T":
            pass
        try:
            super().send_waiting()
        finally:
            os.kill(self.plan.pid, signal.SIGCONT)


class Timed(Leading):
    """Times messages, from just before `send` to when the kernel had the last byte for the receiver.

    The time of arrival is the kernel's (SO_TIMESTAMPNS), so that late reads do not count. Every receiver is read,
    `SAMPLE` of them are timed. `latencies` are nanoseconds.
    """

    SAMPLE: Final = 10

    def __init__(self, plan: Plan, board: Board, links: Sequence[Link], control: int, start: int) -> None:
        super().__init__(plan, board, links, control, start)
        self.latencies: list[int] = []
        self._sent: list[int] = []  # when each message was
        self._length = len(plan.wire.deliver(plan.wire.payload(plan.mix.cycle[0])))
        receiving = [link for link in links if link.role.receives]
        self._timed = {link.number for link in receiving[:: max(1, len(receiving) // self.SAMPLE)]}
        for link in receiving:
            if link.number in self._timed:
                link.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def next_write(self, link: Link) -> Write:
        self._sent.append(time.time_ns())
        return super().next_write(link)

    def take(self, link: Link) -> int:
        if link.number not in self._timed:
            return super().take(link)
        size, extra, _, _ = link.socket.recvmsg_into([self.buffer], 64)
        if not size:
            raise EOFError
        arrived = next(
            seconds * 1_000_000_000 + nanoseconds
            for level, kind, data in extra
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS)
            for seconds, nanoseconds in [struct.unpack("qq", data)]
        )
        first, last = link.received // self._length, (link.received + size) // self._length
        batch = self.plan.batch
        self.latencies += [arrived - self._sent[number // batch] for number in range(first, last)]
        return size


def run(server: Running, plan: Plan, kind: type[Load]) -> tuple[Cost, Load]:
    """Make the load of `plan` on `server`: its cost, and the object that made it. Raises `LoadError`."""
    board = Board(shared(1))
    control, unused = Pipe()
    with control, unused, connected(server, plan, board) as links:
        gc.collect()
        gc.disable()
        try:
            processor = server.processor_time()
            start = time.monotonic_ns() + 1_000_000
            end = start + int(plan.duration * 1e9)
            load = kind(plan, board, links, control.fileno(), start)
            tally = load.run(start, end)
            processor = server.processor_time() - processor
        finally:
            gc.enable()
    size = plan.mix.delivered(plan.wire)
    lost = round((board.total(OWED) - board.total(RECEIVED)) / size)
    seconds = (max(end, board.latest(RECEIVED_AT)) - start) / 1e9
    gap = max(tally.gaps.values(), default=0) / 1e9
    return Cost(board.total(MESSAGES), board.total(DUE) - lost, lost, seconds, processor, gap), load


@contextmanager
def opened(server: Running, wanted: Iterable[tuple[int, Role]]) -> Iterator[list[Link]]:
    """Connections to `server`, greeted, for each number and role. Raises `LoadError`."""
    links: list[Link] = []
    waiting = list(wanted)
    try:
        while waiting:
            some, waiting = waiting[: server.backlog], waiting[server.backlog :]
            links += open_links((socket.AF_INET, server.address), server.wire, some)
            if waiting:
                time.sleep(0.01)  # for those to be accepted
        yield links
    finally:
        for link in links:
            link.close()


@contextmanager
def connected(server: Running, plan: Plan, board: Board) -> Iterator[list[Link]]:
    """The connections of `plan`, all taken on by the server, with nothing left to read. Raises `LoadError`."""
    stop, stopped = Pipe()
    with stop, stopped, opened(server, [*roles(plan), (plan.connections, Role.SEND)]) as (*links, prober):
        board.mine[RECEIVERS] = sum(link.role.receives for link in links)
        board.mine[SENDERS] = sum(link.role.sends for link in links)
        reading = threading.Thread(target=receive_probes, args=(links, plan.wire, board, stopped.fileno()))
        reading.start()
        try:
            send_probes(prober, plan.wire, board, server.name, time.sleep)
        except BaseException:
            stop.send(None)  # which ends that thread
            raise
        finally:
            reading.join()
        prober.close()
        # Connections that ended before are the server's work now: that work is not of this run.
        server.wait_until_quiet()
        yield links
