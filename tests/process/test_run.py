"""A server as a program: its signals, its logging and its exit code."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from typing import Any

import pytest
import uvloop
from conftest import Run, StartProgram
from support.command import environment
from support.connection import Connection

from fastserver import Config, Server


def server(**settings: Any) -> Server:
    return Server(Config(**{"port": 0, "drain_timeout": 5.0, **settings}))


LEAVES_LOGGING_ALONE = """
import logging, sys, fastserver
logging.basicConfig(level="INFO", format="mine %(levelname)s %(message)s", stream=sys.stdout)
server = fastserver.Server(fastserver.Config(port=0))
server.on_message(lambda message: sys.exit(0))
try:
    server.run(logging=False)
finally:
    assert logging.getLogger("fastserver").handlers == []
    assert logging.getLogger("fastserver").propagate
"""


def test_run_leaves_logging_alone_where_told(start_program: StartProgram) -> None:
    program = start_program(sys.executable, "-u", "-c", LEAVES_LOGGING_ALONE, environment=environment())
    one = Connection(("127.0.0.1", int(program.output.wait_for(r"mine INFO listening on \S+:(\d+)")[1])))
    one.send(b"a secret\n")
    assert one.read_to_end() == b""
    one.close()
    assert program.wait() == 0
    assert "mine INFO stopped: 1 peers served" in str(program.output)
    assert "secret" not in str(program.output)
    assert "INFO" not in str(program.errors)


def test_run_says_where_it_cannot() -> None:
    made = server()

    async def main() -> None:
        made.run()

    for runner in (asyncio.run, uvloop.run):
        with pytest.raises(RuntimeError, match=r"await serve\(\) instead"):
            runner(main())
    refused: list[RuntimeError] = []

    def work() -> None:
        try:
            made.run()
        except RuntimeError as error:
            refused.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "main thread" in str(refused[0])

    async def after() -> None:
        async with made:
            pass

    asyncio.run(after())
    with pytest.raises(RuntimeError, match="a server starts once"):
        made.run()


def test_only_run_touches_signals_and_logging(run: Run) -> None:
    async def main() -> None:
        before = (list(logging.getLogger("fastserver").handlers), list(logging.getLogger().handlers))
        async with server():
            assert (list(logging.getLogger("fastserver").handlers), list(logging.getLogger().handlers)) == before

    run(main())


STOPS_ITSELF = """
import fastserver
server = fastserver.Server(fastserver.Config(port=0, drain_timeout=60))
@server.on_message
async def stop(message):
    if message.payload == b"exit":
        raise SystemExit(7)
    await server.stop()
server.run()
"""


@pytest.mark.parametrize("signalled", [False, True])
def test_a_program_whose_handler_waits_for_the_stop_ends(start_program: StartProgram, signalled: bool) -> None:
    program = start_program(sys.executable, "-c", STOPS_ITSELF, environment=environment())
    address = ("127.0.0.1", int(program.errors.wait_for(r"listening on \S+:(\d+)")[1]))
    one, other = Connection(address), Connection(address)
    program.errors.wait_for_count(" connected$", 2)
    one.send(b"stop\n")
    program.errors.wait_for("draining 2 peers")
    if signalled:
        program.signal(signal.SIGTERM)
    for connection in (one, other):
        assert connection.read_to_end() == b""
        connection.close()
    assert program.wait() == 0


def test_a_program_ends_with_the_exit_code_of_its_handler(start_program: StartProgram) -> None:
    program = start_program(sys.executable, "-c", STOPS_ITSELF, environment=environment())
    one = Connection(("127.0.0.1", int(program.errors.wait_for(r"listening on \S+:(\d+)")[1])))
    one.send(b"exit\n")
    assert one.read_to_end() == b""
    one.close()
    assert program.wait() == 7
    assert "ends the program: SystemExit: 7" in str(program.errors)
    assert "stopped: 1 peers served" in str(program.errors)
