"""Messages of a client, sent to and received from small servers on real sockets, under both event loops."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from support.small_server import Reader, Writer, echo, small_server

from fastserver.client.client import connect
from fastserver.framing import FRAMINGS


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        ("lines", b"hello"),
        ("lines", bytearray(b"")),
        ("msgpack", {"a": [1, b"bytes", "text", None]}),
        ("msgpack-stream", [2.5, {"n": 1}]),
    ],
)
def test_what_is_sent_comes_back(run: Run, mode: str, value: Any) -> None:
    async def main() -> None:
        async with small_server(echo) as address, connect(address, mode=mode) as client:
            await client.send(value)
            message = await client.__anext__()
            assert message.value == value
            assert message.peer is client

    run(main())


@pytest.mark.parametrize("mode", list(FRAMINGS))
def test_many_arrive_whole_and_in_order(run: Run, mode: str) -> None:
    sent = [b"%d " % number * (number % 50 + 1) for number in range(3000)]

    async def main() -> None:
        async with small_server(echo) as address, connect(address, mode=mode) as client:

            async def send() -> None:
                for value in sent:
                    await client.send(value)
                await client.finish()

            sending = asyncio.ensure_future(send())
            assert [message.value async for message in client] == sent
            await sending

    run(main())


def test_packed_bytes_are_sent_as_they_are(run: Run) -> None:
    packed = b"\xcd\x00\x05"  # 5, packed longer than need be

    async def main() -> None:
        async with small_server(echo) as address, connect(address, mode="msgpack") as client:
            await client.send_packed(packed)
            message = await client.__anext__()
            assert (message.payload, message.value) == (packed, 5)

    run(main())


@pytest.mark.parametrize(
    ("mode", "value", "error"),
    [
        ("lines", "text", TypeError),
        ("lines", 5, TypeError),
        ("lines", b"two\nlines", ValueError),
        ("lines", b"x" * 101, ValueError),
        ("msgpack", object(), TypeError),
        ("msgpack", b"x" * 101, ValueError),
        ("msgpack", "\ud800", ValueError),
        ("msgpack", 2**64, ValueError),
        ("msgpack-stream", {"far": -(2**63) - 1}, ValueError),
        ("lines", memoryview(b"abcd")[::2], ValueError),
        ("msgpack", [memoryview(b"abcd")[::2]], ValueError),
    ],
)
def test_what_cannot_be_a_message_is_refused_and_nothing_sent(
    run: Run, mode: str, value: Any, error: type[Exception]
) -> None:
    async def main() -> None:
        async with small_server(echo) as address, connect(address, mode=mode, max_message=100) as client:
            with pytest.raises(error):
                await client.send(value)
            await client.send(b"next")
            assert (await client.__anext__()).value == b"next"

    run(main())


def test_frames_are_bytes(run: Run) -> None:
    async def main() -> None:
        async with small_server(echo) as address, connect(address) as client:
            for wrong in ("text\n", 5, None):
                with pytest.raises(TypeError):
                    await client.send_frames(wrong)  # type: ignore[arg-type]
            await client.send_frames(bytearray(b"next\n"))
            assert (await client.receive()).payload == b"next"

    run(main())


def test_default_packs_what_msgpack_cannot(run: Run) -> None:
    async def main() -> None:
        async with small_server(echo) as address, connect(address, mode="msgpack", default=list) as client:
            await client.send({"set": {1}})
            assert (await client.receive()).value == {"set": [1]}

    run(main())


def test_extension_types_have_values(run: Run) -> None:
    def pair(code: int, data: bytes) -> tuple[int, bytes]:
        return code, data

    async def main() -> None:
        async with small_server(echo) as address, connect(address, mode="msgpack", ext_hook=pair) as client:
            await client.send_packed(b"\xd4\x05x")
            assert (await client.receive()).value == (5, b"x")

    run(main())


def test_batches_give_what_came_together(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(b"1\n2\n3\n")

    async def main() -> None:
        async with small_server(serve) as address, connect(address) as client:
            assert (await client.__anext__()).payload == b"1"
            assert [message.payload for message in await client.receive_batch()] == [b"2", b"3"]
            assert await client.receive_batch() == []

    run(main())


def test_unix_sockets(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "feed.sock")

    async def serve(reader: Reader, writer: Writer) -> None:
        await echo(reader, writer)
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await asyncio.start_unix_server(serve, path)
        async with connect(f"unix:{path}") as client:
            await client.send(b"hi")
            assert (await client.__anext__()).payload == b"hi"
        server.close()

    run(main())


def test_one_task_receives(run: Run) -> None:
    """Calls of other tasks raise, and it goes on; once it was cancelled, another task can receive."""

    async def main() -> None:
        async with small_server(echo) as address, connect(address) as client:
            for cancel in (True, False):
                receiving = asyncio.ensure_future(client.receive())
                await asyncio.sleep(0)
                for step in (client.receive(), client.receive_batch(), client.__anext__()):
                    with pytest.raises(RuntimeError, match="another task is receiving"):
                        await step
                if cancel:
                    receiving.cancel()
                    await asyncio.wait([receiving])
            await client.send(b"x")
            assert (await receiving).payload == b"x"

    run(main())
