"""A server within a program."""

from __future__ import annotations

from support.examples import Connect, Start, says


def test_embed(example: Start, connect: Connect) -> None:
    """Ticks of the program and of its thread arrive, beside what peers say."""
    port = example("embed")
    one, other = connect(port), connect(port)
    ticks = 0
    measured = False
    while ticks < 2 or not measured:
        line = one.read_line()
        ticks += line.startswith(b"tick ")
        measured = measured or (line.startswith(b"free ") and line[5:-1].isdigit())
    says(one, "hello")
    while other.read_line() != b"hello\n":
        pass
