"""Probing, before a run: makes sure that the server has accepted every connection.

Probes are sent until every receiver has got one, then a last one. A receiver that got the last one has nothing left to
read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from fastserver.load.board import CLOSED, OVER, REACHED, READY, RECEIVERS, Board
from fastserver.load.errors import LoadError
from fastserver.load.link import Link
from fastserver.load.poll import Poll
from fastserver.load.wire import SMALLEST, Wire

PROBE: Final = b"probe"
LAST: Final = b"last"
AGAIN: Final = 0.05
"""Seconds between probes."""
TIMEOUT: Final = 10.0
"""Seconds within which every receiver has to get a probe."""


def receive_probes(links: Sequence[Link], wire: Wire, board: Board, control: int) -> None:
    """Read until all `links` that receive have got the last probe, or the run is called off.

    `control` is a descriptor on which nothing comes meanwhile; SystemExit once something does.
    """
    last = wire.deliver(wire.payload(SMALLEST, LAST))
    by_descriptor = {link.descriptor: link for link in links}
    tails: dict[int, bytes] = {}
    wanted = sum(link.role.receives for link in links)
    poll = Poll()
    for descriptor in (*by_descriptor, control):
        poll.register(descriptor)
    while board.mine[READY] < wanted and not board.orders[OVER]:
        for descriptor, _ in poll.wait(AGAIN):
            if descriptor == control:
                raise SystemExit(1)
            link = by_descriptor[descriptor]
            try:
                data = link.receive()
            except BlockingIOError:
                continue
            except (OSError, EOFError):
                board.mine[CLOSED] += 1
                poll.unregister(descriptor)
                continue
            if link.role.receives and data:
                board.mine[REACHED] += descriptor not in tails
                tails[descriptor] = (tails.get(descriptor, b"") + data)[-len(last) :]
                board.mine[READY] += tails[descriptor] == last
    poll.close()


def send_probes(prober: Link, wire: Wire, board: Board, where: str, pause: Callable[[float], None]) -> None:
    """Send probes from `prober` until all receivers on the `board` are ready.

    `where` names the server in errors, `pause` waits the seconds it is given. Raises `LoadError` if the server passes
    nothing on, or closes a connection.
    """
    receivers = board.total(RECEIVERS)
    deadline = time.monotonic() + TIMEOUT
    last = False
    while board.total(READY) < receivers:
        if board.total(CLOSED):
            raise LoadError(f"{where}: the server closed {board.total(CLOSED)} of the connections before the run began")
        if time.monotonic() > deadline:
            received = board.total(READY if last else REACHED)
            raise LoadError(
                f"{where}: the server passed nothing on to {receivers - received} of {receivers} receivers "
                f"within {TIMEOUT:g} s; does it speak {wire.name}?"
            )
        try:
            with suppress(BlockingIOError):
                prober.receive()
            if not last:
                last = board.total(REACHED) == receivers
                prober.socket.send(wire.publish(wire.payload(SMALLEST, LAST if last else PROBE)))
        except (OSError, EOFError):
            raise LoadError(
                f"{where}: the server closed a connection that published; does it speak {wire.name}?"
            ) from None
        pause(AGAIN)
