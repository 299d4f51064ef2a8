"""The processes of a load, led through its runs by their parent."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Final

from fastserver.load.board import (
    DONE,
    MESSAGES,
    OVER,
    RECEIVED,
    RECEIVED_AT,
    RECEIVERS,
    SENDERS,
    SPAWN,
    STOP,
    WRITTEN_OFF,
    Board,
    shared,
)
from fastserver.load.errors import LoadError
from fastserver.load.link import open_links, reach
from fastserver.load.plan import Plan
from fastserver.load.probing import send_probes
from fastserver.load.traffic import Tally
from fastserver.load.wire import Role
from fastserver.load.worker import Order, work

POLL_INTERVAL: Final = 0.01
"""Seconds between readings of the processes' numbers."""
PROGRESS_INTERVAL: Final = 0.2
"""Seconds between calls of `progress`."""
LEAD: Final = 0.02
"""Seconds between the order to begin and the beginning: all processes have to get the order."""
SHORTEST: Final = 1_000_000
"""Nanoseconds that a run takes at least, even if it is stopped before it begins."""
ENDED: Final = "a process of the load has ended"


@dataclass(frozen=True)
class Progress:
    """The progress of a load."""

    step: str
    """`connecting`, `throughput` or `check`."""
    seconds: float = 0.0
    of: float = 0.0
    messages_per_second: float = 0.0
    """Since the last progress, as are deliveries."""
    deliveries_per_second: float = 0.0


class CalledOff(Exception):
    """The load was stopped before a run began."""


class Crew:
    """The processes of `plan`, for as long as its block. See `run` for the functions that are called."""

    def __init__(self, plan: Plan, progress: Callable[[Progress], None], stop: Callable[[], bool]) -> None:
        self.plan = plan
        self.stopped = False
        self._progress = progress
        self._stop = stop
        self._controls: list[Connection] = []
        self._processes: list[Any] = []
        self._first: socket.socket | None = None  # until a run takes it over

    def __enter__(self) -> Crew:
        """Raises `LoadError` if the server cannot be reached."""
        plan = self.plan
        self._target, self._first = reach(plan.address)
        memory = shared(plan.processes + 1)
        self._board = Board(memory, plan.processes)
        with _no_interrupt():
            for index in range(plan.processes):
                ours, theirs = SPAWN.Pipe()
                process = SPAWN.Process(target=work, args=(plan, index, self._target, memory, theirs), daemon=True)
                process.start()
                theirs.close()
                self._controls.append(ours)
                self._processes.append(process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._first is not None:
            self._first.close()
        for control in self._controls:
            control.close()
        for process in self._processes:
            process.join(None if error is None else 2.0)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()

    def take_part(
        self, order: Order, seconds: float, begun: Callable[[], None], ended: Callable[[], None]
    ) -> tuple[Tally, float]:
        """Make a run: its counts, and its length in seconds. Raises `LoadError`, or `CalledOff` if it never began."""
        board = self._board
        board.clear()
        self._progress(Progress("connecting"))
        self._tell(order)
        self._answers(self._check_stop)
        self._probe()
        self._answers(self._check_stop)
        begun()
        start = time.monotonic_ns() + int(LEAD * 1e9)
        end = start + int(seconds * 1e9)
        self._tell((start, end))
        sent = self._watch("throughput" if order.rate is None else "check", start, end)
        ended()
        board.orders[OVER] = 1
        tallies = self._answers(lambda: None)
        for tally in tallies[1:]:
            tallies[0].add(tally)
        return tallies[0], (max(sent, board.latest(RECEIVED_AT)) - start) / 1e9

    def total(self, name: int) -> int:
        """The number `name` of the board after the last run, all processes together."""
        return self._board.total(name)

    def _probe(self) -> None:
        wanted = [(self.plan.connections, Role.SEND)]
        first, self._first = self._first, None
        try:
            prober = open_links(self._target, self.plan.wire, wanted, first)[0]
        except LoadError as error:
            raise self._named(error) from None
        try:
            send_probes(prober, self.plan.wire, self._board, str(self.plan.address), self._pause)
        finally:
            prober.close()

    def _watch(self, step: str, start: int, end: int) -> int:
        """Wait until everything was sent and received; gives the end of sending (nanoseconds, monotonic clock)."""
        board, patience = self._board, self.plan.patience * 1e9
        shown_at, shown = start, (0, 0)
        received, received_at = 0, start
        while True:
            time.sleep(POLL_INTERVAL)
            now = time.monotonic_ns()
            if board.total(RECEIVED) != received:
                received, received_at = board.total(RECEIVED), now
            if now < end and (self._stop() or not board.total(RECEIVERS) or not board.total(SENDERS)):
                self.stopped |= self._stop()
                board.orders[STOP] = 1
                end = max(now, start + SHORTEST)
            quiet = now - max(received_at, start) > patience
            if board.total(DONE) == len(self._controls) and board.outstanding <= 0:
                return end
            if quiet and board.outstanding > 0:
                board.mine[WRITTEN_OFF] += board.outstanding
            if quiet and now - end > patience:  # some process cannot even finish its write
                return end
            if now - shown_at > PROGRESS_INTERVAL * 1e9:
                sent = (board.total(MESSAGES), received)
                rates = [(new - old) / (now - shown_at) * 1e9 for new, old in zip(sent, shown, strict=True)]
                deliveries = rates[1] / self.plan.mix.delivered(self.plan.wire)
                self._progress(Progress(step, (now - start) / 1e9, (end - start) / 1e9, rates[0], deliveries))
                shown_at, shown = now, sent
            if any(not process.is_alive() for process in self._processes):
                raise LoadError(ENDED)

    def _named(self, error: LoadError) -> LoadError:
        return LoadError(f"{self.plan.address}: {error}")

    def _pause(self, seconds: float) -> None:
        self._check_stop()
        time.sleep(seconds)

    def _check_stop(self) -> None:
        if self._stop():
            self.stopped = True
            raise CalledOff

    def _tell(self, what: object) -> None:
        """Send `what` to each process."""
        try:
            for control in self._controls:
                control.send(what)
        except ConnectionError:
            raise LoadError(ENDED) from None

    def _answers(self, meanwhile: Callable[[], None]) -> list[Any]:
        """The answers of all processes; `meanwhile` is called repeatedly. Raises `LoadError` if an answer is one."""
        answers: dict[Connection, Any] = {}
        while len(answers) < len(self._controls):
            for control in wait([one for one in self._controls if one not in answers], timeout=POLL_INTERVAL):
                assert isinstance(control, Connection)
                try:
                    answer = control.recv()
                except (EOFError, ConnectionError):
                    raise LoadError(ENDED) from None
                if isinstance(answer, LoadError):
                    raise self._named(answer)
                answers[control] = answer
            meanwhile()
        return [answers[control] for control in self._controls]


class _no_interrupt:
    """Processes started within do not get SIGINT before they can ignore it."""

    def __enter__(self) -> None:
        if sys.platform != "win32":
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def __exit__(self, *_: object) -> None:
        if sys.platform != "win32":
            with suppress(OSError):
                signal.pthread_sigmask(signal.SIG_SETMASK, self._before)
