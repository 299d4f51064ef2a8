"""Losses: messages that peers sent and that some or all of the others did not get, counted by sender, and logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from logging import WARNING
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastserver.framing.framing import Framing
    from fastserver.log.log import Log

NOBODY: Final = 0
"""The id of the program, which no peer has. Messages of peers that are gone count under it too."""


class Losses:
    """The messages lost, by the id of the peer that sent them, one of those `connected`."""

    def __init__(self, log: Log, connected: Container[int]) -> None:
        self.skipped: Counter[int] = Counter()
        """Messages that went no further (`oversize`, `invalid_text`)."""
        self.untranslatable: Counter[int] = Counter()
        """Messages that peers of another framing did not get, once for each framing; those of `NOBODY` too."""
        self._log = log
        self._connected = connected

    def skip(self, id: int, address: str, messages: int, fault: object) -> None:
        """Count and log messages of the peer `id` that were left out; `fault` says what is wrong with the first."""
        self.skipped[id] += messages
        self._log.line(
            WARNING,
            "peer %(id)d %(address)s sent an invalid message, skipped%(more)s: %(error)s",
            id=id,
            address=address,
            more="" if messages == 1 else f" with {messages - 1} more",
            error=str(fault),
        )

    def cannot_translate(self, id: int, framing: Framing, messages: int) -> None:
        """Count and log messages of the peer `id`, or of the program, that cannot be put into `framing`."""
        self.untranslatable[id if id in self._connected else NOBODY] += messages
        self._log.line(
            WARNING,
            ("the program" if id == NOBODY else "peer %(id)d")
            + " sent what cannot be put into %(mode)s: %(messages)d messages are lost for those peers",
            id=id,
            mode=framing.name,
            messages=messages,
        )

    def forget(self, id: int) -> None:
        """Count nothing more for the peer `id`, which is gone."""
        self.skipped.pop(id, None)
        self.untranslatable.pop(id, None)
