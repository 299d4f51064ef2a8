"""Settings of the log."""

from __future__ import annotations

from typing import Final, Literal, get_args

from fastserver.config.field import setting

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

GROUP: Final = "Log"
"""The section of the help and of the manual."""

LOG_MESSAGES: Final = setting(
    GROUP,
    20,
    "Maximum number of messages logged in a second, and of lines of any other kind (at least 1); the rest is counted.",
    unit="lines",
    low=0,
    high=1_000_000,
)
QUIET: Final = setting(GROUP, False, "Log warnings and errors only.")
LOG_LEVEL: Final = setting(GROUP, "info", "Lowest level that is logged.", choices=get_args(LogLevel))
LOG_FORMAT: Final = setting(GROUP, "text", "Format of the log's lines.", choices=get_args(LogFormat))
