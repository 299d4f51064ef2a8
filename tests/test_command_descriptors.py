"""The command when file descriptors run out."""

from __future__ import annotations

import re

from conftest import Serve
from running import Connection, RunningServer

LIMITED = ("sh", "-c", 'ulimit -n 128 && exec "$0" "$@"')
"""Runs a command that can have 128 file descriptors."""


def fill(server: RunningServer) -> tuple[list[Connection], list[Connection]]:
    """Connect until well after the first was refused; who was let in and who was not, by the log."""
    connections = [Connection(("127.0.0.1", server.port)) for _ in range(150)]
    server.connections += connections
    # Connections are accepted in their order: when the last is decided, all are.
    assert connections[-1].read_to_end() == b""
    server.errors.wait_for("WARNING no file descriptors left: refusing new peers, [0-9]+ are connected$")
    log = server.log
    accepted = [one for one in connections if f" {one.name} connected\n" in log]
    return accepted, [one for one in connections if one not in accepted]


def limited(serve: Serve) -> RunningServer:
    return serve("--log-messages", "1000000", wrapper=LIMITED)


def test_refused(serve: Serve) -> None:
    """New peers are refused with one line in the log; those connected go on; later ones are let in again."""
    server = limited(serve)
    accepted, refused = fill(server)
    assert len(accepted) > 32
    assert refused
    for one in refused:
        assert one.read_to_end() == b""
    accepted[0].send(b"still here\n")
    for one in accepted[1:]:
        assert one.read_line() == b"still here\n"
    assert server.log.count("no file descriptors left") == 1

    for one in accepted[:5]:
        one.end()
        one.close()
    rest = accepted[5:]
    # A closed connection is known by the writes to it.
    for _ in range(10_000):
        if server.log.count(" disconnected: ") == 5:
            break
        rest[0].send(b"anyone?\n")
        for one in rest[1:]:
            assert one.read_line() == b"anyone?\n"
    late = server.connect()
    late.send(b"let in\n")
    for one in rest:
        assert one.read_line() == b"let in\n"
    server.errors.wait_for(f"WARNING accepting again; {len(refused)} peers were refused$")


def test_half_closed_go_first(serve: Serve) -> None:
    """A peer that sends nothing more makes room for a new one; the oldest of them first."""
    server = limited(serve)
    accepted, _ = fill(server)
    first, second, witness = accepted[3], accepted[1], accepted[2]
    first.send(b"first words")
    first.end()
    assert witness.read_line() == second.read_line() == b"first words\n"
    second.send(b"second words")
    second.end()
    assert witness.read_line() == first.read_line() == b"second words\n"
    late = server.connect()
    assert first.read_to_end() == b""
    server.errors.wait_for(f"{re.escape(first.name)} disconnected: descriptors; 1 messages")
    late.send(b"let in\n")
    assert witness.read_line() == second.read_line() == b"let in\n"
    assert f"{second.name} disconnected" not in server.log
