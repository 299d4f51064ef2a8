"""Before a run: making sure that the server has accepted every connection.

Probes are published until every receiver has got one, then a last one. A receiver that got the last one has nothing
left to read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from fastserver.load.board import CLOSED, OVER, REACHED, RECEIVERS, SETTLED, Board
from fastserver.load.errors import LoadError
from fastserver.load.link import Link
from fastserver.load.poll import Poll
from fastserver.load.wire import SMALLEST, Wire

PROBE: Final = b"probe"
LAST: Final = b"last"
AGAIN: Final = 0.05
"""Seconds after which to publish another probe."""
TIMEOUT: Final = 10.0
"""Seconds in which every receiver has to get a probe."""


def settle(links: Sequence[Link], wire: Wire, board: Board, control: int) -> None:
    """Read until all `links` that receive have got the last probe, or the run is called off."""
    last = wire.deliver(wire.payload(SMALLEST, LAST))
    by_descriptor = {link.descriptor: link for link in links}
    tails: dict[int, bytes] = {}
    wanted = sum(link.role.receives for link in links)
    poll = Poll()
    for descriptor in (*by_descriptor, control):
        poll.register(descriptor)
    while board.mine[SETTLED] < wanted and not board.orders[OVER]:
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
                board.mine[SETTLED] += tails[descriptor] == last
    poll.close()


def probe(prober: Link, wire: Wire, board: Board, where: str, pause: Callable[[float], None]) -> None:
    """Publish probes from `prober` until all receivers on the `board` have settled. Raises `LoadError`.

    `pause` waits the seconds it is given.
    """
    receivers = board.total(RECEIVERS)
    deadline = time.monotonic() + TIMEOUT
    last = False
    while board.total(SETTLED) < receivers:
        if board.total(CLOSED):
            raise LoadError(f"{where}: the server closed {board.total(CLOSED)} of the connections before the run began")
        if time.monotonic() > deadline:
            heard = board.total(SETTLED if last else REACHED)
            raise LoadError(
                f"{where}: the server passed nothing on to {receivers - heard} of {receivers} receivers "
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
