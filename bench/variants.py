"""Other ways to set up and use fastserver, and servers to compare its handlers with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from contest import Contestant
from rivals import FASTSERVER, LINES, YARDSTICK, fastserver, script

from fastserver.load.wire import WIRES, Wire


def _variant(name: str, command: Callable[[Path, int], Sequence[str]], wire: Wire, settings: str) -> Contestant:
    return replace(FASTSERVER, name=name, command=command, wire=wire, settings=settings)


INTERVALS: Final = (
    FASTSERVER,
    *(
        _variant(
            f"fastserver, {milliseconds} ms",
            fastserver("--flush-interval", f"{milliseconds / 1000:g}"),
            LINES,
            f"--flush-interval {milliseconds / 1000:g}: messages that come within that time go out together",
        )
        for milliseconds in (1, 2, 5, 10)
    ),
)
"""fastserver with no flush interval, and with longer and longer ones."""
MODES: Final = (
    FASTSERVER,
    YARDSTICK,
    *(
        _variant(mode, fastserver("--mode", mode), WIRES[mode], f"fastserver --mode {mode}")
        for mode in WIRES
        if mode != LINES.name
    ),
)
"""fastserver in each mode, and the yardstick."""
HANDLING: Final = tuple(
    _variant(name, script("handling.py", name), LINES, settings)
    for name, settings in (
        ("on_message", "fastserver, called for each message"),
        ("on_message, payload", "the same, and looks at the payload: its bytes are cut out only then"),
        ("on_messages", "fastserver, called for those that one read brought"),
        ("on_messages, payload", "the same, and looks at the payload of each"),
        ("readline", "asyncio.start_server and readline"),
        ("bytes.split", "a protocol by hand, with bytes.split"),
    )
)
"""Servers that call a Python function for each line, all on uvloop."""
BROADCASTING: Final = (
    FASTSERVER,
    _variant("by a handler", script("handling.py", "broadcast"), LINES, "fastserver, on_message which broadcasts"),
)
"""fastserver, and fastserver with a handler that broadcasts each message, as the server does by itself."""
