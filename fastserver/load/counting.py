"""The run that measures throughput: bytes are counted, messages are not read."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from typing import Final

from fastserver.load.board import Board
from fastserver.load.link import CHUNK, Link
from fastserver.load.mix import Write, writes
from fastserver.load.pace import FixedRate, FlatOut, Lockstep
from fastserver.load.plan import Plan
from fastserver.load.traffic import Traffic

# Linux throws away what arrived on a TCP connection without copying it.
DISCARD: Final = getattr(socket, "MSG_TRUNC", 0) if sys.platform == "linux" else 0


class Counting(Traffic):
    """Sends writes built in advance, and divides the bytes that arrived by the known length of a frame."""

    def __init__(self, plan: Plan, board: Board, links: Sequence[Link], control: int, start: int) -> None:
        super().__init__(plan, board, links, control)
        self._writes = writes(plan.wire, plan.mix, plan.batch)
        self.buffer = bytearray(CHUNK)
        self._flags = 0 if plan.address.path else DISCARD
        senders = [link for link in links if link.role.sends]
        if plan.rate is not None:
            self.pace = FixedRate(plan, plan.rate, start, senders, self.offer)
        elif plan.lockstep:
            self.pace = Lockstep(board, senders, self.offer)
        else:
            self.pace = FlatOut(
                plan, max(max(len(write.data), write.delivered) for write in self._writes), board, senders, self.offer
            )

    def next_write(self, link: Link) -> Write:
        return self._writes[link.turn % len(self._writes)]

    def take(self, link: Link) -> int:
        if link.wire.ping:
            return len(link.receive())
        size = link.socket.recv_into(self.buffer, CHUNK, self._flags)
        if not size:
            raise EOFError
        return size
