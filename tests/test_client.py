"""Behaviour against small servers on real sockets, under both event loops."""

import asyncio
import io
import shutil
import ssl
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgpack
import pytest
import uvloop
from serving import Reader, Writer, echo, reset, serving

from fastserver import client as client_module
from fastserver.client import Client, connect
from fastserver.errors import ConfigError, FrameError
from fastserver.framing import FRAMINGS

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine to its end, at most 30 s, under one of the loops."""

    def run_in(main: Coroutine[Any, Any, Any]) -> Any:
        async def limited() -> Any:
            return await asyncio.wait_for(main, 30)

        return uvloop.run(limited()) if request.param == "uvloop" else asyncio.run(limited())

    return run_in


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
        async with serving(echo) as address, connect(address, mode=mode) as client:
            await client.send(value)
            message = await client.__anext__()
            assert message.value == value
            assert message.peer is client

    run(main())


@pytest.mark.parametrize("mode", list(FRAMINGS))
def test_many_arrive_whole_and_in_order(run: Run, mode: str) -> None:
    sent = [b"%d " % number * (number % 50 + 1) for number in range(3000)]

    async def main() -> None:
        async with serving(echo) as address, connect(address, mode=mode) as client:

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
        async with serving(echo) as address, connect(address, mode="msgpack") as client:
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
    ],
)
def test_what_cannot_be_a_message_is_refused_and_nothing_sent(
    run: Run, mode: str, value: Any, error: type[Exception]
) -> None:
    async def main() -> None:
        async with serving(echo) as address, connect(address, mode=mode, max_message=100) as client:
            with pytest.raises(error):
                await client.send(value)
            await client.send(b"next")
            assert (await client.__anext__()).value == b"next"

    run(main())


def test_batches_give_what_came_together(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(b"1\n2\n3\n")

    async def main() -> None:
        async with serving(serve) as address, connect(address) as client:
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
        async with serving(serve) as address, connect(address) as client:
            assert [message.payload async for message in client] == [b"one", b"last"]
            with pytest.raises(ConnectionError, match="ended the stream"):
                await client.send(b"too late")

    run(main())


def test_finish_ends_our_side_and_goes_on_receiving(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        heard = await reader.read()
        writer.write(b"heard " + heard)

    async def main() -> None:
        async with serving(serve) as address, connect(address) as client:
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
                serving(serve) as address,
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
        async with serving(serve) as address, connect(address, mode="msgpack") as client:
            with pytest.raises(FrameError):
                await client.__anext__()

    run(main())


def test_a_reset_connection_raises(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readline()
        reset(writer)

    async def main() -> None:
        async with serving(serve) as address, connect(address) as client:
            await client.send(b"go")
            with pytest.raises(ConnectionError):
                await client.__anext__()
            with pytest.raises(ConnectionError):
                await client.send(b"x")

    run(main())


def test_what_arrived_before_closing_can_still_be_received(run: Run) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(b"1\n2\n")
        await reader.read()

    async def main() -> None:
        async with serving(serve) as address, connect(address) as client:
            assert (await client.__anext__()).payload == b"1"
            await client.close()
            await client.close()
            assert [message.payload async for message in client] == [b"2"]

    run(main())


def test_closing_ends_a_waiting_reader(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as address, connect(address) as client:
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
        async with serving(serve) as address, connect(address) as client:
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

        async with serving(serve) as address:
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

        async with serving(serve) as address:
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

        async with serving(serve) as address, connect(address, max_queue=10_000) as client:
            await stuck.wait()
            assert client._queued < 1 << 20
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

        async with serving(serve, limit=1) as address:
            sent = 0
            async with connect(address) as client:
                connection = client._connection
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

        async with serving(serve) as address, connect(address) as client:
            task = asyncio.ensure_future(other())
            for _ in range(100):
                await client.send(b"x" * 8000)
            assert others > 1
            task.cancel()

    run(main())


# --- connecting


def test_nobody_listens(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as address:
            pass
        with pytest.raises(ConnectionRefusedError):
            async with connect(address):
                pytest.fail("connected")

    run(main())


def test_cancelled_while_connecting(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as address:
            client = connect(address, reconnect=True)
            entering = asyncio.ensure_future(client.__aenter__())
            while client._connection is None:
                await asyncio.sleep(0)
            entering.cancel()
            await asyncio.wait([entering])
            assert entering.cancelled()
            with pytest.raises(RuntimeError, match="make another"):
                await client.__aenter__()

    run(main())


@pytest.mark.parametrize(
    "options",
    [{"address": "nowhere"}, {"mode": "csv"}, {"max_message": 0}, {"max_queue": 0}],
    ids=lambda options: next(iter(options)),
)
def test_settings_that_are_not_allowed(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        connect(**{"address": "127.0.0.1:3000", **options})


def test_only_a_connected_client_sends(run: Run) -> None:
    async def main() -> None:
        client = connect("127.0.0.1:3000")
        with pytest.raises(ConnectionError, match="async with"):
            await client.send(b"x")

    run(main())


def test_a_lost_connection_is_made_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "FIRST_DELAY", 0.001)
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
        async with serving(serve) as address, connect(address, reconnect=True) as client:
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


def test_tries_until_the_server_is_there(run: Run, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr(client_module, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(client_module, "LONGEST_DELAY", 0.01)

    async def main() -> None:
        async with serving(echo) as address:
            pass
        client = connect(address, reconnect=True)
        entering = asyncio.ensure_future(client.__aenter__())
        while len(caplog.messages) < 3:
            await asyncio.sleep(0)
        async with serving(echo, int(address.rpartition(":")[2])):
            await entering
            await client.send(b"here")
            assert (await client.__anext__()).payload == b"here"
            await client.finish()
            assert [message async for message in client] == []
            await client.close()

    run(main())
    assert all("cannot connect to 127.0.0.1:" in text and "next try in" in text for text in caplog.messages)


def test_closing_while_there_is_no_connection(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "FIRST_DELAY", 3600)

    async def serve(reader: Reader, writer: Writer) -> None:
        pass

    async def main() -> None:
        async with serving(serve) as address, connect(address, reconnect=True) as client:
            while client._redialing is None:
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
        async with serving(echo) as address:
            pass
        monkeypatch.setattr(client_module.asyncio, "sleep", sleep)
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
        async with serving(serve, ssl=ours) as address, connect(address, ssl=theirs) as client:
            await client.send(b"secret")
            assert (await client.__anext__()).payload == b"secret"
            with pytest.raises(io.UnsupportedOperation):
                await client.finish()
            for _ in range(100):
                await client.send(b"x" * 10_000)
        assert len(heard) == 101

    run(main())
