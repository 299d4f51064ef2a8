"""The command as a process: where it listens, whom it lets in, how it stops."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest
from conftest import Serve
from support.command import PURE, attempt
from support.connection import Connection

from fastserver.framing import FRAMINGS


@pytest.mark.parametrize("mode", FRAMINGS)
def test_start(serve: Serve, mode: str) -> None:
    """The log says where the server listens and for what, before anybody is connected."""
    server = serve("--port", "0", "--mode", mode)
    assert re.search(rf"INFO listening on 127\.0\.0\.1:{server.port}, mode {mode}$", server.log, re.MULTILINE)
    assert server.port > 0
    server.connect()


def test_listeners(serve: Serve, tmp_path: Path) -> None:
    """Each is said with its role; those in the environment serve as well."""
    server = serve("--listen", "msgpack://127.0.0.1:0?role=send", "--listen", f"msgpack+unix://{tmp_path}/feed.sock")
    server.connect()
    server.errors.wait_for(f" listening on unix:{tmp_path}/feed.sock, mode msgpack$")
    assert f"listening on 127.0.0.1:{server.port}, mode msgpack, role send\n" in server.log
    server.errors.wait_for(r" peer 1 127\.0\.0\.1:[0-9]+ connected, role send$")
    other = serve(FASTSERVER_LISTEN="lines://127.0.0.1:0 lines://127.0.0.1:0?role=receive")
    other.errors.wait_for(r" listening on 127\.0\.0\.1:[0-9]+, mode lines, role receive$")


def test_all_listeners_are_shown(serve: Serve) -> None:
    """Where it listens is said of every listener, however few lines a second the log may have."""
    options = [part for _ in range(7) for part in ("--listen", "lines://127.0.0.1:0")]
    log = serve(*options, "--log-messages", "0").stop()
    assert len(re.findall(r" INFO listening on 127\.0\.0\.1:[0-9]+, mode lines$", log, re.MULTILINE)) == 7
    assert "more like this" not in log


@pytest.mark.parametrize("options", [("--quiet",), ("--log-level", "error")])
def test_port_that_the_system_chose(serve: Serve, tmp_path: Path, options: tuple[str, ...]) -> None:
    """The port is shown whatever the level, since nothing else tells it; the rest of the log is as quiet as ever."""
    listen = ("--listen", "lines://127.0.0.1:0", "--listen", f"lines+unix://{tmp_path}/feed.sock")
    server = serve("--port", "0", *listen, *options)
    Connection(("127.0.0.1", server.port)).close()
    lines = [line for line in server.stop().splitlines() if PURE not in line]
    assert len(lines) == 2, lines
    assert all(re.search(r" INFO listening on 127\.0\.0\.1:[0-9]+, mode lines$", line) for line in lines)


def test_refused_connections(serve: Serve) -> None:
    """They are closed at once; the log says why, and counts what is more than it has room for."""
    server = serve("--deny", "10.0.0.0/8", "--deny", "127.0.0.1", "--log-messages", "1")
    for _ in range(3):
        connection = Connection(("127.0.0.1", server.port))
        server.connections.append(connection)
        assert connection.read_to_end() == b""
    log = server.stop()
    shown = re.findall(r" WARNING refused 127\.0\.0\.1:[0-9]+: denied$", log, re.MULTILINE)
    more = re.findall(r" WARNING ([0-9]+) more like this: refused …: …$", log, re.MULTILINE)
    assert shown
    assert len(shown) + sum(map(int, more)) == 3


def test_timeouts(serve: Serve) -> None:
    """A peer that never finishes a message is closed, and so is one that says and takes nothing; the log says why."""
    server = serve("--message-timeout", "0.2", "--idle-timeout", "2")
    quiet, slow = server.connect(), server.connect()
    slow.send(b"never finish")
    assert slow.read_to_end() == quiet.read_to_end() == b""
    server.errors.wait_for(f"{re.escape(slow.name)} disconnected: message_timeout; ")
    server.errors.wait_for(f"{re.escape(quiet.name)} disconnected: idle; ")


def test_limit_that_is_off(serve: Serve) -> None:
    """`off` on the command line is stronger than a variable, and is no limit."""
    server = serve("--max-peers", "off", "--message-timeout", "OFF", FASTSERVER_MAX_PEERS="1")
    one, other = server.connect(), server.connect()
    one.send(b"hello\n")
    assert other.read_line() == b"hello\n"


def test_port_in_use(serve: Serve, tmp_path: Path) -> None:
    """The command writes one line that names the address; exit code 1; the other server keeps the port."""
    server = serve()
    ended = attempt("--port", str(server.port), folder=tmp_path)
    assert ended.code == 1
    assert ended.errors == [f"fastserver: cannot listen on 127.0.0.1:{server.port}: address already in use"]
    one, other = server.connect(), server.connect()
    one.send(b"still here\n")
    assert other.read_line() == b"still here\n"


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid", "two..dots", "x" * 300, "\udcff"])
def test_address_that_is_not_ours(tmp_path: Path, host: str) -> None:
    """The command writes one line that names the address; exit code 1."""
    ended = attempt("--host", host, "--port", "0", folder=tmp_path)
    assert len(ended.errors) == 1, ended.errors
    assert ended.errors[0].startswith("fastserver: cannot listen on ")
    assert ended.code == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop(serve: Serve, number: int) -> None:
    """Exit code 0, and the last line says what was done."""
    server = serve()
    one, other = server.connect(), server.connect()
    one.send(b"hello\n")
    assert other.read_line() == b"hello\n"
    last = server.stop(number).splitlines()[-1]
    assert last.endswith(" INFO stopped: 2 peers served, 1 messages in, 1 out, 0 dropped, 0 of them by shutdown")


def test_port_is_free_again_at_once(serve: Serve) -> None:
    """A server gets the port of one that has just stopped, though that closed connections there."""
    first = serve()
    peer = first.connect()
    first.signal(signal.SIGTERM)
    assert peer.read_to_end() == b""
    first.stop()
    again = serve("--port", str(first.port))
    assert again.port == first.port
    again.connect()


def test_both_families(serve: Serve) -> None:
    """`--host ::` serves IPv6 and IPv4, and shows peers by the address they know themselves by."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    server = serve("--host", "::")
    assert f"listening on [::]:{server.port}, mode lines\n" in server.log
    four = Connection(("127.0.0.1", server.port))
    six = Connection(("::1", server.port))
    server.connections += [four, six]
    assert four.name.startswith("127.0.0.1:")
    assert six.name.startswith("[::1]:")
    for connection in (four, six):
        server.errors.wait_for(f" {re.escape(connection.name)} connected$")
    four.send(b"from IPv4\n")
    assert six.read_line() == b"from IPv4\n"
    server.errors.wait_for(f"Received message from [12] {re.escape(four.name)}: from IPv4$")
