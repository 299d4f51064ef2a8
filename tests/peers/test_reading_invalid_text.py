"""Peers, clients and the command with MessagePack text that is not UTF-8: `--invalid-text close`, `skip` and `pass`."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable

import msgpack
import pytest
from conftest import Run, Serve, StartProgram
from support.command import environment
from support.simulation import Simulation
from support.strategies import prefixed

from fastserver import CloseReason, Config, ConfigError, Message, Server
from fastserver.client.blocking import BlockingClient
from fastserver.client.client import connect
from fastserver.errors import FrameError
from fastserver.framing import FRAMINGS

MODES = ("msgpack", "msgpack-stream")
NOT_UTF8 = "text that is not UTF-8"
GOOD = [msgpack.packb(value) for value in ("hi", {"a": [1, 2.5, b"\xff"]}, "é" * 20, 7)]


def simulated(mode: str, kept: str, *pieces: bytes, **more: object) -> tuple[Simulation, bytes]:
    simulation = Simulation(mode=mode, invalid_text=kept, **more)
    peer, _ = simulation.connect()
    _, heard = simulation.connect()
    for piece in pieces:
        peer.data_received(piece)
    simulation.loop.tick()
    return simulation, bytes(heard.sent)


@pytest.mark.parametrize("mode", MODES)
def test_a_peer_s_skipped_messages_are_counted_and_logged(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fastserver")
    frame = prefixed if mode == "msgpack" else bytes
    good, bad = frame(GOOD[0]), frame(b"\xa1\xff")
    simulation, heard = simulated(mode, "skip", good + bad + good[:2], good[2:] + bad + bad, good)
    assert heard == good * 3
    figures = simulation.server.peers[1].figures()
    assert (figures.messages_in, figures.skipped_messages, figures.reason) == (3, 3, None)
    assert simulation.server.peers.totals().skipped_messages == 3
    first = len(good) + len(bad) - 1
    second = 2 * len(good) + 2 * len(bad) - 1
    assert f"sent an invalid message, skipped: {NOT_UTF8} at offset {first}" in caplog.text
    assert f"sent an invalid message, skipped with 1 more: {NOT_UTF8} at offset {second}" in caplog.text
    peer = simulation.server.peers[1]
    peer.connection_lost(None)
    assert "0 messages dropped, 3 skipped" in caplog.text
    assert simulation.server.peers.closed[-1].skipped_messages == 3
    assert simulation.server.peers.totals().skipped_messages == 3
    assert not simulation.server.peers.losses.skipped


def test_skipped_messages_before_one_that_closes_are_counted() -> None:
    simulation, heard = simulated("msgpack-stream", "skip", b"\x01\xa1\xff\x02\xc1\x03")
    assert heard == b"\x01\x02"
    assert simulation.server.peers[1].figures().skipped_messages == 1
    assert simulation.server.peers[1].reason is CloseReason.FRAME_ERROR


def test_whose_messages_are_skipped_is_not_slow_over_one() -> None:
    simulation = Simulation(mode="msgpack-stream", invalid_text="skip", message_timeout=4.0, idle_timeout=None)
    peer, _ = simulation.connect()
    peer.data_received(b"\xa1")
    for _ in range(20):
        simulation.loop.advance(1.0)
        peer.data_received(b"\xff\xa1")
    assert peer.reason is None
    simulation.loop.advance(6.0)
    assert peer.reason is CloseReason.MESSAGE_TIMEOUT


def test_a_handler_gets_what_passes_and_can_send_it_on() -> None:
    values: list[object] = []
    simulation = Simulation(mode="msgpack", invalid_text="pass")

    @simulation.server.on_message
    def handle(message: Message) -> None:
        values.append(message.value)
        message.peer.send(message.value)

    peer, heard = simulation.connect()
    peer.data_received(prefixed(b"\x82\xa1\xff\xa1\xfe\x01\x02"))
    simulation.loop.tick()
    assert values == [{"\udcff": "\udcfe", 1: 2}]
    assert heard.sent == prefixed(b"\x82\xa1\xff\xa1\xfe\x01\x02")


def test_the_value_of_a_large_message_that_passes() -> None:
    payload = msgpack.packb({str(key): key for key in range(500)} | {"x": "?"}).replace(b"?", b"\xff")
    splitter = FRAMINGS["msgpack"].splitter(1 << 20, "pass")
    (message,) = splitter.messages(splitter.frame(payload), None)
    assert message.value["x"] == "\udcff"


@pytest.mark.parametrize("mode", MODES)
def test_over_a_socket(run: Run, mode: str) -> None:
    async def main() -> None:
        frame = prefixed if mode == "msgpack" else bytes
        async with Server(Config(mode=mode, port=0, log_messages=0, invalid_text="skip")) as server:
            port = int(server.addresses[0].rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            _, producer = await asyncio.open_connection("127.0.0.1", port)
            while len(server.peers) < 2:
                await asyncio.sleep(0)
            expected = b""
            for number in range(300):
                producer.write(frame(b"\x92\xa2\xc3(" + msgpack.packb(number)))
                producer.write(frame(msgpack.packb(number)))
                expected += frame(msgpack.packb(number))
            assert await reader.readexactly(len(expected)) == expected
            assert server.peers.totals().skipped_messages == 300
            writer.close()
            producer.close()

    run(main())


def test_skipped_messages_count_for_the_rate(run: Run) -> None:
    async def main() -> None:
        settings = {"mode": "msgpack-stream", "invalid_text": "skip", "max_messages_per_second": 10}
        async with Server(Config(port=0, drain_timeout=0, **settings)) as server:
            port = int(server.addresses[0].rpartition(":")[2])
            _, producer = await asyncio.open_connection("127.0.0.1", port)
            producer.write(b"\xa1\xff" * 1000)
            while not server.peers.throttled:
                await asyncio.sleep(0)
            producer.close()

    run(main())


def test_the_command_skips(serve: Serve) -> None:
    server = serve("--mode", "msgpack-stream", "--invalid-text", "skip")
    one, two = server.connect(), server.connect()
    one.send(b"\x01\xa1\xff\x02")
    assert two.read(2) == b"\x01\x02"
    log = server.stop()
    assert f"peer 1 {one_name(log)} sent an invalid message, skipped: {NOT_UTF8} at offset 2" in log
    assert "by shutdown, 1 skipped" in log


def one_name(log: str) -> str:
    return log.partition("peer 1 ")[2].partition(" ")[0]


async def received(port: int, kept: str) -> object:
    """The value of the next message to a client with `invalid_text=kept`."""
    async with connect(f"127.0.0.1:{port}", mode="msgpack", invalid_text=kept) as client:
        await client.send("here")
        return (await client.receive()).value


def test_clients(run: Run) -> None:
    async def main() -> None:
        server = Server(Config(mode="msgpack", port=0, log_messages=0, invalid_text="pass"))

        @server.on_message
        def answer(message: Message) -> None:
            message.peer.send_packed(b"\x92\x01\xa1\xff")

        async with server:
            port = int(server.addresses[0].rpartition(":")[2])
            assert await received(port, "pass") == [1, "\udcff"]
            with pytest.raises(FrameError, match=NOT_UTF8):
                await received(port, "close")

            def block() -> object:
                with BlockingClient(f"127.0.0.1:{port}", mode="msgpack", invalid_text="pass") as client:
                    client.send("here")
                    return client.receive().value

            assert await asyncio.to_thread(block) == [1, "\udcff"]

    run(main())


@pytest.mark.parametrize("make", [connect, BlockingClient])
def test_a_client_loses_nothing_unseen(make: Callable[..., object]) -> None:
    with pytest.raises(ConfigError, match="invalid_text 'skip' is not allowed; allowed is one of close, pass"):
        make("127.0.0.1:3000", invalid_text="skip")


def test_the_terminal_shows_it_escaped(serve: Serve, start_program: StartProgram) -> None:
    server = serve("--mode", "msgpack", "--invalid-text", "pass")
    command = (sys.executable, "-m", "fastserver", "connect", f"127.0.0.1:{server.port}", "--mode", "msgpack")
    terminal = start_program(*command, environment=environment())
    server.wait_for_peers(1)
    one = server.connect()
    one.send(prefixed(b"\x81\xa1k\xa2v\xff") + prefixed(b"\x01"))
    terminal.output.wait_for(r'{"k": "v\\udcff"}\n1\n')
