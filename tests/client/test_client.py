"""Behaviour against small servers on real sockets, under both event loops."""

import asyncio
import io
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
from conftest import Run
from support.small_server import Reader, Writer, echo, reset, small_server

from fastserver import Config, Server
from fastserver.client import dialer
from fastserver.client.client import Client, connect
from fastserver.client.connection import Connection
from fastserver.errors import ConfigError, FrameError
from fastserver.framing import FRAMINGS


def generator(client: object) -> Any:
    yield client


@asynccontextmanager
async def bare(path: Path | None = None, receive_buffer: int = 0, **options: Any) -> AsyncIterator[tuple[Client, Any]]:
    """An entered client, and the other end of its connection: a plain socket, so that a test can have things happen
    there of which the event loop has not heard yet."""
    with socket.socket(socket.AF_INET if path is None else socket.AF_UNIX) as listening:
        if receive_buffer:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listening.bind(("127.0.0.1", 0) if path is None else str(path))
        listening.listen()
        address = f"unix:{path}" if path else f"127.0.0.1:{listening.getsockname()[1]}"
        async with connect(address, **options) as client:
            theirs, _ = listening.accept()
            theirs.settimeout(30)
            with theirs:
                yield client, theirs


def reset_now(theirs: socket.socket) -> None:
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()


def read_to_end(theirs: socket.socket) -> bytes:
    heard = b""
    while data := theirs.recv(1 << 20):
        heard += data
    return heard


# --- messages


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


# --- ends


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
        heard = await reader.read()
        writer.write(b"heard " + heard)

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
    bad = b"x" * 1002 if mode == "lines" else b"\x00\x00\x00\x01\xc1" if mode == "msgpack" else b"\xc1"

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
    """Nor loses what was whole, whether it is reading or writing that meets the reset."""
    frames = [FRAMINGS[mode].splitter(1000).frame(msgpack.packb(value)) for value in ("one", "two", "three")]

    async def main() -> None:
        async with bare(mode=mode) as (client, theirs):
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
    """The unfinished last line too: it came with an end of stream."""

    async def main() -> None:
        async with bare() as (client, theirs):
            theirs.sendall(b"one\nlast")
            theirs.close()
            await client.send(b"nobody is there")
            await client.send(b"and that is known by now")
            assert [message.payload async for message in client] == [b"one", b"last"]
            with pytest.raises(ConnectionError, match="may be lost"):
                await client.close()

    run(main())


@pytest.mark.parametrize("how", ["reset", "unread", "end"])
def test_closing_says_that_what_was_sent_may_be_lost(run: Run, how: str) -> None:
    """Unless another call has said so. What is lost already does not keep it from closing, nor from doing so twice."""

    async def main(told: bool) -> None:
        async with bare() as (client, theirs):
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
            assert client._dialer.connection is None

    run(main(False))
    run(main(True))


def test_ending_our_side_of_a_connection_that_was_reset(run: Run) -> None:
    async def main() -> None:
        async with bare() as (client, theirs):
            reset_now(theirs)
            await client.close()  # nothing was sent
        async with bare() as (client, theirs):
            theirs.sendall(b"x\n")
            await client.send(b"x")
            theirs.recv(10)
            reset_now(theirs)
            await client.finish()  # or it raises, where the loop knows already
            assert (await client.receive()).payload == b"x"
            with pytest.raises(ConnectionError):
                await client.receive()

    run(main())


