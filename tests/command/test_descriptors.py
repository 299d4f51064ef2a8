"""The command when file descriptors run out."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from conftest import Serve
from support.command import COMMAND, environment, standard_loop
from support.connection import Connection
from support.deadline import DEADLINE
from support.server_process import ServerProcess


def allowed(descriptors: int) -> tuple[str, ...]:
    """Runs a command that can have so many file descriptors."""
    return ("sh", "-c", f'ulimit -n {descriptors} && exec "$0" "$@"')


LIMITED = allowed(128)
LOOPS = pytest.mark.parametrize("loop", [(), standard_loop()], ids=["uvloop", "asyncio"])


def fill(server: ServerProcess) -> tuple[list[Connection], list[Connection]]:
    """Connect until well after the first was refused; who was let in and who was not, by the log."""
    connections = [Connection(("127.0.0.1", server.port)) for _ in range(150)]
    server.connections += connections
    # Connections are accepted in their order: when the last is decided, all are.
    assert connections[-1].read_to_end() == b""
    server.errors.wait_for("WARNING no file descriptors left: refusing new peers, [0-9]+ are connected$")
    log = server.log
    accepted = [one for one in connections if f" {one.name} connected\n" in log]
    return accepted, [one for one in connections if one not in accepted]


def limited(serve: Serve) -> ServerProcess:
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


@LOOPS
@pytest.mark.parametrize(("limit", "listeners"), [(64, 3), (64, 12), (128, 30), (256, 100), (24, 1)])
def test_few_descriptors(serve: Serve, loop: tuple[str, ...], limit: int, listeners: int) -> None:
    """Listeners leave some for peers, on each of them."""
    urls = [part for _ in range(listeners) for part in ("--listen", "lines://127.0.0.1:0")]
    server = serve(*urls, wrapper=(*allowed(limit), *loop))
    server.errors.wait_for_count(" listening on ", listeners)
    ports = [int(port) for port in re.findall(r" listening on 127\.0\.0\.1:([0-9]+),", server.log)]
    first, last = Connection(("127.0.0.1", ports[0])), Connection(("127.0.0.1", ports[-1]))
    server.connections += [first, last]
    server.wait_for_peers(2)
    first.send(b"let in\n")
    assert last.read_line() == b"let in\n"


@LOOPS
@pytest.mark.parametrize(("limit", "listeners"), [(8, 1), (12, 1), (14, 1), (16, 1), (64, 60), (64, 100), (128, 100)])
def test_too_few_descriptors(tmp_path: Path, loop: tuple[str, ...], limit: int, listeners: int) -> None:
    """A server that could let in nobody does not run: one line, exit code 1."""
    urls = [part for _ in range(listeners) for part in ("--listen", "lines://127.0.0.1:0")]
    command = [*allowed(limit), *loop, *COMMAND, *urls]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert re.match(r"fastserver: cannot listen.*(file descriptors|too many open files)", lines[0])
