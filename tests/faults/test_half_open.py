"""Peers whose host vanishes without a word: no end of stream, no reset."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from conftest import Serve, StartProgram
from faults.books import bookkeeper, check_books
from faults.network import HERE, Network
from faults.witnesses import Witnesses
from support.deadline import DEADLINE
from support.requirements import required_program


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network()
    yield network
    network.remove()


@pytest.mark.parametrize("user_timeout", ["2", "off"])
def test_host_that_vanishes(
    serve: Serve, start_program: StartProgram, network: Network, tmp_path: Path, user_timeout: str
) -> None:
    """A peer that is sent nothing is found by keepalive, one that is sent something when it is too far behind; the
    others notice neither.
    """
    netcat = required_program("nc.openbsd", "netcat-openbsd")
    books, path = tmp_path / "books", tmp_path / "feed.sock"
    listeners = [f"lines+unix://{path}", f"lines://{HERE}:0", f"lines://{HERE}:0?role=send"]
    options = [text for url in listeners for text in ("--listen", url)]
    options += ["--keepalive", "1", "--tcp-user-timeout", user_timeout, "--max-pending", "256KiB"]
    server = serve(*options, wrapper=(*network.near, *bookkeeper(books)))
    server.errors.wait_for_count(rf" listening on {HERE}:", 2)
    hearing, silent = [line.split(":")[-1].split(",")[0] for line in server.log.splitlines() if HERE in line]

    async def main() -> Witnesses:
        witnesses = Witnesses()
        try:
            await witnesses.start(str(path))
            start_program(*network.far, netcat, HERE, hearing)
            await witnesses.go_on(100, lambda: " peer 6 " in server.log)
            start_program(*network.far, netcat, HERE, silent)
            await witnesses.go_on(100, lambda: " peer 7 " in server.log)
            network.cut()
            ends = (" disconnected: slow_consumer;", " disconnected: reset;")
            await witnesses.go_on(100, lambda: all(end in server.log for end in ends))
            await witnesses.finish()
            server.signal(15)
            await witnesses.ended()
        finally:
            await witnesses.close()
        return witnesses

    witnesses = uvloop.run(asyncio.wait_for(main(), DEADLINE))
    assert server.wait() == 0
    server.whole_log()
    witnesses.check_order(whole=True)
    reasons = {counts["id"]: counts["reason"] for counts in check_books(books, witnesses)}
    assert (reasons[6], reasons[7]) == ("slow_consumer", "reset")
