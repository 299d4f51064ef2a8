"""The terminal client as its users run it: a process with pipes, files or a terminal, and a server."""

import asyncio
import os
import pty
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
from support.small_server import Reader, Writer, echo, reset, small_server

import fastserver
from fastserver.client.terminal import terminal

PIPE = asyncio.subprocess.PIPE
DEVNULL = asyncio.subprocess.DEVNULL
FOR_EVER = float("inf")

PROGRAM = """
import asyncio, sys, uvloop
from math import inf
from fastserver.client.terminal import terminal
sys.exit({run}(terminal({address!r}, {mode!r}, {max_message!r}, {wait!r})))
"""

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def run() -> Run:
    return lambda main: asyncio.run(asyncio.wait_for(main, 40))


@pytest.fixture(params=["asyncio.run", "uvloop.run"], autouse=True)
def loop_runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop the program runs under."""
    monkeypatch.setitem(globals(), "RUNNER", request.param)


RUNNER = ""


@asynccontextmanager
async def program(
    address: str,
    mode: str = "lines",
    *,
    wait: float | None = None,
    max_message: int = 1 << 20,
    stdin: Any = PIPE,
    stdout: Any = PIPE,
) -> AsyncIterator[asyncio.subprocess.Process]:
    text = PROGRAM.format(run=RUNNER, address=address, mode=mode, max_message=max_message, wait=wait)
    environment = os.environ | {"PYTHONPATH": str(Path(fastserver.__file__).parents[1])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", text, stdin=stdin, stdout=stdout, stderr=PIPE, env=environment, limit=1 << 26
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def result(process: asyncio.subprocess.Process, given: bytes | None = None) -> tuple[int, bytes, str]:
    """Exit code, output and errors of `process`, which gets `given` and then the end of its input."""
    output, errors = await process.communicate(given)
    assert process.returncode is not None
    return process.returncode, output or b"", errors.decode()


# --- pipes


def test_lines_go_and_come_verbatim(run: Run) -> None:
    given = b"one\r\n\nthree \x1b[2J\xff\nlast"

    async def main() -> None:
        async with small_server(echo) as address, program(address) as process:
            assert await result(process, given) == (0, given + b"\n", "")

    run(main())


@pytest.mark.parametrize("mode", ["msgpack", "msgpack-stream"])
def test_json_goes_and_comes_as_messages(run: Run, mode: str) -> None:
    given = b'{"a": [1, null]}\n\n  \n{"$bin":"aGk="}\n"\\u001b"'
    came = b'{"a": [1, null]}\n{"$bin": "aGk="}\n"\\u001b"\n'

    async def main() -> None:
        async with small_server(echo) as address, program(address, mode) as process:
            assert await result(process, given) == (0, came, "")

    run(main())


def test_bad_json_is_named_and_the_rest_sent(run: Run) -> None:
    given = b'1\n{"a":}\n\xff\n"' + b"x" * 200 + b'"\n2\n'

    async def main() -> None:
        async with small_server(echo) as address, program(address, "msgpack", max_message=100) as process:
            code, output, errors = await result(process, given)
            assert (code, output) == (1, b"1\n2\n")
            lines = errors.splitlines()
            assert lines[0] == "fastserver: standard input, line 2: expecting value at column 6"
            assert lines[1] == "fastserver: standard input, line 3: not UTF-8 at byte 1"
            assert lines[2].startswith("fastserver: standard input, line 4: ")
            assert len(lines) == 3

    run(main())


def test_a_line_over_the_limit_ends_it_after_those_before(run: Run) -> None:
    heard = []

    async def serve(reader: Reader, writer: Writer) -> None:
        heard.append(await reader.read())

    async def main() -> None:
        async with small_server(serve) as address, program(address, max_message=10) as process:
            code, output, errors = await result(process, b"one\ntwo\n" + b"x" * 20 + b"\n")
            assert (code, output) == (1, b"")
            assert errors.startswith("fastserver: standard input, line 3: ")
            assert errors.count("\n") == 1
        assert heard == [b"one\ntwo\n"]

    run(main())


def test_any_map_key_that_msgpack_allows_is_shown(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        payload = b"\x82\x91\x01\x02\x80\x03"  # {[1]: 2, {}: 3}
        writer.write(len(payload).to_bytes(4, "big") + payload)

    async def main() -> None:
        async with small_server(serve) as address, program(address, "msgpack", stdin=DEVNULL) as process:
            _, output, _ = await result(process)  # which of the two ends comes first is open
            assert output == b'{"$map": [[[1], 2], [{}, 3]]}\n'

    run(main())


@pytest.mark.parametrize("reads", [True, False])
def test_megabytes_through_pipes_that_fill_up(run: Run, reads: bool, tmp_path: Path) -> None:
    lines = b"".join(b"%0100d\n" % number for number in range(100_000))
    (tmp_path / "lines").write_bytes(lines)
    stuck = asyncio.Event()

    async def serve(reader: Reader, writer: Writer) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            draining = asyncio.ensure_future(writer.drain())
            await asyncio.sleep(0)
            if not draining.done():
                stuck.set()
            await draining
        stuck.set()  # or it all had room

    async def main() -> None:
        with (tmp_path / "lines").open("rb") as file:
            async with small_server(serve) as address, program(address, stdin=file, wait=FOR_EVER) as process:
                if not reads:  # until everything between here and the server is full
                    assert process.stdout is not None
                    process.stdout._transport.pause_reading()  # type: ignore[attr-defined]
                    await stuck.wait()
                    process.stdout._transport.resume_reading()  # type: ignore[attr-defined]
                assert await result(process) == (0, lines, "")

    run(main())


def test_a_connection_reset_inside_a_line_does_not_give_half_of_it(run: Run) -> None:
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


def test_output_that_cannot_be_written(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(b"x\n")
        await reader.read()

    async def main() -> None:
        with open("/dev/full", "wb") as full:
            async with small_server(serve) as address, program(address, stdin=DEVNULL, stdout=full) as process:
                assert await result(process) == (1, b"", "fastserver: standard output: No space left on device\n")

    run(main())


@asynccontextmanager
async def command(address: str, redirected: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command itself, as a shell starts it."""
    environment = os.environ | {"PYTHONPATH": str(Path(fastserver.__file__).parents[1])}
    shell = f'exec "$0" -m fastserver connect {address} {redirected}'
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", shell, sys.executable, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def test_standard_descriptors_that_are_closed(run: Run) -> None:
    """No socket takes their place. Without input it listens; without output there is nothing to do."""

    async def serve(reader: Reader, writer: Writer) -> None:
        heard.append(await reader.readline())
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
        assert heard == [b"sent\n"]
        for redirected, code in (("2>&-", 1), ("--mode csv 2>&-", 2), ("--mode csv 2>/dev/full", 2)):
            async with command(address, redirected) as process:  # where nobody is any more
                assert await result(process) == (code, b"", "")

    heard: list[bytes] = []
    run(main())


