"""Logs that cannot be written: nobody but their reader notices."""

from __future__ import annotations

import contextlib
import re
import resource
import signal
import sys
import time
from pathlib import Path

import pytest
from conftest import StartProgram
from support.command import COMMAND, PURE, environment
from support.deadline import DEADLINE
from support.server_process import server_with_unread_log
from support.unread_log import connect_to, exchange


def test_log_that_nobody_reads(tmp_path: Path) -> None:
    """An unread log stops neither the delivery between peers nor the end of the server."""
    with server_with_unread_log("--log-messages", "1000000", folder=tmp_path) as (process, port, _):
        exchange(port, 20_000)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0


def test_lost_lines_are_counted(tmp_path: Path) -> None:
    """When a log that nobody read is read again, it says how many lines are missing."""
    count = 20_000
    with server_with_unread_log("--log-messages", "1000000", folder=tmp_path) as (process, port, log):
        exchange(port, count)
        process.send_signal(signal.SIGTERM)
        rest = b""
        while chunk := log.recv(65536):
            rest += chunk
        assert process.wait(DEADLINE) == 0
    shown = len(re.findall(rb"Received message from \d+ \S+: line \d+", rest))
    lost = sum(map(int, re.findall(rb"(\d+) log lines were lost", rest)))
    assert shown < count
    assert shown + lost >= count


def test_log_whose_reader_is_gone(tmp_path: Path) -> None:
    """A closed log makes no difference to the peers, nor to the end of the server."""
    with server_with_unread_log(folder=tmp_path) as (process, port, log):
        log.close()
        exchange(port, 1000)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0


def test_started_without_standard_streams(start_program: StartProgram, tmp_path: Path) -> None:
    """Where there is no standard error, no line of the log ends up in a peer's stream."""
    path = tmp_path / "feed.sock"
    closed = ("sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-')
    server = start_program(*closed, *COMMAND, "--unix", path, environment=environment())
    one, other = connect_to(path), connect_to(path)
    with contextlib.closing(one), contextlib.closing(other):
        for number in range(100):
            one.send(b"%d\n" % number)
            assert other.read_line() == b"%d\n" % number
        server.signal(signal.SIGTERM)
        assert (one.read_to_end(), other.read_to_end()) == (b"", b"")
    assert server.wait() == 0


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux lets us take another process' room away and give it back"
)
def test_full_disk(start_program: StartProgram, tmp_path: Path) -> None:
    """Peers notice nothing of it; once there is room again, no line is torn, and what was lost is counted."""
    path, log = tmp_path / "feed.sock", tmp_path / "log"
    to_file = ("sh", "-c", f'exec "$0" "$@" 2>>{log}')
    server = start_program(*to_file, *COMMAND, "--unix", path, "--log-messages", "1000000", environment=environment())
    reader = connect_to(path)
    sender = connect_to(path)
    with contextlib.closing(reader), contextlib.closing(sender):
        sender.send(b"line 0\n")
        assert reader.read_line() == b"line 0\n"
        _, most = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        for turn in range(1, 4):
            full = log.stat().st_size + 1000 * turn + 7
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (full, most))
            lines = b"".join(b"line %d\n" % number for number in range(500))
            sender.send(lines)
            assert reader.read(len(lines)) == lines
            deadline = time.monotonic() + DEADLINE
            while log.stat().st_size < full:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            sender.send(lines)
            assert reader.read(len(lines)) == lines
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (most, most))
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    written = log.read_text().splitlines()
    assert [line for line in written if not re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ ", line)] == []
    lost = [int(found[1]) for line in written if (found := re.search(r"WARNING (\d+) log lines were lost", line))]
    shown = len([line for line in written if PURE not in line]) - len(lost)
    # Messages; listening, stopped, and for each peer connected and disconnected; draining, if they are still there.
    assert shown + sum(lost) - (3001 + 2 + 2 * 2) in (0, 1)


def test_log_that_takes_nothing(start_program: StartProgram, tmp_path: Path) -> None:
    """A full device is like a log whose reader is gone."""
    path = tmp_path / "feed.sock"
    server = start_program(
        "sh", "-c", 'exec "$0" "$@" 2>/dev/full', *COMMAND, "--unix", path, environment=environment()
    )
    one = connect_to(path)
    with contextlib.closing(one), contextlib.closing(connect_to(path)) as other:
        for number in range(100):
            other.send(b"%d\n" % number)
            assert one.read_line() == b"%d\n" % number
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
