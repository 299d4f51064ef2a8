"""The sequencer: decides the one order in which what several processes publish is brought to peers.

A server that is one process has none: the order of the calls is the order. Otherwise the pieces that were published in
a tick are submitted instead of collected, and are collected when they come back among those of others. What they are
offered to, and who is left out, is decided then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from fastserver.fanout.member import Receiver
from fastserver.fanout.view import View

PIECE: Final = 200
"""Bytes of memory that a piece takes beside its frames."""


class Piece(NamedTuple):
    """Something that was published by one call."""

    view: View
    """The view whose framing the frames have."""
    left_out: tuple[Receiver, ...]
    """Peers that are not offered it, whether they are in the channel or not."""
    frames: bytes
    messages: int
    number: int = 0
    """The id of the peer that sent them; 0 if none did."""


class Sequencer(Protocol):
    """Puts the pieces of all into one order."""

    def submit(self, number: int, pieces: Sequence[Piece]) -> None:
        """Take the pieces that this process published in a tick. Later, `Flush.sequenced` is called with them, under
        the same number, in their place among those of others; never from within this call.
        """


class Submitted:
    """The pieces of this process that were submitted and have not come back, batch by batch."""

    def __init__(self) -> None:
        self.bytes = 0
        """How large their frames are."""
        self.pieces = 0
        """How many they are."""
        self._number = 0
        self._batches: deque[tuple[int, Sequence[Piece]]] = deque()

    def add(self, pieces: Sequence[Piece]) -> int:
        """Keep `pieces`, and give them a number."""
        self._number += 1
        self._batches.append((self._number, pieces))
        self.bytes += _size(pieces)
        self.pieces += len(pieces)
        return self._number

    def take(self, number: int) -> Sequence[Piece]:
        """The oldest batch, which has come back. Raises ValueError if it has not that number: the order is broken."""
        expected, pieces = self._batches[0] if self._batches else (0, ())
        if number != expected:
            raise ValueError(f"batch {number} came back where batch {expected} was due")
        self._batches.popleft()
        self.bytes -= _size(pieces)
        self.pieces -= len(pieces)
        return pieces


def _size(pieces: Sequence[Piece]) -> int:
    return sum([len(piece.frames) for piece in pieces])
