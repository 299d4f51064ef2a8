"""telnet, in a terminal and in a pipe."""

from __future__ import annotations

from conftest import Serve, StartProgram
from support.conversation import Conversation
from support.requirements import required_program
from support.server_process import ServerProcess


def telnet() -> str:
    return required_program("telnet", "telnet")


def test_in_a_terminal(server: ServerProcess, start_program: StartProgram) -> None:
    """Typed text goes out with CRLF, which is passed on as it came; text that comes in is shown."""
    listener = server.connect()
    person = start_program(telnet(), "127.0.0.1", str(server.port), terminal=True)
    person.output.wait_for("Escape character is")
    server.wait_for_peers(2)
    person.type(b"typed by hand\r")
    assert listener.read_line() == b"typed by hand\r\n"
    server.errors.wait_for(r"Received message from 2 127\.0\.0\.1:\d+: typed by hand$")
    listener.send(b"shown to a person\r\n")
    person.output.wait_for("shown to a person")
    person.type(b"\x1d")
    person.output.wait_for("telnet> ")
    person.type(b"quit\r")
    person.output.wait_for("Connection closed")
    assert person.wait() == 0
    # Only a write shows that it is gone for good, and has not only ended what it sends.
    listener.send(b"anyone?\n")
    server.errors.wait_for("Received message from 1 .*: anyone")
    listener.send(b"nobody\n")
    server.errors.wait_for(r"peer 2 127\.0\.0\.1:\d+ disconnected: (eof|reset); 1 messages")


def test_in_a_pipe(server: ServerProcess, start_program: StartProgram) -> None:
    """As a program in a script: its line arrives with CRLF, and it hears the others."""
    listener = server.connect()
    script = start_program(telnet(), "127.0.0.1", str(server.port))
    script.output.wait_for("Escape character is")
    server.wait_for_peers(2)
    script.type(b"from a pipe\n")
    assert listener.read_line() == b"from a pipe\r\n"
    listener.send(b"into a pipe\n")
    script.output.wait_for("^into a pipe$")


def test_negotiation(serve: Serve, start_program: StartProgram) -> None:
    """A server of the framing `telnet` answers what is negotiated, and nobody else sees any of it."""
    conversation = Conversation(serve, "telnet", "lines")
    person = start_program(telnet(), "127.0.0.1", str(conversation.ports["telnet"]), terminal=True)
    person.output.wait_for("Escape character is")
    conversation.server.wait_for_peers(3)
    person.type(b"\x1d")
    person.output.wait_for("telnet> ")
    person.type(b"toggle options\r")
    person.output.wait_for("Will show option processing")
    person.type(b"\x1d")
    person.output.wait_for("telnet> ")
    person.type(b"send will naws\r")
    person.output.wait_for("RCVD DONT NAWS")
    person.type(b"and then typed\r")
    assert conversation.peers["lines"].read_line() == b"and then typed\n"
    conversation.peers["lines"].send(b"shown \xff to a person\n")
    person.output.wait_for("shown .* to a person")
