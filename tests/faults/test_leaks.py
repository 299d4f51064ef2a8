"""Thousands of peers that came and went leave nothing behind."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import Serve
from support.connection import Connection
from support.server_process import ServerProcess

CYCLES = 10_000
MARGIN = 2 << 20
"""Bytes by which memory may differ: 200 for each peer, a sixth of what an idle one takes."""


class Held(NamedTuple):
    """Numbers of the things that a server holds."""

    descriptors: int
    memory: int


def come_and_go(server: ServerProcess, witness: Connection, asking: Connection) -> Held:
    """Connect, send and close, that many times; what the server holds when all that is over."""
    address = ("127.0.0.1", server.port)
    for number in range(CYCLES):
        one = Connection(address)
        one.send(b"%d\n" % number)
        one.close()
        if number % 100 == 99:
            while witness.read_line() != b"%d\n" % number:
                pass
    peers = [CYCLES]
    while peers[-1] > 2:
        asking.send(b"still there?\n")  # who has closed is known by the writes to it
        while witness.read_line() != b"still there?\n":
            pass
        before = server.log.count(" peers connected, ")
        server.signal(signal.SIGUSR1)
        server.errors.wait_for_count(" peers connected, ", before + 1)
        peers = [int(found) for found in re.findall(r" report: (\d+) peers connected", server.log)]
    process = Path(f"/proc/{server.process.pid}")
    memory = re.search(r"VmRSS:\s*(\d+) kB", (process / "status").read_text())
    assert memory
    return Held(len(os.listdir(process / "fd")), int(memory[1]) * 1024)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process holds is told in /proc")
def test_connect_send_and_close(serve: Serve) -> None:
    """The second ten thousand leave no more behind than the first."""
    server = serve()
    witness, asking = server.connect(), server.connect()
    before, after = [come_and_go(server, witness, asking) for _ in range(2)]
    assert after.descriptors <= before.descriptors + 2
    assert after.memory <= before.memory + MARGIN