def test_output_nobody_reads_any_more_ends_it_quietly(run: Run) -> None:
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


# --- the end of standard input


async def stay(reader: Reader, writer: Writer) -> None:
    """Answers, and does not end its side before the client has gone."""
    while line := await reader.readline():
        writer.write(b"heard " + line)
    while True:
        writer.write(b"tick\n")
        await writer.drain()
        await asyncio.sleep(0.01)


def test_who_sent_something_leaves_by_itself(run: Run) -> None:
    async def main() -> None:
        async with small_server(stay) as address, program(address) as process:
            code, output, errors = await result(process, b"hi\n")
            assert (code, errors) == (0, "")
            assert output.startswith(b"heard hi\n")

    run(main())


def test_input_that_ends_at_once_is_no_subscriber(run: Run, tmp_path: Path) -> None:
    """An empty pipe or file has ended; only /dev/null never was one."""
    (tmp_path / "empty").touch()

    async def main() -> None:
        with (tmp_path / "empty").open() as empty:
            for stdin in (PIPE, empty):
                async with small_server(stay) as address, program(address, stdin=stdin) as process:
                    code, _, errors = await result(process, b"" if stdin == PIPE else None)
                    assert (code, errors) == (0, "")

    run(main())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_does_not_lose_what_was_sent(run: Run, number: int, code: int) -> None:
    heard = []

    async def main() -> None:
        go = asyncio.Event()

        async def serve(reader: Reader, writer: Writer) -> None:
            writer.write(b"never read\n" * 10_000)
            heard.append(await reader.readline())
            go.set()
            heard.append(await reader.read())

        async with small_server(serve) as address, program(address) as process:
            assert process.stdin is not None
            process.stdin.write(b"one\n")
            await go.wait()
            process.stdin.write(b"two\n")
            await process.stdin.drain()
            process.send_signal(number)
            assert await process.wait() == code
        assert heard[0] == b"one\n"
        assert heard[1] in (b"", b"two\n")  # which of the two came first is open

    run(main())


