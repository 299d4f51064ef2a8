"""The command under signals: from before it listens until after its last line of log."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import Serve, StartProgram
from support.command import environment, standard_loop
from support.connection import Connection
from support.deadline import DEADLINE
from support.server_process import server_with_unread_log

LOOPS = pytest.mark.parametrize("wrapper", [(), standard_loop()], ids=["uvloop", "asyncio"])


def talk(address: tuple[str, int] | str) -> tuple[Connection, Connection]:
    """Two peers that have heard each other."""
    one, other = Connection(address), Connection(address)
    other.send(b"ready\n")  # who speaks was let in, and so was who came before
    assert one.read_line() == b"ready\n"
    one.send(b"ready\n")
    assert other.read_line() == b"ready\n"
    return one, other


@LOOPS
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_stop_in_order(serve: Serve, wrapper: tuple[str, ...], number: int) -> None:
    """The signal of a terminal that closes is like the others: peers get what was said, then the end of the stream."""
    server = serve(wrapper=wrapper)
    one, other = talk(server.address)
    one.send(b"last words\n")
    assert other.read_line() == b"last words\n"
    server.signal(number)
    assert one.read_to_end() == other.read_to_end() == b""
    one.close()
    other.close()
    assert server.wait() == 0
    assert " INFO stopped: 2 peers served, 3 messages in, 3 out, 0 dropped" in server.whole_log().splitlines()[-1]


def test_hangup_that_is_ignored(serve: Serve) -> None:
    """Under nohup the server outlives its terminal."""
    server = serve(wrapper=("sh", "-c", 'trap "" HUP && exec "$0" "$@"'))
    server.signal(signal.SIGHUP)
    with contextlib.ExitStack() as stack:
        for connection in talk(server.address):
            stack.callback(connection.close)
        assert "draining" not in server.log
    server.stop()


@LOOPS
def test_spare_signal(serve: Serve, wrapper: tuple[str, ...]) -> None:
    """The signal does nothing but to be named in the log."""
    server = serve(wrapper=wrapper)
    server.signal(signal.SIGUSR2)
    server.errors.wait_for(" INFO SIGUSR2 does nothing here$")
    server.connections += talk(server.address)
    server.stop()


@LOOPS
@pytest.mark.parametrize("options", [("--quiet",), ("--log-level", "error"), ("--log-messages", "0")])
def test_report_that_was_asked_for(serve: Serve, wrapper: tuple[str, ...], options: tuple[str, ...]) -> None:
    """A report is written whatever the level of the log, and however often."""
    server = serve(*options, wrapper=wrapper)
    server.connections += talk(server.address)
    for count in range(1, 4):
        server.signal(signal.SIGUSR1)
        server.errors.wait_for_count(" INFO report: 2 peers connected, 2 since start, 2 messages", count)
    server.stop()


@LOOPS
def test_late_signals(tmp_path: Path, wrapper: tuple[str, ...]) -> None:
    """While the last lines of a log wait for their reader, and until the process is gone, signals do no harm."""
    with server_with_unread_log("--log-messages", "1000000", folder=tmp_path, wrapper=wrapper) as (process, port, log):
        one, other = talk(("127.0.0.1", port))
        with contextlib.closing(one), contextlib.closing(other):
            lines = b"".join(b"line %d, long enough to fill a pipe in time\n" % number for number in range(10_000))
            one.send(lines)
            assert other.read(len(lines)) == lines
            process.send_signal(signal.SIGTERM)
            assert one.read_to_end() == other.read_to_end() == b""
        while process.poll() is None:
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.001)
        assert process.returncode == 0
        rest = b""
        while chunk := log.recv(65536):
            rest += chunk
        assert b"Traceback" not in rest


PROGRAM = """
    import os, signal, sys
    if {standard}:
        sys.modules["uvloop"] = None
    import fastserver


    class Server(fastserver.Server):
        async def start(self):
            for name in {names}:
                os.kill(os.getpid(), getattr(signal, name))
            await super().start()


    before = [signal.getsignal(number) for number in signal.valid_signals()]
    Server(fastserver.Config(port=0)).run()
    assert [signal.getsignal(number) for number in signal.valid_signals()] == before
    print("went on")
"""


@pytest.mark.parametrize("standard", [False, True], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("stop", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_early_signal(start_program: StartProgram, tmp_path: Path, standard: bool, stop: str) -> None:
    """Signals that come before the server listens count; when it has run, all are handled as before."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM).format(standard=standard, names=["SIGUSR1", "SIGUSR2", stop]))
    ended = start_program(sys.executable, program, environment=environment())
    assert ended.wait() == 0, str(ended.errors)
    log = ended.errors.wait_for_end().decode()
    assert re.search("listening on .*\n(.*\n)*.*report: 0 peers connected.*\n(.*\n)*.*stopped: 0 peers", log), log
    assert ended.output.wait_for_end() == b"went on\n"


def test_second_signal_while_starting(start_program: StartProgram, tmp_path: Path) -> None:
    """Two signals to stop, both early, end it as well."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM).format(standard=False, names=["SIGTERM", "SIGTERM"]))
    ended = start_program(sys.executable, program, environment=environment())
    assert ended.process.wait(DEADLINE) == 0, str(ended.errors)
