"""Why a peer is not read for now. Several causes may hold at once: it is read again when all are over."""

from __future__ import annotations

from typing import Final


class Pause:
    """Causes, as bits."""

    NONE: Final = 0
    ALL: Final = -1
    TICK: Final = 1
    """The last read came full: the peer is paused until the flush."""
    INBOX: Final = 2
    """The async handlers for the peer are behind."""
    PACE: Final = 4
    """Some peer is behind, but catching up."""
    BLOCK: Final = 8
    """Some peer is at its limit, and the policy is to wait for it."""
    RATE: Final = 16
    """The peer sent more than its rate allows."""
    SEQUENCE: Final = 32
    """Too much waits for the sequencer."""
