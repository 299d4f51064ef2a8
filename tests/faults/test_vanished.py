"""Hosts that vanish while something is under way to them, and those that are there and read nothing."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Serve, StartProgram
from faults.network import HERE, Network
from support.connection import Connection
from support.server_process import ServerProcess

READER = """
import socket, sys
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
sock.connect((sys.argv[1], int(sys.argv[2])))
print("connected", flush=True)
read = 0
while data := sock.recv(65536):
    read += len(data)
    if b"end\\n" in data[-5:]:
        print("read", read, flush=True)
"""
"""Reads until it is stopped, and says how much when a line `end` has come."""


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network()
    yield network
    network.remove()


def begin(serve: Serve, network: Network, path: Path, *options: str) -> tuple[ServerProcess, Connection, str]:
    """A server for both hosts, a peer on the near one, and the port for the far one."""
    listeners = [f"lines+unix://{path}", f"lines://{HERE}:0"]
    urls = [text for url in listeners for text in ("--listen", url)]
    server = serve(*urls, *options, wrapper=network.near)
    port = server.errors.wait_for(rf" listening on {HERE}:([0-9]+)")[1].decode()
    peer = Connection(str(path))
    server.connections.append(peer)
    server.errors.wait_for(" peer 1 .* connected")
    return server, peer, port


@pytest.mark.parametrize(
    ("policy", "shut"),
    [("disconnect", False), ("disconnect", True), ("drop-oldest", True), ("block", True)],
    ids=lambda value: {False: "open", True: "shut"}.get(value, value),
)  # where the window is open nothing is pending, so that no policy has a say
def test_host_that_vanishes(
    serve: Serve, start_program: StartProgram, network: Network, tmp_path: Path, policy: str, shut: bool
) -> None:
    """Known by what was sent again, or, where its window was shut, by the question whether it has opened."""
    options = ("--slow-consumer", policy, "--tcp-user-timeout", "1", "--keepalive", "300")
    server, near, port = begin(serve, network, tmp_path / "feed.sock", *options)
    reader = start_program(*network.far, sys.executable, "-c", READER, HERE, port)
    reader.output.wait_for("connected")
    server.errors.wait_for(" peer 2 .* connected")
    if shut:
        reader.signal(signal.SIGSTOP)
        near.send(b"x" * 99 + b"\n" + b"y" * 999_999 + b"\n" * 2)
        near.send(b"".join(b"x" * 999 + b"\n" for _ in range(5000)))
    network.cut()
    near.send(b"anyone?\n")
    server.errors.wait_for(" peer 2 .* has vanished: .*: closing it")
    server.errors.wait_for(" peer 2 .* disconnected: reset;")
    reader.signal(signal.SIGCONT)


def test_suspended_peer_stays(serve: Serve, start_program: StartProgram, network: Network, tmp_path: Path) -> None:
    """For many times the limit its window is shut, and its system answers; then it goes on, and gets everything."""
    options = ("--tcp-user-timeout", "0.5", "--keepalive", "1", "--heartbeat", "1")
    server, near, port = begin(serve, network, tmp_path / "feed.sock", *options)
    reader = start_program(*network.far, sys.executable, "-c", READER, HERE, port)
    reader.output.wait_for("connected")
    server.errors.wait_for(" peer 2 .* connected")
    reader.signal(signal.SIGSTOP)
    data = b"".join(b"x" * 999 + b"\n" for _ in range(8000))
    near.send(data)
    for _ in range(6):
        assert near.read_line() == b"\n"  # a second has passed
    near.send(b"end\n")
    reader.signal(signal.SIGCONT)
    assert reader.output.wait_for("read ([0-9]+)")[1].decode() == str(len(data) + 4)
    assert " peer 2 " in server.stop().split("stopped:")[0]
    assert "vanished" not in server.log
