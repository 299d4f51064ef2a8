"""All examples: each has tests, and hostile lines harm none of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.examples import Connect, Start, says

import fastserver.examples

FOLDER = Path(fastserver.examples.__file__).parent

HOSTILE = [
    b"",
    b" ",
    b"\r",
    b"/",
    b"=",
    b"\0",
    b"\x1b]0;title\x07",
    b"\xff\xfe",
    "\u202e".encode(),
    b"x" * 250,
    b"a=\x1b[2J",
    b"a=1\r\r",
    b"SET a \x1b[2J",
    b"SET a 1\r\r",
    b"/name \x1b[2J",
    b"/name " + b"x" * 200,
    b"/join \x9b",
    b"/name",
    b"/join",
    b"/who me",
    b"SET",
    b"WAIT",
]
"""Lines that no example takes for more than text, short enough for all of them."""


def test_all_of_them_are_tested() -> None:
    names = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert names == {"bus", "chat", "commands", "embed", "telemetry"}


@pytest.mark.parametrize("name", ["chat", "commands", "telemetry"])
def test_hostile_lines(name: str, example: Start, connect: Connect) -> None:
    """They harm nobody: not their sender's connection, not those who hear of them, now or later."""
    port = example(name)
    witness, stranger = connect(port), connect(port)
    stranger.send(b"".join(line + b"\n" for line in HOSTILE))
    if name == "chat":
        says(stranger, "done")
        end = "guest-2: done"
    elif name == "commands":
        says(stranger, "SET done yes", "GET a", "KEYS")
        says(witness, "WAIT done")
        end = "OK yes"
    else:
        says(stranger, "done=yes")
        end = "done=yes"
    heard = [witness.read_line().decode()]
    while heard[-1] != f"{end}\n":
        heard.append(witness.read_line().decode())
    assert all(line[:-1].isprintable() for line in heard)
    stranger.end()
    later = connect(port)
    says(later, "/who" if name == "chat" else "PING")
    assert later.read_line()[:-1].decode().isprintable()
