"""The numbers that the processes of a load share: each writes its own, all read the sums."""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.context import SpawnContext
from typing import Any, Final

SPAWN: Final[SpawnContext] = get_context("spawn")
"""Fresh processes: nothing of the program that measures is in them, its threads and sockets least of all."""

# The numbers of one process. Bytes are as delivered, for all receivers together unless one is named.
MESSAGES: Final = 0  # sent
PUBLISHED: Final = 1  # bytes that one receiver is to get for these messages
OWED: Final = 2  # bytes that all receivers are to get for these messages
RECEIVED: Final = 3  # bytes that the receivers of this process got
WRITTEN_OFF: Final = 4  # bytes that will not come any more
RECEIVED_AT: Final = 5  # when a receiver last got something, nanoseconds of the monotonic clock
RECEIVERS: Final = 6  # open connections that receive
SENDERS: Final = 7  # open connections that publish
CLOSED: Final = 8  # connections that the server closed
REACHED: Final = 9  # receivers that got a first probe
READY: Final = 10  # receivers that got the last probe, and have nothing left to read
DONE: Final = 11  # 1 once everything is sent
DUE: Final = 12  # deliveries expected of these messages
_COUNT: Final = 13
# Orders to all processes: 0 or 1.
STOP: Final = 0  # send no more
OVER: Final = 1  # go no further
_ORDERS: Final = 2


class Board:
    """A view of the memory that `shared` made: `mine` has the numbers of process `index`, `orders` those for all."""

    def __init__(self, memory: Any, index: int = 0) -> None:
        numbers = memoryview(memory).cast("B").cast("q")
        self._numbers = numbers[_ORDERS:]
        self.orders = numbers[:_ORDERS]
        self.mine = self._numbers[index * _COUNT : (index + 1) * _COUNT]

    def total(self, name: int) -> int:
        """The sum of a number over all processes."""
        return sum(self._numbers[name::_COUNT])

    def latest(self, name: int) -> int:
        """The maximum of a number over all processes."""
        return max(self._numbers[name::_COUNT])

    @property
    def outstanding(self) -> int:
        """Bytes that receivers are still to get, without those written off."""
        return self.total(OWED) - self.total(RECEIVED) - self.total(WRITTEN_OFF)

    def clear(self) -> None:
        """Set all numbers to 0, for another run."""
        for numbers in (self._numbers, self.orders):
            for place in range(len(numbers)):
                numbers[place] = 0


def shared(processes: int) -> Any:
    """Memory for the boards of so many processes."""
    return SPAWN.RawArray("q", _ORDERS + processes * _COUNT)
