"""Closing a client's connection: messages that were sent are not lost, or the program is told."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from conftest import Run
from support.both_ends import both_ends, read_to_end
from support.resets import reset_now
from support.small_server import Reader, Writer, echo, small_server

from fastserver.client.client import Client, connect
from fastserver.client.connection import Connection


@pytest.mark.parametrize("how", ["reset", "unread", "end"])
def test_closing_says_that_what_was_sent_may_be_lost(run: Run, how: str) -> None:
    """Unless another call has said so. A lost connection does not keep the client from closing, once or twice."""

    async def main(told: bool) -> None:
        async with both_ends() as (client, theirs):
            await client.send(b"one")
            if how == "reset":
                theirs.recv(100)
                reset_now(theirs)
            elif how == "unread":
                theirs.recv(1)
                theirs.close()
            else:
                theirs.recv(100)
                theirs.close()
                await client.send(b"two")
            if told and how != "end":
                with pytest.raises(ConnectionError):
                    await client.receive()
                await client.close()
            else:
                with pytest.raises(ConnectionError, match="may be lost"):
                    await client.close()
            await client.close()
            with pytest.raises(ConnectionError):
                await client.send(b"x")
            assert client._conversation.connection is None

    run(main(False))
    run(main(True))


def test_leaving_does_not_wait_for_a_server_that_has_everything(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        for path in (None, tmp_path / "socket"):
            async with both_ends(path) as (client, theirs):
                await client.send(b"x")
                assert theirs.recv(10) == b"x\n"
                await client.close(linger=3600)
            (tmp_path / "socket").unlink(missing_ok=True)

    run(main())


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_closing_loses_nothing_that_a_server_has_not_read(run: Run, tmp_path: Path, unix: bool) -> None:
    """Though messages of the server were not received."""

    async def main() -> None:
        async with both_ends(tmp_path / "socket" if unix else None) as (client, theirs):
            theirs.sendall(b"unread\n" * 1000)
            for number in range(100):
                await client.send(b"%d" % number)
            await client.close(linger=0)
            received = b""
            try:
                while data := theirs.recv(1 << 16):
                    received += data
            except ConnectionResetError:
                pass
            assert received == b"".join(b"%d\n" % number for number in range(100))

    run(main())


def test_no_time_to_close_is_enough_where_all_is_there(run: Run) -> None:
    async def main() -> None:
        async with both_ends(close_timeout=0) as (client, theirs):
            await client.send(b"x")
            assert theirs.recv(10) == b"x\n"
            await client.close(linger=0)

    run(main())


def test_closing_says_what_a_server_did_not_take_of_what_the_system_has(run: Run) -> None:
    """Our system has taken all, but the server's has no room for it."""

    async def main() -> None:
        async with both_ends(receive_buffer=4096, close_timeout=0.05) as (client, _):
            for _ in range(10):
                await client.send(b"x" * 10_000)
            await client.finish()
            with pytest.raises(TimeoutError, match=r"did not take the last \d+ bytes within 0.05 s"):
                await client.close()

    run(main())


def test_a_server_that_ends_has_what_was_sent_before_the_client_leaves(run: Run) -> None:
    """The server ends its side first, and reads on."""

    async def main() -> None:
        async with both_ends() as (client, theirs):
            await client.send(b"one")
            theirs.shutdown(socket.SHUT_WR)
            await client.send(b"two")
            assert [message async for message in client] == []
            await client.close()
            assert read_to_end(theirs) == b"one\ntwo\n"

    run(main())


@pytest.mark.parametrize("later", range(6))
def test_closing_can_be_cancelled_whenever_it_ends(run: Run, monkeypatch: pytest.MonkeyPatch, later: int) -> None:
    """Before Python 3.12, `asyncio.wait_for` swallows that if it comes with what was waited for."""
    lost = Connection.connection_lost

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def cancel(turns: int) -> None:
            if turns:
                loop.call_soon(cancel, turns - 1)
            else:
                task.cancel()

        def connection_lost(self: Connection, error: Exception | None) -> None:
            lost(self, error)
            cancel(later)

        async def close(client: Client) -> None:
            await client.close(linger=3600)
            await asyncio.Event().wait()

        async with both_ends() as (client, theirs):
            await client.send(b"x")
            assert theirs.recv(10) == b"x\n"
            monkeypatch.setattr(Connection, "connection_lost", connection_lost)
            task = asyncio.ensure_future(close(client))
            theirs.close()
            await asyncio.wait([task], timeout=20)
            assert task.cancelled()

    run(main())


def test_what_arrived_before_closing_can_still_be_received(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(b"1\n2\n")
        await reader.read()

    async def main() -> None:
        async with small_server(serve) as address, connect(address) as client:
            assert (await client.__anext__()).payload == b"1"
            await client.close()
            await client.close()
            assert [message.payload async for message in client] == [b"2"]

    run(main())


def test_closing_ends_a_waiting_reader(run: Run) -> None:
    async def main() -> None:
        async with small_server(echo) as address, connect(address) as client:
            reading = asyncio.ensure_future(client.receive_batch())
            await client.send(b"x")
            assert len(await reading) == 1
            reading = asyncio.ensure_future(client.receive_batch())
            await client.close()
            assert await reading == []

    run(main())


def test_closing_delivers_all_that_was_sent_to_a_server_that_talks(run: Run) -> None:
    """Unread data must not reset the connection before the server has read everything."""
    received: list[bytes] = []
    line = b"x" * 10_000

    async def serve(reader: Reader, writer: Writer) -> None:
        while data := await reader.readline():
            received.append(data)
            writer.write(data)

    async def main() -> None:
        async with small_server(serve) as address, connect(address) as client:
            for _ in range(500):
                await client.send(line)
        assert b"".join(received) == (line + b"\n") * 500

    run(main())


def test_closing_says_what_a_server_did_not_take(run: Run) -> None:
    """And resets the connection, since an orderly end would make half a line look whole."""
    outcome: list[type[BaseException]] = []

    async def main() -> None:
        done = asyncio.Event()

        async def serve(reader: Reader, writer: Writer) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await done.wait()
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            try:
                await reader.read()
            except ConnectionError as error:
                outcome.append(type(error))
                raise

        async with small_server(serve) as address:
            client = connect(address, max_message=64 << 20, close_timeout=0.05)
            with pytest.raises(TimeoutError, match=r"did not take the last \d+ bytes within 0.05 s"):
                async with client:
                    await client.send(b"x" * (60 << 20))
            done.set()
        assert outcome == [ConnectionResetError]

    run(main())


def test_an_error_in_the_program_is_not_hidden_by_one_of_closing(run: Run) -> None:
    async def main() -> None:
        done = asyncio.Event()

        async def fail(client: Client) -> None:
            async with client:
                await client.send(b"x" * (60 << 20))
                raise ZeroDivisionError

        async def serve(reader: Reader, writer: Writer) -> None:
            await done.wait()

        async with small_server(serve) as address:
            with pytest.raises(ZeroDivisionError):
                await fail(connect(address, max_message=64 << 20, close_timeout=0.05))
            done.set()

    run(main())
