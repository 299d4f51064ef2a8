"""The delivery of batches, and the peers that it leaves behind, as far as the tick and the flush depend on them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING, Protocol

from fastserver.fanout.batch import Remainder

if TYPE_CHECKING:
    from fastserver.fanout.batch import Batch
    from fastserver.fanout.limit import Limit
    from fastserver.fanout.member import Receiver
    from fastserver.fanout.parts import Part
    from fastserver.fanout.view import View


class Delivery(Remainder, Protocol):
    """Does all but the sending of a single batch (see flush.py)."""

    def write_several(self, batches: list[Batch], /) -> None: ...

    def settle(self, batches: Sequence[Batch], /) -> None: ...

    def not_written(self, batches: Sequence[Batch], error: BaseException, /) -> None: ...

    def lose(self, view: View, error: BaseException, /) -> None: ...


class Stalled(Protocol):
    """The peers that are behind (see behind.py)."""

    @property
    def peers(self) -> Set[Receiver]:
        """The peers; the same set always."""

    @property
    def limit(self) -> Limit: ...

    def __contains__(self, peer: object, /) -> bool: ...

    def add(self, peer: Receiver, parts: Sequence[Part], messages: int, largest: int, /) -> None:
        """The link of `peer` has not passed on all of `parts`, which were written last."""

    def check(self) -> None:
        """Look at all, of which some may be over the limit by now."""

    def check_memory(self) -> None:
        """Look at what is held for all, which may be too much by now."""