def test_leaving_does_not_wait_for_a_server_that_has_everything(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        for path in (None, tmp_path / "socket"):
            async with bare(path) as (client, theirs):
                await client.send(b"x")
                assert theirs.recv(10) == b"x\n"
                await client.close(linger=3600)
            (tmp_path / "socket").unlink(missing_ok=True)

    run(main())


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_closing_loses_nothing_that_a_server_has_not_read(run: Run, tmp_path: Path, unix: bool) -> None:
    """Though what it said was not received."""

    async def main() -> None:
        async with bare(tmp_path / "socket" if unix else None) as (client, theirs):
            theirs.sendall(b"unread\n" * 1000)
            for number in range(100):
                await client.send(b"%d" % number)
            await client.close(linger=0)
            heard = b""
            try:
                while data := theirs.recv(1 << 16):
                    heard += data
            except ConnectionResetError:
                pass
            assert heard == b"".join(b"%d\n" % number for number in range(100))

    run(main())


def test_no_time_to_close_is_enough_where_all_is_there(run: Run) -> None:
    async def main() -> None:
        async with bare(close_timeout=0) as (client, theirs):
            await client.send(b"x")
            assert theirs.recv(10) == b"x\n"
            await client.close(linger=0)

    run(main())


def test_closing_says_what_a_server_did_not_take_of_what_the_system_has(run: Run) -> None:
    """The system here has taken all, but the other has no room for it."""

    async def main() -> None:
        async with bare(receive_buffer=4096, close_timeout=0.05) as (client, _):
            for _ in range(10):
                await client.send(b"x" * 10_000)
            await client.finish()
            with pytest.raises(TimeoutError, match=r"did not take the last \d+ bytes within 0.05 s"):
                await client.close()

    run(main())


def test_a_server_that_ends_has_what_was_sent_before_the_client_leaves(run: Run) -> None:
    """It ends its side first, and reads on."""

    async def main() -> None:
        async with bare() as (client, theirs):
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

        async with bare() as (client, theirs):
            await client.send(b"x")
            assert theirs.recv(10) == b"x\n"
            monkeypatch.setattr(Connection, "connection_lost", connection_lost)
            task = asyncio.ensure_future(close(client))
            theirs.close()
            await asyncio.wait([task], timeout=20)
            assert task.cancelled()

    run(main())


def test_a_server_that_stops_first_and_tasks_that_are_cancelled_then(run: Run) -> None:
    async def main() -> None:
        async def talk(address: str) -> None:
            while True:
                try:
                    async with connect(address) as client:
                        await client.send(b"x")
                        async for _ in client:
                            pass
                except ConnectionError:
                    await asyncio.sleep(0)

        server = Server(Config(port=0))
        await server.start()
        tasks = [asyncio.ensure_future(talk(server.addresses[0])) for _ in range(10)]
        while len(server.peers) < 10:
            await asyncio.sleep(0)
        await server.stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)

    run(main())


def test_a_program_that_cancels_all_tasks(run: Run) -> None:
    """Those of its clients too: they end, and say so, and closing takes what was sent along."""

    async def cancel_others() -> None:
        for task in asyncio.all_tasks() - kept - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    async def main() -> None:
        nonlocal kept
        kept = asyncio.all_tasks()
        async with bare(reconnect=True, first_delay=3600) as (client, theirs):
            theirs.close()
            while not client._dialer.dialing:
                await asyncio.sleep(0)
            await cancel_others()
            for step in (client.receive(), client.send(b"x")):
                with pytest.raises(ConnectionError, match="cancelled"):
                    await step
        async with bare() as (client, theirs):
            await client.send(b"x")
            theirs.shutdown(socket.SHUT_WR)
            assert await client.receive_batch() == []
            await cancel_others()
            await client.close()
            assert read_to_end(theirs) == b"x\n"
        async with bare() as (client, theirs):
            await client.send(b"x")
            closing = asyncio.ensure_future(client.close(linger=3600))
            kept.add(closing)
            await asyncio.sleep(0)
            await cancel_others()
            assert await asyncio.to_thread(read_to_end, theirs) == b"x\n"
            theirs.close()
            await closing

    kept: set[asyncio.Task[Any]] = set()
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
    """What arrives and is not read must not reset the connection before the server has read everything."""
    heard: list[bytes] = []
    line = b"x" * 10_000

    async def serve(reader: Reader, writer: Writer) -> None:
        while data := await reader.readline():
            heard.append(data)
            writer.write(data)

    async def main() -> None:
        async with small_server(serve) as address, connect(address) as client:
            for _ in range(500):
                await client.send(line)
        assert b"".join(heard) == (line + b"\n") * 500

    run(main())


