"""What a connection on which nothing happens takes of the server's memory, beside a uvloop protocol that does nothing.

pytest bench/test_idle.py --benchmark-enable
"""

from __future__ import annotations

import os
import resource
import socket
import sys
import time
from pathlib import Path

import pytest
from contest import FASTSERVER, Contestant, contestant
from pytest_benchmark.fixture import BenchmarkFixture

PEERS = 10_000
PROTOCOL = """
import asyncio, uvloop

async def main():
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0, backlog=4096)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()

uvloop.run(main())
"""


def resident(server: Contestant) -> int:
    """Bytes of the server's memory that are there."""
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def wait(server: Contestant, connections: int) -> None:
    """Return when the server has accepted that many connections and come to rest."""
    descriptors = Path(f"/proc/{server.process.pid}/fd")
    before = -1.0
    while len(list(descriptors.iterdir())) < connections or before != server.processor_time():
        before = server.processor_time()
        time.sleep(0.1)


def bytes_per_connection(server: Contestant, peers: int) -> float:
    """What each of that many connections adds."""
    wait(server, 0)
    before = resident(server)
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(peers)]
    wait(server, peers)
    added = resident(server) - before
    for one in connections:
        one.close()
    return added / peers


def test_idle_connections(benchmark: BenchmarkFixture) -> None:
    peers = 100 if benchmark.disabled else PEERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < peers + 100:
        pytest.skip(f"only {hard} file descriptors")
    taken: dict[str, float] = {}

    def run() -> None:
        for name, command in (("fastserver", FASTSERVER), ("protocol", (sys.executable, "-c", PROTOCOL))):
            with contestant(command) as server:
                taken[name] = bytes_per_connection(server, peers)

    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, peers + 1000)), hard))
    try:
        benchmark.group = "idle connections"
        benchmark.pedantic(run)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for name, size in taken.items():
        benchmark.extra_info[f"{name}: bytes per connection"] = round(size)
    benchmark.extra_info["fastserver / protocol"] = round(taken["fastserver"] / taken["protocol"], 2)
