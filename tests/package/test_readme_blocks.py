"""The blocks of the READMEs: Python snippets and what a terminal shows, run as they stand there but for the port."""

from __future__ import annotations

import re
import signal
import socket
import struct
import sys
from pathlib import Path

import pytest
from conftest import Serve, StartProgram
from support.child_process import ChildProcess
from support.command import COMMAND, attempt, environment
from support.connection import Connection
from support.readme import FIRST, PAGES, ROOT, blocks

import fastserver

if not FIRST.exists():
    pytest.skip("there are no READMEs here", allow_module_level=True)

SNIPPETS = ["def shout", "def enter", "to_thread", "reconnect=True", "BlockingClient("]
"""Text that is in one of the Python blocks only: each block is the snippet of a test below."""

PROGRAM = """
import asyncio
import fastserver
server = fastserver.Server(fastserver.Config(port=3000))
{}
server.run()
"""
"""Around a snippet that is a part of a program."""


def test_samples_of_the_log(serve: Serve) -> None:
    """Lines as the server writes them, but for times and ports."""
    server = serve("--port", "0")
    one, other = server.connect(), server.connect()
    server.wait_for_peers(2)
    other.send(b"Hello, server!\n")
    assert one.read_line() == b"Hello, server!\n"
    server.errors.wait_for("Hello, server!")
    written = {re.sub(r"\d+", "0", line) for line in server.log.splitlines()}
    shown = [line for page in PAGES for text in blocks(page, "text") for line in text.splitlines() if line[:2] == "20"]
    assert len(shown) == 7
    assert {re.sub(r"\d+", "0", line) for line in shown} <= written


def test_sample_of_a_log_in_json(serve: Serve) -> None:
    server = serve("--port", "0", "--log-format", "json")
    server.connect()
    line = server.errors.wait_for("^.* connected.*$")[0].decode()
    ((shown,),) = (
        [line for line in text.splitlines() if line[0] == "{"]
        for text in blocks(ROOT / "fastserver/log/README.md", "text")
        if text[0] == "{"
    )
    assert re.sub(r"\d+", "0", line).startswith(re.sub(r"\d+", "0", shown.removesuffix("…}")))


def test_sample_of_a_refusal(tmp_path: Path) -> None:
    ((typed, said),) = re.findall(
        r"^\$ fastserver (.*)\n(.*)\n$", blocks(ROOT / "fastserver/config/README.md", "console")[0]
    )
    ended = attempt(*typed.split(), folder=tmp_path)
    assert (ended.code, ended.errors) == (2, [said])


@pytest.mark.parametrize("page", [FIRST, ROOT / "fastserver/client/README.md"], ids=["first page", "clients"])
def test_sample_of_connect(serve: Serve, start_program: StartProgram, page: Path) -> None:
    """The JSON that is piped in comes out at the one that listens, and what it types is sent."""
    ((typed, piped),) = re.findall(
        r"^\$ fastserver connect --mode msgpack\n(\{.*)\n\$ echo '(.*)' \|",
        "\n".join(blocks(page, "console")),
        re.MULTILINE,
    )
    server = serve("--mode", "msgpack")
    address = f"127.0.0.1:{server.port}"
    listens = start_program(*COMMAND, "connect", "--mode", "msgpack", address, environment=environment())
    server.wait_for_peers(1)
    says = start_program(*COMMAND, "connect", "--mode", "msgpack", address, environment=environment())
    says.type(f"{piped}\n".encode())
    listens.output.wait_for(re.escape(piped))
    listens.type(f"{typed}\n".encode())
    says.output.wait_for(re.escape(typed))


# --- Python


def snippets() -> list[str]:
    return [block for page in PAGES for block in blocks(page, "python")]


def start(start_program: StartProgram, snippet: str, port: int = 0) -> ChildProcess:
    """The snippet with that in it, running; it has `port` for 3000."""
    block = next(block for block in snippets() if snippet in block)
    if "Server(" not in block and "Client(" not in block:
        block = PROGRAM.format(block)
    assert block.count("3000") == 1
    return start_program(sys.executable, "-u", "-c", block.replace("3000", str(port)), environment=environment())


def serving(start_program: StartProgram, snippet: str) -> tuple[ChildProcess, tuple[str, int]]:
    """The snippet, a server, and its address."""
    server = start(start_program, snippet)
    return server, ("127.0.0.1", int(server.errors.wait_for(r"listening on \S+:(\d+)")[1]))


def interrupt(server: ChildProcess) -> None:
    """Ctrl-C stops it, and nothing went wrong before."""
    server.signal(signal.SIGINT)
    assert server.wait() == 0
    assert "failed" not in str(server.errors)


def test_each_snippet_has_a_test() -> None:
    assert sorted([name for name in SNIPPETS if name in block] for block in snippets()) == [
        [n] for n in sorted(SNIPPETS)
    ]


def test_own_server(start_program: StartProgram) -> None:
    server, address = serving(start_program, "def shout")
    one, other = Connection(address), Connection(address)
    other.send(b"me first\n")
    assert one.read_line() == b"ME FIRST\n"
    one.send(b"hello\n")
    assert other.read_line() == b"HELLO\n"
    one.close()
    other.close()
    interrupt(server)


def test_channels(start_program: StartProgram) -> None:
    server, address = serving(start_program, "def enter")
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


def test_embedded(start_program: StartProgram) -> None:
    """Typed lines go to everyone; the end of the input ends the server."""
    server = start(start_program, "to_thread")
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


def test_client(start_program: StartProgram, serve: Serve) -> None:
    """The program prints what it receives, from a later server too."""
    server = serve()
    other = server.connect()
    client = start(start_program, "reconnect=True", server.port)
    assert other.read_line() == b"hello\n"
    other.send(b"one\n")
    client.output.wait_for("^b'one'$")
    server.stop()
    again = serve("--port", str(server.port))
    again.wait_for_peers(1)
    again.connect().send(b"two\n")
    client.output.wait_for("^b'two'$")


def test_blocking_client(start_program: StartProgram, serve: Serve) -> None:
    """The program sends a value, prints those that it receives, and ends with the server."""
    server = serve("--mode", "msgpack")
    client = start(start_program, "BlockingClient(", server.port)
    server.wait_for_peers(1)
    with fastserver.BlockingClient(f"127.0.0.1:{server.port}", mode="msgpack") as other:
        other.send({"temperature": 22})
        client.output.wait_for("^{'temperature': 22}$")
    server.stop()
    assert client.wait() == 0
