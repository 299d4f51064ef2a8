"""A sequencer that gives pieces back late, with those of another process between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from fastserver.fanout.sequencer import Piece
from fastserver.fanout.tick import Tick

HERE = 0
"""The number of the process of the server."""

ELSEWHERE = 7
"""The number of the other process."""


class LateSequencer:
    """The sequencer of the process that `tick` belongs to, and of another. A batch has its turn when the test says."""

    def __init__(self, tick: Tick) -> None:
        self._tick = tick
        self._batches: deque[tuple[int, Sequence[Piece]]] = deque()
        self._elsewhere = 0
        tick.sequencer = self

    def submit(self, number: int, pieces: Sequence[Piece]) -> None:
        self._batches.append((number, pieces))

    def __len__(self) -> int:
        """How many batches wait for their turn."""
        return len(self._batches)

    @property
    def bytes(self) -> int:
        """Bytes that wait for their turn."""
        return sum([len(piece.frames) for _, pieces in self._batches for piece in pieces])

    @property
    def due(self) -> int:
        """The number of messages in the batch whose turn is next."""
        return sum([piece.messages for piece in self._batches[0][1]])

    def give_back(self) -> None:
        """The oldest batch has its turn."""
        number, _ = self._batches.popleft()
        self._tick.sequenced(HERE, number)

    def give_back_elsewhere(self, pieces: Sequence[Piece]) -> None:
        """A batch that the other process published has its turn."""
        self._elsewhere += 1
        self._tick.sequenced(ELSEWHERE, self._elsewhere, pieces)
