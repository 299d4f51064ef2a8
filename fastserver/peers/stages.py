"""The stages of a connection on its way to the end: which events there are in each, where they lead, and what is done.

An event that a stage does not have changes nothing there. The end of the peer's own stream is a fact beside the stage:
it may come at any time, and only says that there is nothing more of it to wait for.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto
from typing import Final, NamedTuple


class Stage(IntEnum):
    """How far a connection is from its end. From `DEAF` on there is a reason, and what it sends is thrown away."""

    OPEN = 0
    """The peer sends and receives."""
    HALF_CLOSED = 1
    """The peer's stream has ended; the peer still receives."""
    READ_ONLY = 2
    """A write failed. The peer is read to the end of its stream, and receives nothing more."""
    DEAF = 3
    """The connection is to be closed, but not yet. The peer still receives."""
    DRAINING = 4
    """The peer is offered nothing more, and takes what is pending."""
    FINISHED = 5
    """The peer has taken everything, and our half of the connection has ended. The end of its own half is awaited."""
    CUT = 6
    """The transport is closing, and will say that the connection is lost."""
    CLOSED = 7
    """The connection is gone."""


OFFERED: Final = (Stage.OPEN, Stage.HALF_CLOSED, Stage.DEAF)
"""The stages in which a peer is offered messages."""


class Event(Enum):
    """The things that may happen to a connection."""

    CLOSE = auto()
    """The connection is to end without loss."""
    CUT_OFF = auto()
    """The connection is to end with a last word, without what its link was not given."""
    TURN_AWAY = auto()
    """The peer was not let in, and is told why."""
    ABORT = auto()
    """The connection is to end at once."""
    DEAFEN = auto()
    """The connection is to end soon, and nothing more that the peer sends is to be passed on."""
    ENDED = auto()
    """The peer's stream has ended."""
    EMPTIED = auto()
    """The peer's link has passed on everything."""
    ACKNOWLEDGED = auto()
    """The peer's system has acknowledged everything, and its stream has ended."""
    WRITE_FAILED = auto()
    """Nothing more can be written to it."""
    LOST = auto()
    """The loop says that the connection is gone."""


class Do(Enum):
    """The things done on the way (see closing.py)."""

    DEAFEN = auto()
    """Read it on, whatever it was not read for."""
    HALF_CLOSE = auto()
    """Pass on what is left of its stream, and have the server say for how long it may still receive."""
    REFILL = auto()
    """Give its link more of what is pending."""
    DRAIN = auto()
    """Write all that is pending."""
    DRAIN_HELD = auto()
    """Write a last word after what its link was given."""
    TURN_AWAY = auto()
    """Write a last word, and close the connection."""
    FINISH = auto()
    """End our half of the connection."""
    AWAIT_END = auto()
    """Look whether there is anything left to wait for."""
    CLOSE = auto()
    """Close the connection, of which both halves have ended."""
    CUT = auto()
    """Drop what is pending, and close the connection; with a reset, unless its peer has taken everything."""
    CUT_AGAIN = auto()
    """Wait no longer for a transport that closes in order."""
    READ_ON = auto()
    """Drop what is pending, and read it to the end of its stream."""
    END_READING = auto()
    """Pass on what is left of its stream, and close the connection."""
    LOSE = auto()
    """Drop what it has not got, and tell the server once everything it sent was passed on."""
    DROP_HELD_BACK = auto()
    """Throw away what it sent and was not passed on yet."""


class Step(NamedTuple):
    """Where an event leads, and what is done on the way."""

    stage: Stage
    do: Do


DRAIN: Final = Step(Stage.DRAINING, Do.DRAIN)
DRAIN_HELD: Final = Step(Stage.DRAINING, Do.DRAIN_HELD)
DEAFEN: Final = Step(Stage.DEAF, Do.DEAFEN)
CUT: Final = Step(Stage.CUT, Do.CUT)
LOSE: Final = Step(Stage.CLOSED, Do.LOSE)

TABLE: Final[dict[int, dict[Event, Step]]] = {
    Stage.OPEN: {
        Event.CLOSE: DRAIN,
        Event.CUT_OFF: DRAIN_HELD,
        Event.TURN_AWAY: Step(Stage.CUT, Do.TURN_AWAY),
        Event.ABORT: CUT,
        Event.DEAFEN: DEAFEN,
        Event.ENDED: Step(Stage.HALF_CLOSED, Do.HALF_CLOSE),
        Event.EMPTIED: Step(Stage.OPEN, Do.REFILL),
        Event.WRITE_FAILED: Step(Stage.READ_ONLY, Do.READ_ON),
        Event.LOST: LOSE,
    },
    Stage.HALF_CLOSED: {
        Event.CLOSE: DRAIN,
        Event.CUT_OFF: DRAIN_HELD,
        Event.ABORT: CUT,
        Event.DEAFEN: DEAFEN,
        Event.EMPTIED: Step(Stage.HALF_CLOSED, Do.REFILL),
        Event.WRITE_FAILED: CUT,
        Event.LOST: LOSE,
    },
    Stage.READ_ONLY: {
        Event.CLOSE: CUT,
        Event.CUT_OFF: CUT,
        Event.ABORT: CUT,
        Event.DEAFEN: CUT,
        Event.ENDED: Step(Stage.READ_ONLY, Do.END_READING),
        Event.LOST: LOSE,
    },
    Stage.DEAF: {
        Event.CLOSE: DRAIN,
        Event.CUT_OFF: DRAIN_HELD,
        Event.ABORT: CUT,
        Event.EMPTIED: Step(Stage.DEAF, Do.REFILL),
        Event.WRITE_FAILED: CUT,
        Event.LOST: LOSE,
    },
    Stage.DRAINING: {
        Event.ABORT: CUT,
        Event.EMPTIED: Step(Stage.FINISHED, Do.FINISH),
        Event.WRITE_FAILED: CUT,
        Event.LOST: LOSE,
    },
    Stage.FINISHED: {
        Event.ABORT: CUT,
        Event.ENDED: Step(Stage.FINISHED, Do.AWAIT_END),
        Event.ACKNOWLEDGED: Step(Stage.CUT, Do.CLOSE),
        Event.WRITE_FAILED: CUT,
        Event.LOST: LOSE,
    },
    Stage.CUT: {
        Event.ABORT: Step(Stage.CUT, Do.CUT_AGAIN),
        Event.LOST: LOSE,
    },
    Stage.CLOSED: {
        Event.ABORT: Step(Stage.CLOSED, Do.DROP_HELD_BACK),
    },
}
