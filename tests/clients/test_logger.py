"""logger, which sends syslog messages over TCP, a line each or octet-counted."""

from __future__ import annotations

import pytest
from conftest import Serve, StartProgram
from support.conversation import Conversation, read_counted
from support.requirements import required_program
from support.server_process import ServerProcess


def logger() -> str:
    return required_program("logger", "bsdutils")


@pytest.mark.parametrize("form", ["--rfc3164", "--rfc5424", "--rfc5424=notime"])
def test_messages(server: ServerProcess, start_program: StartProgram, form: str) -> None:
    """Each call is one line, whichever syslog format it has."""
    listener = server.connect()
    for number in range(3):
        sent = start_program(
            *(logger(), "--tcp", "--server", "127.0.0.1", "--port", str(server.port), form),
            *("--priority", "local0.warning", "--tag", "kitchen", f"reading {number}"),
        )
        assert sent.wait() == 0, str(sent.errors)
        line = listener.read_line()
        assert line.startswith(b"<132>")
        assert b" kitchen" in line
        assert line.endswith(b"reading %d\n" % number)


def test_standard_input(server: ServerProcess, start_program: StartProgram) -> None:
    """Every line it reads arrives, in order."""
    listener = server.connect()
    where = ("--server", "127.0.0.1", "--port", str(server.port))
    sent = start_program(logger(), "--tcp", *where, "--rfc3164", "--tag", "t")
    for number in range(500):
        sent.type(b"reading %d\n" % number)
    sent.end_input()
    assert sent.wait() == 0, str(sent.errors)
    for number in range(500):
        assert listener.read_line().partition(b" t: ")[2] == b"reading %d\n" % number


@pytest.mark.parametrize("mode", ["octet", "syslog"])
def test_octet_counting(serve: Serve, start_program: StartProgram, mode: str) -> None:
    """Each message is counted, whatever is in it; peers of all framings receive it in theirs."""
    conversation = Conversation(serve, "octet", "syslog", "lines")
    where = ("--server", "127.0.0.1", "--port", str(conversation.ports[mode]))
    sent = start_program(logger(), "--tcp", "--octet-count", *where, "--tag", "kitchen", "two\nlines")
    assert sent.wait() == 0, str(sent.errors)
    payload = read_counted(conversation.peers["octet"])
    assert payload.startswith(b"<13>1 ")
    assert payload.endswith(b"two\nlines")
    assert read_counted(conversation.peers["syslog"]) == payload
    assert conversation.peers["lines"].read_line() == payload.replace(b"\n", rb"\n") + b"\n"


def test_octet_counting_of_standard_input(serve: Serve, start_program: StartProgram) -> None:
    """Every line it reads is a message of its own, in order; nothing is between them."""
    conversation = Conversation(serve, "syslog", "lines")
    where = ("--server", "127.0.0.1", "--port", str(conversation.ports["syslog"]))
    sent = start_program(logger(), "--tcp", "--octet-count", *where, "--rfc3164", "--tag", "t")
    for number in range(500):
        sent.type(b"reading %d\n" % number)
    sent.end_input()
    assert sent.wait() == 0, str(sent.errors)
    for number in range(500):
        assert read_counted(conversation.peers["syslog"]).partition(b" t: ")[2] == b"reading %d" % number
        assert conversation.peers["lines"].read_line().partition(b" t: ")[2] == b"reading %d\n" % number


def test_lines_where_counts_are_expected(serve: Serve, start_program: StartProgram) -> None:
    """A mode of counted messages alone refuses lines, and names the mode that takes both."""
    server = serve("--mode", "octet")
    sent = start_program(logger(), "--tcp", "--server", "127.0.0.1", "--port", str(server.port), "hello")
    assert sent.wait() == 0, str(sent.errors)
    server.errors.wait_for(r"sent an invalid message: no length at offset 0: --mode syslog ")
