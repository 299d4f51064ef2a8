"""Counting what a load's connections receive."""

from __future__ import annotations

import socket
import time

from fastserver.client.address import Address
from fastserver.load.board import OVER, Board, shared
from fastserver.load.counting import Counting
from fastserver.load.link import Link
from fastserver.load.plan import Plan
from fastserver.load.wire import WIRES, Role


def test_messages_that_came_before_a_write_failed_count() -> None:
    """A connection that the server has closed is read to its end, though sending was first to meet that."""

    class Traffic(Counting):
        def lose(self, link: Link) -> None:
            super().lose(link)
            self.board.orders[OVER] = 1

    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        ours = socket.create_connection((host, port))
        theirs, _ = listening.accept()
        control, other = socket.socketpair()
        with ours, control, other:
            plan = Plan(Address(host, port), WIRES["lines"], all_to_all=2, check=None)
            link = Link((socket.AF_INET, (host, port)), 0, Role.BOTH, plan.wire, ours)
            start = time.monotonic_ns()
            traffic = Traffic(plan, Board(shared(2)), [link], control.fileno(), start)
            theirs.sendall(b"x" * 650)
            ours.send(b"never read")
            theirs.recv(1)
            theirs.close()
            traffic.run(start, start + 10_000_000_000)
            assert link.received == 650