def test_closing_says_what_a_server_did_not_take(run: Run) -> None:
    """And resets the connection: an orderly end would make half a line look whole."""
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


# --- back-pressure


def test_a_program_that_does_not_receive_stops_the_server_and_loses_nothing(run: Run) -> None:
    number = 200_000

    async def main() -> None:
        stuck = asyncio.Event()

        async def serve(reader: Reader, writer: Writer) -> None:
            for first in range(0, number, 1000):
                writer.write(b"".join(b"%0100d\n" % n for n in range(first, first + 1000)))
                draining = asyncio.ensure_future(writer.drain())
                await asyncio.sleep(0)
                if not draining.done():
                    stuck.set()
                await draining

        async with small_server(serve) as address, connect(address, max_queue=10_000) as client:
            await stuck.wait()
            assert client._incoming.bytes < 1 << 20
            received = [int(message.payload) async for message in client]
            assert received == list(range(number))

    run(main())


def test_sending_waits_for_a_server_that_does_not_read_and_cancelled_sends_nothing(run: Run) -> None:
    heard = bytearray()
    line = b"x" * 100_000

    async def main() -> None:
        go = asyncio.Event()

        async def serve(reader: Reader, writer: Writer) -> None:
            await go.wait()
            while data := await reader.read(1 << 20):
                heard.extend(data)

        async with small_server(serve, limit=1) as address:
            sent = 0
            async with connect(address) as client:
                connection = client._dialer.connection
                assert connection is not None
                while True:
                    while connection.writable.is_set():
                        await client.send(line)
                        sent += 1
                    sending = asyncio.ensure_future(client.send(line))
                    await asyncio.sleep(0)
                    if not sending.done():  # else the system took some more just then
                        break
                    sent += 1
                sending.cancel()
                await asyncio.wait([sending])
                assert sending.cancelled()
                go.set()
                await client.send(b"end")
        assert bytes(heard) == (line + b"\n") * sent + b"end\n"

    run(main())


def test_a_task_that_only_sends_lets_others_run(run: Run) -> None:
    async def main() -> None:
        others = 0

        async def other() -> None:
            nonlocal others
            while True:
                others += 1
                await asyncio.sleep(0)

        async def serve(reader: Reader, writer: Writer) -> None:
            while await reader.read(1 << 20):
                pass

        async with small_server(serve) as address, connect(address) as client:
            task = asyncio.ensure_future(other())
            for _ in range(100):
                await client.send(b"x" * 8000)
            assert others > 1
            task.cancel()

    run(main())


# --- connecting


def test_nobody_listens(run: Run) -> None:
    async def main() -> None:
        async with small_server(echo) as address:
            pass
        with pytest.raises(ConnectionRefusedError):
            async with connect(address):
                pytest.fail("connected")

    run(main())


def test_cancelled_while_connecting(run: Run) -> None:
    async def main() -> None:
        async with small_server(echo) as address:
            client = connect(address, reconnect=True)
            entering = asyncio.ensure_future(client.__aenter__())
            while client._dialer.connection is None:
                await asyncio.sleep(0)
            entering.cancel()
            await asyncio.wait([entering])
            assert entering.cancelled()
            with pytest.raises(RuntimeError, match="make another"):
                await client.__aenter__()

    run(main())


