"""The terminal client with pipes and files: messages go and come."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgpack
import pytest
from support.small_server import Reader, Writer, echo, small_server
from support.terminal_client import DEVNULL, FOR_EVER, Program, result, run


def test_lines_go_and_come_verbatim(program: Program) -> None:
    given = b"one\r\n\nthree \x1b[2J\xff\nlast"

    async def main() -> None:
        async with small_server(echo) as address, program(address) as process:
            assert await result(process, given) == (0, given + b"\n", "")

    run(main())


@pytest.mark.parametrize("mode", ["msgpack", "msgpack-stream"])
def test_json_goes_and_comes_as_messages(program: Program, mode: str) -> None:
    given = b'{"a": [1, null]}\n\n  \n{"$bin":"aGk="}\n"\\u001b"'
    came = b'{"a": [1, null]}\n{"$bin": "aGk="}\n"\\u001b"\n'

    async def main() -> None:
        async with small_server(echo) as address, program(address, mode) as process:
            assert await result(process, given) == (0, came, "")

    run(main())


def test_msgpack_strings_are_shown_and_packed(program: Program) -> None:
    received = []

    async def serve(reader: Reader, writer: Writer) -> None:
        received.append(await reader.read())

    async def main() -> None:
        async with small_server(serve) as address, program(address, "msgpack-stream") as process:
            assert (await result(process, b'{"a":{"$timestamp":"2024-01-01T00:00:00Z"}}'))[0] == 0
        assert msgpack.unpackb(received[0]) == {"a": msgpack.Timestamp(1_704_067_200)}

    run(main())


def test_bad_json_is_named_and_the_rest_sent(program: Program) -> None:
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


def test_a_line_over_the_limit_ends_it_after_those_before(program: Program) -> None:
    received = []

    async def serve(reader: Reader, writer: Writer) -> None:
        received.append(await reader.read())

    async def main() -> None:
        async with small_server(serve) as address, program(address, max_message=10) as process:
            code, output, errors = await result(process, b"one\ntwo\n" + b"x" * 20 + b"\n")
            assert (code, output) == (1, b"")
            assert errors.startswith("fastserver: standard input, line 3: ")
            assert errors.count("\n") == 1
        assert received == [b"one\ntwo\n"]

    run(main())


def test_any_map_key_that_msgpack_allows_is_shown(program: Program) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        payload = b"\x82\x91\x01\x02\x80\x03"  # {[1]: 2, {}: 3}
        writer.write(len(payload).to_bytes(4, "big") + payload)

    async def main() -> None:
        async with small_server(serve) as address, program(address, "msgpack", stdin=DEVNULL) as process:
            _, output, _ = await result(process)  # which of the two ends comes first is open
            assert output == b'{"$map": [[[1], 2], [{}, 3]]}\n'

    run(main())


@pytest.mark.parametrize("reads", [True, False])
def test_megabytes_through_pipes_that_fill_up(program: Program, reads: bool, tmp_path: Path) -> None:
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
