"""The chat."""

from __future__ import annotations

from support.connection import Connection
from support.examples import Connect, Start, hears, says


def enter(port: int, connect: Connect, name: str) -> Connection:
    """Somebody of that name, in the lobby."""
    person = connect(port)
    assert person.read_line().startswith(b"* /name")
    assert person.read_line().endswith(b" came to lobby\n")
    says(person, f"/name {name}")
    assert person.read_line().endswith(f" is now {name}\n".encode())
    return person


def test_chat(example: Start, connect: Connect) -> None:
    port = example("chat")
    ann = enter(port, connect, "ann")
    bob = enter(port, connect, "bob")
    hears(ann, "* guest-2 came to lobby", "* guest-2 is now bob")
    says(bob, "hello")
    hears(ann, "bob: hello")
    says(ann, "/who")
    hears(ann, "* 2 here: ann, bob")
    says(bob, "/join den", "nobody hears this", "/who")
    hears(bob, "* bob came to den", "* 1 here: bob")
    hears(ann, "* bob left")
    says(ann, "/join den")
    hears(ann, "* ann came to den")
    hears(bob, "* ann came to den")
    says(ann, "last words", "/quit")
    assert ann.read_to_end() == b""
    hears(bob, "ann: last words")
    ann.close()
    hears(bob, "* ann left")


def test_names_in_chat(example: Start, connect: Connect) -> None:
    """A name is one's own until it is given up, by another name or by leaving; a change of room keeps it."""
    port = example("chat")
    ann, bob = enter(port, connect, "ann"), connect(port)
    hears(ann, "* guest-2 came to lobby")
    assert bob.read_line().startswith(b"* /name")
    hears(bob, "* guest-2 came to lobby")
    says(ann, "/join den")
    hears(ann, "* ann came to den")
    hears(bob, "* ann left")
    for taken in ("ann", "guest-9", "x" * 21, "<b>", "a b"):
        says(bob, f"/name {taken}")
        assert bob.read_line().startswith(b"* /name")
    says(ann, "/name eve")
    hears(ann, "* ann is now eve")
    says(bob, "/name ann")
    hears(bob, "* guest-2 is now ann")
    carl = enter(port, connect, "carl")
    bob.close()
    hears(carl, "* ann left")
    says(carl, "/name ann")
    hears(carl, "* carl is now ann")


def test_what_is_said_in_chat_cannot_act_on_a_terminal(example: Start, connect: Connect) -> None:
    port = example("chat")
    ann, bob = enter(port, connect, "ann"), enter(port, connect, "bob")
    hears(ann, "* guest-2 came to lobby", "* guest-2 is now bob")
    bob.send(b"\x1b[2J \xff \xe2\x80\xae \x07 \xc2\x9b gr\xc3\xbc\xc3\x9fe\r\n" + b"\xff" * 4096 + b"\n")
    hears(ann, "bob: ?[2J \N{REPLACEMENT CHARACTER} ? ? ? grüße", "bob: " + "\N{REPLACEMENT CHARACTER}" * 500)
