"""logger, which sends syslog messages over TCP, a line each."""

from __future__ import annotations

import pytest
from conftest import StartProgram
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
