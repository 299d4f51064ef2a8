"""The end of standard input: how long the terminal client goes on receiving."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.small_server import Reader, Writer, small_server
from support.terminal_client import DEVNULL, FOR_EVER, PIPE, Program, result, run


async def stay(reader: Reader, writer: Writer) -> None:
    """Answers, and does not end its side before the client has gone."""
    while line := await reader.readline():
        writer.write(b"heard " + line)
    while True:
        writer.write(b"tick\n")
        await writer.drain()
        await asyncio.sleep(0.01)


def test_a_client_that_sent_something_leaves_by_itself(program: Program) -> None:
    async def main() -> None:
        async with small_server(stay) as address, program(address) as process:
            code, output, errors = await result(process, b"hi\n")
            assert (code, errors) == (0, "")
            assert output.startswith(b"heard hi\n")

    run(main())


def test_input_that_ends_at_once_is_no_subscriber(program: Program, tmp_path: Path) -> None:
    """An empty pipe or file has ended; only /dev/null never was one."""
    (tmp_path / "empty").touch()

    async def main() -> None:
        with (tmp_path / "empty").open() as empty:
            for stdin in (PIPE, empty):
                async with small_server(stay) as address, program(address, stdin=stdin) as process:
                    code, _, errors = await result(process, b"" if stdin == PIPE else None)
                    assert (code, errors) == (0, "")

    run(main())


def test_waits_as_long_as_told_and_no_longer(program: Program) -> None:
    async def main() -> None:
        async with small_server(stay) as address, program(address, wait=0, stdin=DEVNULL) as process:
            code, _, errors = await result(process)
            assert (code, errors) == (0, "")

    run(main())


def test_waits_for_the_server_to_end_if_told(program: Program) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        assert await reader.read() == b"question\n"  # to the end of what we are sent
        for number in range(1000):
            writer.write(b"answer %d\n" % number)
            await asyncio.sleep(0)

    async def main() -> None:
        async with small_server(serve) as address, program(address, wait=FOR_EVER) as process:
            answers = b"".join(b"answer %d\n" % number for number in range(1000))
            assert await result(process, b"question\n") == (0, answers, "")

    run(main())


def test_a_subscriber_stays_and_keeps_its_side_open(program: Program) -> None:
    """The client ends with the server; had it ended its own side before, `read` would have returned."""

    async def main() -> None:
        go = asyncio.Event()
        ended = []

        async def serve(reader: Reader, writer: Writer) -> None:
            ended.append(asyncio.ensure_future(reader.read()))
            writer.write(b"first\n")
            await go.wait()
            assert not ended[0].done()
            writer.write(b"second\n")

        async with small_server(serve) as address, program(address, stdin=DEVNULL) as process:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"first\n"
            go.set()
            assert await result(process) == (0, b"second\n", "")

    run(main())
