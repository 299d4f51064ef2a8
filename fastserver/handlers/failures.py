"""Failures of handlers: each is logged and counted, and concerns the peer alone that the handler was called for."""

from __future__ import annotations

from collections.abc import Callable
from logging import WARNING
from typing import TYPE_CHECKING

from fastserver.errors import CloseReason
from fastserver.log.log import summary

if TYPE_CHECKING:
    from fastserver.log.log import Log
    from fastserver.peers.peer import Peer


class Failures:
    """Deals with exceptions that handlers raised.

    The peer is closed unless `keep`. `end` is called with a `SystemExit` or `KeyboardInterrupt`: the server is to end.
    """

    def __init__(self, *, keep: bool, log: Log, end: Callable[[BaseException], object]) -> None:
        self.count = 0
        """Exceptions that were raised."""
        self._keep = keep
        self._log = log
        self._end = end

    def meet(self, peer: Peer, error: BaseException, from_error_handler: bool) -> None:
        """Deal with `error`, which a handler for `peer` raised."""
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            self._log.line(
                WARNING,
                "handler for peer %(id)d %(address)s ends the program: %(error)s",
                id=peer.id,
                address=peer.address,
                error=summary(error),
            )
            self._end(error)
            return
        self.count += 1
        keep = from_error_handler or self._keep or peer.closed
        self._log.failure(
            "%(which)s failed for peer %(id)d %(address)s%(closing)s: %(error)s",
            error,
            which="error handler" if from_error_handler else "handler",
            id=peer.id,
            address=peer.address,
            closing="" if keep else ", closing it",
        )
        if not keep:
            peer.close(CloseReason.HANDLER_ERROR)
