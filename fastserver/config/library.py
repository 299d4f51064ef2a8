"""Settings of a server in a program of your own, which the command does not have."""

from __future__ import annotations

from typing import Final, Literal, get_args

from fastserver.config.field import setting
from fastserver.config.setting import GIB, KIB

HandlerErrors = Literal["close", "keep"]

GROUP: Final = "Library"
"""The section of the help and of the manual."""

MAX_WAITING: Final = setting(
    GROUP,
    256 * KIB,
    "A peer of which more than this waits for async handlers is not read until they have caught up.",
    unit="bytes",
    low=1,
    high=GIB,
    command=False,
)
HANDLER_ERRORS: Final = setting(
    GROUP,
    "close",
    "Treatment of a peer whose handler raises: close it, or keep it.",
    choices=get_args(HandlerErrors),
    command=False,
)
