"""Every Python snippet of the README, run as it stands there but for the port."""

from __future__ import annotations

import re
import signal
import socket
import struct
import sys
from pathlib import Path

import pytest
from conftest import Run, Serve
from support.program import Program
from support.running import Connection, environment

README = Path(__file__).parents[2] / "README.md"
if not README.exists():
    pytest.skip("there is no README here", allow_module_level=True)

BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)

SNIPPETS = ["def shout", "def enter", "to_thread", "reconnect=True"]
"""What is in one of the blocks only: each block is the snippet of a test below."""

PROGRAM = """
import asyncio
import fastserver
server = fastserver.Server(fastserver.Config(port=3000))
{}
server.run()
"""
"""Around a snippet that is a part of a program."""


def start(run: Run, snippet: str, port: int = 0) -> Program:
    """The snippet with that in it, running; it has `port` for 3000."""
    block = next(block for block in BLOCKS if snippet in block)
    if ".run(" not in block:
        block = PROGRAM.format(block)
    assert block.count("3000") == 1
    return run(sys.executable, "-u", "-c", block.replace("3000", str(port)), environment=environment())


def serving(run: Run, snippet: str) -> tuple[Program, tuple[str, int]]:
    """The snippet, a server, and its address."""
    server = start(run, snippet)
    return server, ("127.0.0.1", int(server.errors.wait_for(r"listening on \S+:(\d+)")[1]))


def interrupt(server: Program) -> None:
    """Ctrl-C stops it, and nothing went wrong before."""
    server.signal(signal.SIGINT)
    assert server.wait() == 0
    assert "failed" not in str(server.errors)


def test_each_snippet_has_a_test() -> None:
    assert [[name for name in SNIPPETS if name in block] for block in BLOCKS] == [[name] for name in SNIPPETS]


def test_own_server(run: Run) -> None:
    server, address = serving(run, "def shout")
    one, other = Connection(address), Connection(address)
    other.send(b"me first\n")
    assert one.read_line() == b"ME FIRST\n"
    one.send(b"hello\n")
    assert other.read_line() == b"HELLO\n"
    one.close()
    other.close()
    interrupt(server)


def test_channels(run: Run) -> None:
    server, address = serving(run, "def enter")
    one, other = Connection(address), Connection(address)
    assert (one.read_line(), other.read_line()) == (b"welcome\n", b"welcome\n")
    one.send(b"hello\n")
    assert other.read_line() == b"hello\n"
    name = one.name
    one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # to be reset by close
    one.close()
    assert other.read_line().decode() == f"{name} left: reset\n"
    other.close()
    interrupt(server)


def test_embedded(run: Run) -> None:
    """What is typed goes to everyone; the end of the input ends the server."""
    server = start(run, "to_thread")
    address = "127.0.0.1", int(server.output.wait_for(r"^listening on \S+:(\d+)$")[1])
    one, other = Connection(address), Connection(address)
    one.send(b"are you there?\n")
    assert other.read_line() == b"are you there?\n"
    other.send(b"yes\n")
    assert one.read_line() == b"yes\n"
    server.type(b"hello\n")
    assert (one.read_line(), other.read_line()) == (b"hello\n", b"hello\n")
    server.end_input()
    assert (one.read_to_end(), other.read_to_end()) == (b"", b"")
    one.close()
    other.close()
    assert server.wait() == 0


def test_client(run: Run, serve: Serve) -> None:
    """It prints what it hears, from a later server too."""
    server = serve()
    other = server.connect()
    client = start(run, "reconnect=True", server.port)
    assert other.read_line() == b"hello\n"
    other.send(b"one\n")
    client.output.wait_for("^b'one'$")
    server.stop()
    again = serve("--port", str(server.port))
    again.wait_for_peers(1)
    again.connect().send(b"two\n")
    client.output.wait_for("^b'two'$")
