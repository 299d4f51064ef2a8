"""Failures of the server, of the connection, and of standard input and output; and signals."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest
from support.small_server import Reader, Writer, echo, reset, small_server
from support.terminal_client import DEVNULL, FOR_EVER, Program, command, result, run

from fastserver.client.terminal import terminal


def test_nobody_listens(program: Program) -> None:
    async def main() -> None:
        async with small_server(echo) as address:
            pass
        async with program(address) as process:
            assert await result(process, b"x\n") == (1, b"", f"fastserver: {address}: Connection refused\n")

    run(main())


def test_arguments_that_are_not_allowed(capsys: Any) -> None:
    assert asyncio.run(terminal("nowhere")) == 2
    assert asyncio.run(terminal(mode="csv")) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line.partition(" is not allowed")[0] for line in errors] == [
        "fastserver: address 'nowhere'",
        "fastserver: mode 'csv'",
    ]


def test_a_server_that_ends_before_standard_input_does(program: Program) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readline()
        writer.write(b"bye\n")

    async def main() -> None:
        async with small_server(serve) as address, program(address) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write(b"hi\n")
            assert await process.stdout.read() == b"bye\n"
            why = f"fastserver: {address} ended the connection before the end of standard input\n"
            assert await process.stderr.read() == why.encode()
            assert await process.wait() == 1

    run(main())


def test_a_reset_connection(program: Program) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readline()
        reset(writer)

    async def main() -> None:
        async with small_server(serve) as address, program(address, wait=FOR_EVER) as process:
            why = f"fastserver: {address}: Connection reset by peer\n"
            assert await result(process, b"hi\n") == (1, b"", why)

    run(main())


def test_a_connection_reset_inside_a_line_does_not_give_half_of_it(program: Program) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readline()
        writer.write(b"299229\n299230\n0000002992")
        reset(writer)

    async def main() -> None:
        async with small_server(serve) as address, program(address, wait=FOR_EVER) as process:
            code, output, errors = await result(process, b"go\n")
            assert (code, errors) == (1, f"fastserver: {address}: Connection reset by peer\n")
            assert b"299229\n299230\n".startswith(output)

    run(main())


def test_a_server_of_another_framing(program: Program) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(b"\x00\x00\x00\x01\x07" + b"hello\n")
        await reader.read()

    async def main() -> None:
        async with small_server(serve) as address, program(address, "msgpack", stdin=DEVNULL) as process:
            code, output, errors = await result(process)
            assert (code, output) == (1, b"7\n")
            assert errors.startswith(f"fastserver: {address} sent an invalid msgpack message: ")
            assert errors.count("\n") == 1

    run(main())


def test_output_that_cannot_be_written(program: Program) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(b"x\n")
        await reader.read()

    async def main() -> None:
        with open("/dev/full", "wb") as full:
            async with small_server(serve) as address, program(address, stdin=DEVNULL, stdout=full) as process:
                assert await result(process) == (1, b"", "fastserver: standard output: No space left on device\n")

    run(main())


def test_standard_descriptors_that_are_closed() -> None:
    """No socket takes their place. Without input the client listens; without output it ends."""

    async def serve(reader: Reader, writer: Writer) -> None:
        received.append(await reader.readline())
        writer.write(b"x\n")

    async def tell(reader: Reader, writer: Writer) -> None:
        writer.write(b"x\n")

    async def main() -> None:
        async with small_server(tell) as address:
            for redirected in ("<&-", "<&- 2>&-"):
                async with command(address, redirected) as process:
                    assert await result(process) == (0, b"x\n", "")
        async with small_server(serve) as address:
            async with command(address, "2>&-") as process:
                assert await result(process, b"sent\n") == (0, b"x\n", "")
            async with command(address, ">&-") as process:
                assert await result(process, b"x\n") == (1, b"", "fastserver: standard output is closed\n")
            for redirected in (">&- 2>&-", "<&- >&- 2>&-"):
                async with command(address, redirected) as process:
                    assert await result(process) == (1, b"", "")
        assert received == [b"sent\n"]
        for redirected, code in (("2>&-", 1), ("--mode csv 2>&-", 2), ("--mode csv 2>/dev/full", 2)):
            async with command(address, redirected) as process:  # where nobody is any more
                assert await result(process) == (code, b"", "")

    received: list[bytes] = []
    run(main())


def test_output_nobody_reads_any_more_ends_it_quietly(program: Program) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        while not reader.at_eof():
            writer.write(b"tick\n")
            await writer.drain()
            await asyncio.sleep(0)

    async def main() -> None:
        receiving, sending = os.pipe()
        async with small_server(serve) as address, program(address, stdin=DEVNULL, stdout=sending) as process:
            os.close(sending)
            assert await asyncio.to_thread(os.read, receiving, 5) == b"tick\n"
            os.close(receiving)
            assert await result(process) == (0, b"", "")

    run(main())


def test_interrupted(program: Program) -> None:
    async def main() -> None:
        async with small_server(echo) as address, program(address) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"hi\n")
            assert await process.stdout.readline() == b"hi\n"
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
            assert process.stderr is not None
            assert await process.stderr.read() == b""

    run(main())


def test_interrupted_while_nobody_reads_its_output(program: Program) -> None:
    stuck = asyncio.Event()

    async def serve(reader: Reader, writer: Writer) -> None:
        reader_end = asyncio.ensure_future(reader.read())
        while not reader_end.done():
            writer.write(b"x" * 99_999 + b"\n")
            draining = asyncio.ensure_future(writer.drain())
            await asyncio.sleep(0)
            if not draining.done():
                stuck.set()
                await asyncio.wait([draining, reader_end], return_when=asyncio.FIRST_COMPLETED)
            draining.cancel()
        writer.transport.abort()

    async def main() -> None:
        receiving, sending = os.pipe()
        async with small_server(serve) as address, program(address, stdin=DEVNULL, stdout=sending) as process:
            os.close(sending)
            await stuck.wait()
            process.send_signal(signal.SIGINT)
            assert (await result(process))[0] == 130
            os.close(receiving)

    run(main())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_does_not_lose_what_was_sent(program: Program, number: int, code: int) -> None:
    received = []

    async def main() -> None:
        go = asyncio.Event()

        async def serve(reader: Reader, writer: Writer) -> None:
            writer.write(b"never read\n" * 10_000)
            received.append(await reader.readline())
            go.set()
            received.append(await reader.read())

        async with small_server(serve) as address, program(address) as process:
            assert process.stdin is not None
            process.stdin.write(b"one\n")
            await go.wait()
            process.stdin.write(b"two\n")
            await process.stdin.drain()
            process.send_signal(number)
            assert await process.wait() == code
        assert received[0] == b"one\n"
        assert received[1] in (b"", b"two\n")  # which of the two came first is open

    run(main())