@pytest.mark.parametrize(
    "options",
    [
        {"address": "nowhere"},
        {"address": 3000},
        {"mode": "csv"},
        {"mode": ["lines"]},
        {"max_message": 0},
        {"max_message": "much"},
        {"max_message": True},
        {"max_queue": 0},
        {"max_queue": 1.5},
        {"close_timeout": -1},
        {"close_timeout": "5"},
        {"close_timeout": None},
        {"first_delay": -1},
        {"first_delay": float("nan")},
        {"first_delay": float("inf")},
        {"first_delay": "0.1"},
        {"first_delay": 2, "longest_delay": 1},
        {"longest_delay": True},
        {"ssl": True},
        {"server_hostname": "localhost"},
        {"ssl": ssl.create_default_context(), "address": "unix:x"},
        {"on_connect": "login"},
        {"on_connect": generator},
        {"on_disconnect": asyncio.sleep},
        {"default": list},  # in mode lines
        {"default": 5, "mode": "msgpack"},
    ],
    ids=lambda options: " ".join(options),
)
def test_settings_that_are_not_allowed(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"^{next(iter(options))} .*is not allowed"):
        connect(**{"address": "127.0.0.1:3000", **options})


def test_sizes_as_text() -> None:
    client = connect("127.0.0.1:3000", max_message="64KiB", max_queue="1 MiB")
    assert (client._max_message, client._incoming.most) == (65536, 1 << 20)


def test_only_a_connected_client_sends_and_receives(run: Run) -> None:
    async def main() -> None:
        client = connect("127.0.0.1:3000")
        for step in (client.send(b"x"), client.receive(), client.receive_batch(), client.__anext__(), client.finish()):
            with pytest.raises(ConnectionError, match="async with"):
                await step
        await client.close()
        with pytest.raises(RuntimeError, match="make another"):
            await client.__aenter__()

    run(main())


def test_one_task_receives(run: Run) -> None:
    """The others are told, and it goes on; once it was cancelled, another can."""

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


def test_entering_twice(run: Run) -> None:
    async def main() -> None:
        async with small_server(echo) as address:
            client = connect(address)
            entering = [asyncio.ensure_future(client.__aenter__()) for _ in range(2)]
            await asyncio.wait(entering)
            assert entering[0].result() is client
            assert isinstance(entering[1].exception(), RuntimeError)
            with pytest.raises(RuntimeError, match="make another"):
                await client.__aenter__()
            await client.send(b"still there")
            assert (await client.receive()).payload == b"still there"
            await client.close()

    run(main())


