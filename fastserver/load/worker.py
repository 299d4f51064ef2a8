"""A process of the load: its connections, run after run."""

from __future__ import annotations

import gc
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from fastserver.load.board import RECEIVERS, SENDERS, Board
from fastserver.load.checking import Checking
from fastserver.load.counting import Counting
from fastserver.load.errors import LoadError
from fastserver.load.link import Link, Target, open_links
from fastserver.load.plan import Plan
from fastserver.load.probing import receive_probes
from fastserver.load.traffic import Tally, Traffic
from fastserver.load.wire import Role
from fastserver.process.descriptors import raise_limit


@dataclass(frozen=True)
class Order:
    """A run to take part in: a checking one at `rate` messages a second, or one for throughput if that is None."""

    rate: float | None = None


def work(plan: Plan, index: int, target: Target, memory: Any, control: Connection) -> None:
    """Be process `index` of a load, until the other end of `control` is closed.

    The answer to an `Order` is None once the connections are open, and None again once all have got the last probe, or
    a `LoadError`. The answer to a start and an end is the `Tally` of the run.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this process
    raise_limit()
    gc.disable()
    if plan.processors is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, plan.processors)
    board = Board(memory, index)
    try:
        while True:
            _take_part(plan, index, target, board, control, control.recv())
    except (EOFError, ConnectionError):
        return


def _take_part(plan: Plan, index: int, target: Target, board: Board, control: Connection, order: Order) -> None:
    links: list[Link] = []
    try:
        links = open_links(target, plan.wire, [one for one in roles(plan) if one[0] % plan.processes == index])
        board.mine[RECEIVERS] = sum(link.role.receives for link in links)
        board.mine[SENDERS] = sum(link.role.sends for link in links)
        control.send(None)
        receive_probes(links, plan.wire, board, control.fileno())
        control.send(None)
        when = control.recv()
        if when is not None:
            control.send(_run(plan, board, links, control.fileno(), order, *when))
    except LoadError as error:
        control.send(error)
    except ValueError as error:  # a stamp that the framing cannot hold, such as its delimiter
        control.send(LoadError(f"a message cannot be sent in {plan.wire.name}: {error}"))
    finally:
        for link in links:
            link.close()


def _run(plan: Plan, board: Board, links: list[Link], control: int, order: Order, start: int, end: int) -> Tally:
    traffic: Traffic
    if order.rate is None:
        traffic = Counting(plan, board, links, control, start)
    else:
        traffic = Checking(plan, board, links, control, order.rate, start)
    gc.collect()
    return traffic.run(start, end)


def roles(plan: Plan) -> list[tuple[int, Role]]:
    """Each connection's number and role."""
    if plan.both:
        return [(number, Role.BOTH) for number in range(plan.both)]
    return [(number, Role.SEND if number < plan.senders else Role.RECEIVE) for number in range(plan.connections)]
