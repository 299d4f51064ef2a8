"""The end of a connection by the server, in order or not: messages that had arrived whole are received."""

from __future__ import annotations

import msgpack
import pytest
from conftest import Run
from support.both_ends import both_ends
from support.resets import reset_now
from support.small_server import Reader, Writer, reset, small_server

from fastserver.client.client import connect
from fastserver.errors import FrameError
from fastserver.framing import FRAMINGS


def test_an_unfinished_last_line_is_a_message(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(b"one\nlast")

    async def main() -> None:
        async with small_server(serve) as address, connect(address) as client:
            assert [message.payload async for message in client] == [b"one", b"last"]
            with pytest.raises(ConnectionError, match="ended the stream"):
                await client.send(b"too late")

    run(main())


def test_finish_ends_our_side_and_goes_on_receiving(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        received = await reader.read()
        writer.write(b"heard " + received)

    async def main() -> None:
        async with small_server(serve) as address, connect(address) as client:
            await client.send(b"all")
            await client.finish()
            with pytest.raises(ConnectionError, match="finish"):
                await client.send(b"more")
            assert [message.payload async for message in client] == [b"heard all"]
            await client.finish()

    run(main())


@pytest.mark.parametrize("mode", list(FRAMINGS))
def test_malformed_bytes_raise_after_what_was_whole(run: Run, mode: str) -> None:
    good = FRAMINGS[mode].splitter(1000).frame(msgpack.packb(b"good"))
    bad = b"\xc1" * 1002

    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(good + bad)
        await reader.read()

    async def main() -> None:
        for reconnect in (False, True):
            async with (
                small_server(serve) as address,
                connect(address, mode=mode, max_message=1000, reconnect=reconnect) as client,
            ):
                assert (await client.__anext__()).frame == good
                with pytest.raises(FrameError):
                    await client.__anext__()
                with pytest.raises(ConnectionError):
                    await client.send(b"x")

    run(main())


def test_a_stream_that_ends_inside_a_message_raises(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(b"\x00\x00\x00\x05\xa4")

    async def main() -> None:
        async with small_server(serve) as address, connect(address, mode="msgpack") as client:
            with pytest.raises(FrameError):
                await client.__anext__()

    run(main())


def test_a_reset_connection_raises(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readline()
        reset(writer)

    async def main() -> None:
        async with small_server(serve) as address, connect(address) as client:
            await client.send(b"go")
            with pytest.raises(ConnectionError):
                await client.__anext__()
            with pytest.raises(ConnectionError):
                await client.send(b"x")

    run(main())


@pytest.mark.parametrize("mode", list(FRAMINGS))
@pytest.mark.parametrize("writes", [False, True], ids=["reading", "writing"])
def test_a_connection_reset_inside_a_message_does_not_give_half_of_it(run: Run, mode: str, writes: bool) -> None:
    """Nor loses messages that were whole, whether reading or writing meets the reset."""
    frames = [FRAMINGS[mode].splitter(1000).frame(msgpack.packb(value)) for value in ("one", "two", "three")]

    async def main() -> None:
        async with both_ends(mode=mode) as (client, theirs):
            await client.send_packed(msgpack.packb("go"))
            theirs.recv(100)
            theirs.sendall(b"".join(frames)[:-2])
            if not writes:
                assert len(await client.receive_batch()) == 2
            reset_now(theirs)
            if writes:
                await client.send_packed(msgpack.packb("into the void"))
                assert [(await client.receive()).frame for _ in range(2)] == frames[:2]
            for _ in range(2):
                with pytest.raises(ConnectionError):
                    await client.receive()

    run(main())


def test_what_the_server_said_before_it_closed_survives_a_write_that_fails(run: Run) -> None:
    """The unfinished last line too, since it came with an end of stream."""

    async def main() -> None:
        async with both_ends() as (client, theirs):
            theirs.sendall(b"one\nlast")
            theirs.close()
            await client.send(b"nobody is there")
            await client.send(b"and that is known by now")
            assert [message.payload async for message in client] == [b"one", b"last"]
            with pytest.raises(ConnectionError, match="may be lost"):
                await client.close()

    run(main())


def test_ending_our_side_of_a_connection_that_was_reset(run: Run) -> None:
    async def main() -> None:
        async with both_ends() as (client, theirs):
            reset_now(theirs)
            await client.close()  # nothing was sent
        async with both_ends() as (client, theirs):
            theirs.sendall(b"x\n")
            await client.send(b"x")
            theirs.recv(10)
            reset_now(theirs)
            await client.finish()  # or it raises, where the loop knows already
            assert (await client.receive()).payload == b"x"
            with pytest.raises(ConnectionError):
                await client.receive()

    run(main())