@pytest.mark.parametrize("reconnect", [False, True])
def test_closing_while_it_connects_for_the_first_time(run: Run, reconnect: bool) -> None:
    """To a server that is silent where TLS should begin, or that is not there."""

    async def silent(reader: Reader, writer: Writer) -> None:
        await reader.read()

    async def main() -> None:
        async with small_server(silent) as address:
            client = connect(address, ssl=ssl.create_default_context(), reconnect=reconnect)
            await close_while_entering(client)
        if reconnect:
            await close_while_entering(connect(address, reconnect=True, first_delay=3600))

    async def close_while_entering(client: Client) -> None:
        entering = asyncio.ensure_future(client.__aenter__())
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(ConnectionError, match="the client was closed"):
            await entering
        with pytest.raises(ConnectionError, match="the client was closed"):
            await client.send(b"x")

    run(main())


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python has them from 3.12 on")
def test_eager_tasks() -> None:
    connections = 0

    async def serve(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        writer.write(await reader.readline())
        if connections < 3:
            reset(writer)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        async with small_server(serve) as address:
            options: dict[str, Any] = {"reconnect": True, "first_delay": 0, "on_connect": lambda it: it.send(b"hello")}
            async with connect(address, **options) as client:
                while connections < 3:
                    await asyncio.sleep(0)
                while (await client.receive()).payload != b"hello":
                    pass

    asyncio.run(asyncio.wait_for(main(), 30))  # uvloop has none yet on Python 3.13


def test_another_event_loop(run: Run) -> None:
    """Such as one in another thread: it says so, and the client goes on."""

    async def main() -> None:
        async with small_server(echo) as address, connect(address) as client:
            for step in (client.send, client.send_packed, client.send_frames):
                with pytest.raises(RuntimeError, match="outside of the event loop"):
                    await asyncio.to_thread(asyncio.run, step(b"x\n"[: 2 if step == client.send_frames else 1]))
            for other in (client.receive, client.receive_batch, client.finish, client.close):
                with pytest.raises(RuntimeError, match="outside of the event loop"):
                    await asyncio.to_thread(asyncio.run, other())  # type: ignore[operator]
            await client.send(b"still there")
            assert (await client.receive()).payload == b"still there"

    run(main())


# --- what a program wants to do when it is connected


def test_what_on_connect_sends_goes_first_each_time(run: Run) -> None:
    """Before a send that waits; also what its own tasks send."""
    heard: list[list[bytes]] = []
    came: list[Exception | None] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        lines = [await reader.readline() for _ in range(4)]
        heard.append(lines)
        if len(heard) < 3:
            reset(writer)

    async def login(client: Client) -> None:
        await client.send(b"login")
        await asyncio.sleep(0.001)  # asks for a password elsewhere
        await asyncio.gather(client.send(b"password"))

    async def main() -> None:
        async with small_server(serve) as address:
            client = connect(
                address, reconnect=True, on_connect=login, on_disconnect=came.append, first_delay=0.001, max_message=10
            )
            async with client:
                for number in range(3):
                    await client.send(b"first %d" % number)
                    await client.send(b"second")
                    while len(heard) <= number or (number < 2 and len(came) <= number):
                        await asyncio.sleep(0)

    run(main())
    assert heard == [[b"login\n", b"password\n", b"first %d\n" % number, b"second\n"] for number in range(3)]
    assert [type(error) for error in came] == [ConnectionResetError, ConnectionResetError, type(None)]


@pytest.mark.parametrize("reconnect", [False, True])
def test_on_connect_can_wait_for_an_answer(run: Run, reconnect: bool) -> None:
    async def login(client: Client) -> None:
        await client.send(b"login")
        assert (await client.receive()).payload == b"login"

    async def main() -> None:
        async with small_server(echo) as address, connect(address, on_connect=login, reconnect=reconnect) as client:
            await client.send(b"x")
            assert (await client.receive()).payload == b"x"

    run(main())


@pytest.mark.parametrize("reconnect", [False, True])
@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError()], ids=["error", "cancelled"])
def test_on_connect_that_fails(run: Run, error: BaseException, reconnect: bool) -> None:
    """At first `async with` raises it; later who receives or sends hears of it, and nobody waits for ever."""
    expected = RuntimeError if isinstance(error, asyncio.CancelledError) else type(error)
    times = 0

    async def fail(client: Client) -> None:
        nonlocal times
        times += 1
        if times != 2:
            raise error

    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readline()
        reset(writer)

    async def main() -> None:
        async with small_server(serve) as address:
            with pytest.raises(expected):
                async with connect(address, on_connect=fail, reconnect=reconnect):
                    pytest.fail("entered")
            if reconnect:
                async with connect(address, on_connect=fail, reconnect=True, first_delay=0) as client:
                    await client.send(b"go")
                    with pytest.raises(expected):
                        await client.receive()
                    with pytest.raises(ConnectionError, match="cannot connect"):
                        await client.send(b"x")

    run(main())