def test_waits_as_long_as_told_and_no_longer(run: Run) -> None:
    async def main() -> None:
        async with small_server(stay) as address, program(address, wait=0, stdin=DEVNULL) as process:
            code, _, errors = await result(process)
            assert (code, errors) == (0, "")

    run(main())


def test_waits_for_the_server_to_end_if_told(run: Run) -> None:
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


def test_a_subscriber_stays_and_keeps_its_side_open(run: Run) -> None:
    """It ends with the server; had it ended its own side before, `read` would have returned."""

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


# --- what goes wrong


def test_nobody_listens(run: Run) -> None:
    async def main() -> None:
        async with small_server(echo) as address:
            pass
        async with program(address) as process:
            assert await result(process, b"x\n") == (1, b"", f"fastserver: {address}: Connection refused\n")

    run(main())


def test_what_is_not_allowed(capsys: Any) -> None:
    assert asyncio.run(terminal("nowhere")) == 2
    assert asyncio.run(terminal(mode="csv")) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line.partition(" is not allowed")[0] for line in errors] == [
        "fastserver: address 'nowhere'",
        "fastserver: mode 'csv'",
    ]


def test_a_server_that_ends_before_standard_input_does(run: Run) -> None:
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


def test_a_reset_connection(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readline()
        reset(writer)

    async def main() -> None:
        async with small_server(serve) as address, program(address, wait=FOR_EVER) as process:
            why = f"fastserver: {address}: Connection reset by peer\n"
            assert await result(process, b"hi\n") == (1, b"", why)

    run(main())


def test_a_server_of_another_framing(run: Run) -> None:
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


def test_interrupted(run: Run) -> None:
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


def test_interrupted_while_nobody_reads_its_output(run: Run) -> None:
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


# --- terminals


@asynccontextmanager
async def screen() -> AsyncIterator[tuple[int, int, Reader]]:
    """Both ends of a terminal, our own first, and what the program shows on it."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    attributes = termios.tcgetattr(theirs)
    attributes[3] |= termios.ICANON  # Ctrl-D is the end of input
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    before = termios.tcgetattr(theirs)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", 0, closefd=False)
    )
    try:
        yield ours, theirs, reader
        assert termios.tcgetattr(theirs) == before
    finally:
        transport.close()
        os.close(theirs)
        await asyncio.sleep(0)
        os.close(ours)


@pytest.mark.parametrize(
    ("mode", "typed", "shown"),
    [
        ("lines", b"a\tb\x1b[2J \xe2\x80\xae\xff \xc3\xbc", rb"a\x09b\x1b[2J \u202e\xff " + b"\xc3\xbc"),
        ("msgpack", rb'"\u001b[2J\u202e"', rb'"\u001b[2J\u202e"'),
    ],
)
def test_nothing_received_acts_on_the_terminal(run: Run, mode: str, typed: bytes, shown: bytes) -> None:
    async def main() -> None:
        async with (
            screen() as (ours, theirs, reader),
            small_server(echo) as address,
            program(address, mode, stdin=theirs, stdout=theirs) as process,
        ):
            os.write(ours, typed + b"\n")
            assert await reader.readline() == shown + b"\n"
            os.write(ours, b"\x04")
            code, _, errors = await result(process)
            assert (code, errors) == (0, "")

    run(main())


def test_msgpack_strings_are_shown_and_packed(run: Run) -> None:
    heard = []

    async def serve(reader: Reader, writer: Writer) -> None:
        heard.append(await reader.read())

    async def main() -> None:
        async with small_server(serve) as address, program(address, "msgpack-stream") as process:
            assert (await result(process, b'{"a":{"$timestamp":"2024-01-01T00:00:00Z"}}'))[0] == 0
        assert msgpack.unpackb(heard[0]) == {"a": msgpack.Timestamp(1_704_067_200)}

    run(main())
