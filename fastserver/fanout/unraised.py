"""Errors that are not raised to those who publish, whom they may not concern: the loop's exception handler is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from fastserver.clock import Clock


class Unraised:
    """Tells the loop of an error, once in a turn."""

    __slots__ = ("_clock", "_noted")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._noted = False  # an error, in this turn

    def note(self, error: BaseException) -> None:
        """Have the loop told of `error`, unless another comes first. Raises nothing."""
        if not self._noted:
            self._noted = True
            try:
                self._clock.call_soon(self._raise, error)
            except BaseException:  # nobody is left to tell
                self._noted = False

    def _raise(self, error: BaseException) -> NoReturn:
        self._noted = False
        raise error
