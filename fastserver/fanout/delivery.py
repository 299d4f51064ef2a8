"""The delivery of batches, as far as the tick depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from fastserver.fanout.batch import Remainder

if TYPE_CHECKING:
    from fastserver.fanout.batch import Batch
    from fastserver.fanout.view import View


class Delivery(Remainder, Protocol):
    """Does all but the sending of a single batch (see flush.py)."""

    def write_several(self, batches: list[Batch], /) -> None: ...

    def settle(self, batches: Sequence[Batch], /) -> None: ...

    def flushed(self, batches: Sequence[Batch], /) -> None: ...

    def not_written(self, batches: Sequence[Batch], error: BaseException, /) -> None: ...

    def lose(self, view: View, error: BaseException, /) -> None: ...
