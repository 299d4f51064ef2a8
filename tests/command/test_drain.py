"""The command under a peer that is behind: shutdown, the report, and what becomes of the others."""

from __future__ import annotations

import re
import signal

import pytest
from conftest import Serve
from support.connection import Connection
from support.server_process import ServerProcess

COUNT = 8192
LINES = b"".join(b"%07d %s\n" % (number, b"x" * 1015) for number in range(COUNT))
"""8 MiB in lines of 1 KiB: more than the kernel takes for one peer, less than may be pending for it."""


def fall_behind(server: ServerProcess) -> tuple[Connection, Connection, Connection]:
    """A peer that has read nothing of `LINES`, one that has all of it, and the one that sent it."""
    behind = server.connect(receive_buffer=65536)
    witness, sender = server.connect(), server.connect()
    sender.send(LINES)
    assert witness.read(len(LINES)) == LINES
    return behind, witness, sender


def test_drain(serve: Serve) -> None:
    """A peer that is behind gets all that was pending when the signal came, and nothing that came later."""
    server = serve("--drain-timeout", "300")
    behind, witness, sender = fall_behind(server)
    server.signal(signal.SIGTERM)
    server.errors.wait_for("INFO draining 3 peers, at most 300 s$")
    sender.send(b"too late\n")
    assert witness.read_to_end() == b""
    assert behind.read_to_end() == LINES
    with pytest.raises(ConnectionRefusedError):
        Connection(("127.0.0.1", server.port))
    for connection in (behind, witness, sender):
        connection.close()
    assert server.wait() == 0
    last = server.whole_log().splitlines()[-1]
    assert last.endswith(
        f" stopped: 3 peers served, {COUNT} messages in, {2 * COUNT} out, 0 dropped, 0 of them by shutdown"
    )


def test_drain_timeout(serve: Serve) -> None:
    """Messages that a peer has not taken by the timeout are dropped and counted."""
    server = serve("--drain-timeout", "0")
    behind, _, _ = fall_behind(server)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    log = server.whole_log()
    assert LINES.startswith(behind.read_to_end())
    ended = re.search(r"peer 1 \S+ disconnected: shutdown; .* in, (\d+) messages .* out, (\d+) m", log)
    assert ended
    delivered, dropped = int(ended[1]), int(ended[2])
    assert dropped > 0
    assert delivered + dropped == COUNT
    assert log.splitlines()[-1].endswith(
        f" {COUNT} messages in, {COUNT + delivered} out, {dropped} dropped, {dropped} of them by shutdown"
    )


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_second_signal(serve: Serve, second: int) -> None:
    """A second signal ends the server at once, however long a stuck peer might still have had."""
    server = serve("--drain-timeout", "3600")
    connections = fall_behind(server)
    server.signal(signal.SIGTERM)
    server.errors.wait_for("draining 3 peers")
    server.signal(second)
    assert server.wait() == 0
    last = server.whole_log().splitlines()[-1]
    counted = re.search(r"stopped: 3 peers served, .* (\d+) dropped, (\d+) of them by shutdown$", last)
    assert counted
    assert int(counted[1]) == int(counted[2]) > 0
    assert len(connections) == 3


def test_report(serve: Serve) -> None:
    """SIGUSR1 names the peers that are behind, the furthest first, and nobody else."""
    server = serve("--max-pending", "64MiB")
    first, witness, sender = fall_behind(server)
    second = server.connect(receive_buffer=65536)
    sender.send(LINES)
    assert witness.read(len(LINES)) == LINES
    totals, *peers = server.report()
    assert re.search(r"INFO report: 4 peers connected, 4 since start, ", totals)
    assert f" {2 * COUNT} messages ({2 * len(LINES)} bytes) in, " in totals
    line = re.compile(r"INFO report: peer \d+ (\S+) active: (\d+) messages \((\d+) bytes\) pending")
    found = [line.search(one) for one in peers]
    assert [one and one[1] for one in found] == [first.name, second.name]
    pending = [int(one[2]) for one in found if one]
    assert pending[0] > pending[1] > 0
    # The server goes on, and a peer that catches up is not in the report any more.
    assert second.read(len(LINES)) == LINES
    assert first.read(2 * len(LINES)) == 2 * LINES
    sender.send(b"after\n")
    assert first.read_line() == second.read_line() == witness.read_line() == b"after\n"
    assert len(server.report()) == 1


def test_slow_consumer(serve: Serve) -> None:
    """A peer further behind than its limit is closed, named and counted; the others get everything."""
    server = serve("--max-pending", "1MiB")
    behind = server.connect(receive_buffer=65536)
    witness, sender = server.connect(), server.connect()
    for start in range(0, len(LINES), 65536):
        sender.send(LINES[start : start + 65536])
        assert witness.read(65536) == LINES[start : start + 65536]
    assert LINES.startswith(behind.read_to_end())
    name = re.escape(behind.name)
    server.errors.wait_for(f"WARNING peer 1 {name} is [0-9]+ bytes behind, more than 1048576: closing")
    server.errors.wait_for(f"peer 1 {name} disconnected: slow_consumer; .* [1-9][0-9]* messages dropped$")
    sender.send(b"after\n")
    assert witness.read_line() == b"after\n"