def test_a_connection_that_is_lost_in_on_connect_is_made_again(run: Run) -> None:
    connections = 0

    async def serve(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        if connections == 3:
            await echo(reader, writer)
        elif connections == 2:
            reset(writer)

    async def greet(client: Client) -> None:
        while True:
            await client.send(b"hello")
            await asyncio.sleep(0)
            if connections == 3:
                break

    async def main() -> None:
        async with small_server(serve) as address:
            async with connect(address, on_connect=greet, reconnect=True, first_delay=0) as client:
                assert (await client.receive()).payload == b"hello"
            connections_then = connections
            assert connections_then == 3

    run(main())


def test_closing_in_on_connect(run: Run) -> None:
    async def main() -> None:
        for reconnect in (False, True):
            async with small_server(echo) as address:
                client = connect(address, on_connect=Client.close, reconnect=reconnect)
                with pytest.raises(ConnectionError):
                    await client.__aenter__()

    run(main())


def test_on_disconnect_that_fails_is_logged(run: Run, caplog: Any) -> None:
    def fail(error: Exception | None) -> None:
        raise (ZeroDivisionError, asyncio.CancelledError)[len(caplog.messages)]

    async def main() -> None:
        async with small_server(echo) as address:
            for _ in range(2):
                async with connect(address, on_disconnect=fail) as client:
                    await client.send(b"x")

    run(main())
    assert caplog.messages == ["on_disconnect failed"] * 2


def test_a_lost_connection_is_made_again(run: Run) -> None:
    connections = 0

    async def serve(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        writer.write(b"hello %d\n" % connections)
        line = await reader.readline()
        writer.write(b"heard " + line)
        if connections == 2:
            reset(writer)

    async def main() -> None:
        async with small_server(serve) as address, connect(address, reconnect=True, first_delay=0.001) as client:
            seen = []
            async for message in client:
                seen.append(message.payload)
                if message.payload == b"hello 4":
                    break
                if message.payload.startswith(b"hello"):
                    await client.send(b"x")
        assert [line for line in seen if line.startswith(b"hello")] == [b"hello %d" % n for n in (1, 2, 3, 4)]
        assert b"heard x" in seen

    run(main())


def test_tries_until_the_server_is_there(run: Run, caplog: Any) -> None:

    async def main() -> None:
        async with small_server(echo) as address:
            pass
        client = connect(address, reconnect=True, first_delay=0.001, longest_delay=0.01)
        entering = asyncio.ensure_future(client.__aenter__())
        while len(caplog.messages) < 3:
            await asyncio.sleep(0)
        async with small_server(echo, int(address.rpartition(":")[2])):
            await entering
            await client.send(b"here")
            assert (await client.__anext__()).payload == b"here"
            await client.finish()
            assert [message async for message in client] == []
            await client.close()

    run(main())
    assert all("cannot connect to 127.0.0.1:" in text and "next try in" in text for text in caplog.messages)


def test_closing_while_there_is_no_connection(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        pass

    async def main() -> None:
        async with small_server(serve) as address, connect(address, reconnect=True, first_delay=3600) as client:
            while not client._dialer.dialing:
                await asyncio.sleep(0)
            sending = asyncio.ensure_future(client.send(b"x"))
            reading = asyncio.ensure_future(client.receive_batch())
            await asyncio.sleep(0)
            await client.close()
            assert await reading == []
            with pytest.raises(ConnectionError, match="closed"):
                await sending

    run(main())


def test_delays_grow_to_a_bound_and_spread(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(delay: float) -> None:
        slept.append(delay)
        if len(slept) == 12:
            raise ZeroDivisionError

    async def main() -> None:
        async with small_server(echo) as address:
            pass
        monkeypatch.setattr(dialer.asyncio, "sleep", sleep)
        with pytest.raises(ZeroDivisionError):
            async with connect(address, reconnect=True):
                pass

    run(main())
    bounds = [min(0.1 * 2**n, 30.0) for n in range(12)]
    assert all(bound / 2 <= delay <= bound for delay, bound in zip(slept, bounds, strict=True))


# --- TLS


def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    made = ["-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=localhost"]
    name = ["-addext", "subjectAltName=IP:127.0.0.1"]
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made, *name]
    subprocess.run(request, check=True, capture_output=True)
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate, key)
    return ours, ssl.create_default_context(cafile=certificate)


def test_tls(run: Run, tmp_path: Path) -> None:
    ours, theirs = contexts(tmp_path)
    heard: list[bytes] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        while line := await reader.readline():
            heard.append(line)
            writer.write(line)

    async def main() -> None:
        async with small_server(serve, ssl=ours) as address, connect(address, ssl=theirs) as client:
            await client.send(b"secret")
            assert (await client.__anext__()).payload == b"secret"
            with pytest.raises(io.UnsupportedOperation):
                await client.finish()
            for _ in range(100):
                await client.send(b"x" * 10_000)
        assert len(heard) == 101

    run(main())
