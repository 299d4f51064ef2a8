"""The numbers that the processes of a load share: each writes its own, all read the sums."""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.context import SpawnContext
from typing import Any, Final

SPAWN: Final[SpawnContext] = get_context("spawn")
"""Fresh processes: nothing of the program that measures is in them, its threads and sockets least of all."""

# What each process says of itself. Bytes are those that receivers get, all receivers together unless it says one.
MESSAGES: Final = 0  # sent
PUBLISHED: Final = 1  # bytes that one receiver is to get for them
OWED: Final = 2  # bytes that all are to get for them
HEARD: Final = 3  # bytes that its own receivers got
WRITTEN_OFF: Final = 4  # bytes that will not come any more
HEARD_AT: Final = 5  # when something was heard last, nanoseconds of the monotonic clock
RECEIVERS: Final = 6  # its connections that hear, without those that were closed
SENDERS: Final = 7  # its connections that publish, without those that were closed
CLOSED: Final = 8  # connections of its own that the server closed
REACHED: Final = 9  # receivers that have heard a first probe
SETTLED: Final = 10  # receivers that have heard the last probe
DONE: Final = 11  # 1 once it has sent all that it will
DUE: Final = 12  # deliveries that its messages are to become
_COUNT: Final = 13
# What is said to all of them: 0 or 1.
STOP: Final = 0  # send no more
OVER: Final = 1  # go no further
_ORDERS: Final = 2


class Board:
    """A view on what `shared` gave. `mine` are the numbers of process `index`, `orders` what is said to all."""

    def __init__(self, memory: Any, index: int = 0) -> None:
        numbers = memoryview(memory).cast("B").cast("q")
        self._numbers = numbers[_ORDERS:]
        self.orders = numbers[:_ORDERS]
        self.mine = self._numbers[index * _COUNT : (index + 1) * _COUNT]

    def total(self, name: int) -> int:
        """The sum of what all processes say."""
        return sum(self._numbers[name::_COUNT])

    def latest(self, name: int) -> int:
        """The greatest of what all processes say."""
        return max(self._numbers[name::_COUNT])

    @property
    def outstanding(self) -> int:
        """Bytes that receivers have yet to hear, as far as they can come at all."""
        return self.total(OWED) - self.total(HEARD) - self.total(WRITTEN_OFF)

    def clear(self) -> None:
        """For another run."""
        for numbers in (self._numbers, self.orders):
            for place in range(len(numbers)):
                numbers[place] = 0


def shared(processes: int) -> Any:
    """Memory for the boards of so many processes."""
    return SPAWN.RawArray("q", _ORDERS + processes * _COUNT)
