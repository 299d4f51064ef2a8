"""Peers that read nothing: the server's memory with a thousand of them beside its memory with one.

pytest bench/test_stuck.py --benchmark-enable
"""

from __future__ import annotations

import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from contest import DEADLINE, Running, running
from pytest_benchmark.fixture import BenchmarkFixture
from rivals import FASTSERVER

PENDING = 4 << 20
"""Bytes that a peer may be behind."""
SEND_BUFFER = "16KiB"
"""Bytes that the server's kernel buffers for a peer. By itself it takes more and more of a stream of small messages, in
seconds more than a peer may be behind: then the messages wait there, and nothing is stuck in the server."""
SHAPES = {
    "64-byte-messages-one-a-tick": b"x" * 63 + b"\n",
    "64-KiB-a-tick": (b"x" * 1023 + b"\n") * 64,
}
PEERS = (1, 1000)


class Memory(NamedTuple):
    """A server's memory with its peers idle, and its growth when each was as far behind as it may be, bytes."""

    idle: int
    grown: int


def memory(server: Running) -> int:
    """The server's memory that is no file, bytes."""
    found = re.search(r"RssAnon:\s*(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@contextmanager
def stuck(server: Running, peers: int) -> Iterator[None]:
    """So many peers that read nothing. Their share of the kernel's memory, which is not the server's, is kept small."""
    with ExitStack() as stack:
        for _ in range(peers):
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            one.connect(("127.0.0.1", server.port))
        yield


def pass_through(server: Running, chunk: bytes, total: int) -> None:
    """Send `chunk` from one peer to another, each time after the last has arrived, up to `total` bytes."""
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address) as reader, socket.create_connection(address) as sender:
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(max(1, total // len(chunk))):
            sender.sendall(chunk)
            left = len(chunk)
            while left:
                left -= len(reader.recv(left))


def pending(server: Running) -> int:
    """Messages that wait for all peers together, by the server's report."""
    server.process.send_signal(signal.SIGUSR1)
    deadline = time.perf_counter() + DEADLINE
    while time.perf_counter() < deadline:
        found = re.search(rb" report: \d+ peers connected, .* (\d+) pending, ", server.log.read_bytes())
        if found:
            return int(found[1])
        time.sleep(0.01)
    raise AssertionError("the server does not report")


def measure(peers: int, chunk: bytes, limit: int) -> Memory:
    """The memory of a new server with that many stuck peers, each of which may be `limit` bytes behind."""
    options = ("--max-pending", str(limit), "--slow-consumer", "drop-oldest", "--send-buffer", SEND_BUFFER)
    command = (sys.executable, "-m", "fastserver", *options)
    contestant = replace(FASTSERVER, command=lambda _, port: (*command, "--port", str(port)))
    with running(contestant) as server, stuck(server, peers):
        pass_through(server, chunk, 0)
        idle = memory(server)
        pass_through(server, chunk, 2 * limit)
        grown = memory(server) - idle
        size = chunk.index(b"\n") + 1
        assert pending(server) > peers * limit // size // 2, "they were not stuck"
        return Memory(idle, grown)


@pytest.mark.parametrize("shape", SHAPES)
def test_memory_for_stuck_peers(benchmark: BenchmarkFixture, shape: str) -> None:
    """Twice as much is sent as a peer may be behind; the rest is dropped. All are stuck, and wait for the same."""
    found: dict[int, Memory] = {}
    limit = 256 * 1024 if benchmark.disabled else PENDING

    def run() -> None:
        for peers in PEERS:
            found[peers] = measure(peers, SHAPES[shape], limit)

    benchmark.group = "stuck peers"
    benchmark.pedantic(run, rounds=1)
    one, many = (found[peers] for peers in PEERS)
    for peers in PEERS:
        benchmark.extra_info[f"{peers} stuck: MB grown"] = round(found[peers].grown / 1e6, 2)
        benchmark.extra_info[f"{peers} idle: MB"] = round(found[peers].idle / 1e6, 2)
    benchmark.extra_info["1000 stuck: growth in limits"] = round(many.grown / limit, 2)
    benchmark.extra_info["ratio of growth"] = round(many.grown / one.grown, 3)
