"""What becomes of a msgpack message with text that is not UTF-8: its sender is closed, it is skipped, or it passes."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from functools import partial
from itertools import accumulate

import msgpack
import pytest
from conftest import Run, Serve, StartProgram
from hypothesis import given, settings
from hypothesis import strategies as st
from support.command import environment
from support.simulation import Simulation
from support.splitters import both, check_every_cut
from support.strategies import OBJECTS, cut, prefixed

from fastserver import CloseReason, Config, ConfigError, Message, Server
from fastserver.client.blocking import BlockingClient
from fastserver.client.client import connect
from fastserver.errors import FrameError
from fastserver.framing import FRAMINGS

MODES = ("msgpack", "msgpack-stream")
modes = both(*MODES)

NOT_UTF8 = "text that is not UTF-8"
BAD_TEXT = [
    (b"\xa1\xff", 1),
    (b"\xa3a\xc3(", 2),
    (b"\x93\x01\xa2\xe2\x82\xa2hi", 3),
    (b"\x81\xa3\xed\xa0\x80\xa1\xfe", 2),
    (b"\xd9\x29" + b"x" * 40 + b"\x80", 42),
    (b"\xda\x00\x04\xf4\x90\x80\x80", 3),
    (b"\xdb\x00\x00\x00\x01\xc0", 5),
    (b"\x92\xa2\xc3\xa9\xa1\xc3", 5),
]
BAD_TIMESTAMPS = [
    (b"\xc7\x05\xffabcde", "timestamp of 5 bytes", None),
    (b"\xd8\xff" + bytes(16), "timestamp of 16 bytes", None),
    (b"\xd4\xff\x00", "timestamp of 1 bytes", None),
    (b"\xd7\xff\xff\xff\xff\xff\x00\x00\x00\x00", "timestamp of too many nanoseconds", 999_999_999),
    (b"\xc7\x0c\xff\xff\xff\xff\xff" + bytes(8), "timestamp of too many nanoseconds", 999_999_999),
]
GOOD = [msgpack.packb(value) for value in ("hi", {"a": [1, 2.5, b"\xff"]}, "é" * 20, 7)]


def framed(make: Callable[..., object], payload: bytes) -> bytes:
    """`payload` in wire form, checked by nobody."""
    return payload if "Stream" in getattr(make, "func", make).__name__ else prefixed(payload)


@modes
@pytest.mark.parametrize(("bad", "at"), BAD_TEXT)
def test_invalid_text_is_left_out_however_cut(make, bad: bytes, at: int) -> None:
    one, two, wrong = (framed(make, payload) for payload in (GOOD[1], GOOD[2], bad))
    found = check_every_cut(partial(make, invalid_text="skip"), 60, one + wrong + two + wrong + wrong + one)
    assert (found.frames, found.count, found.refusal) == (one + two + one, 3, None)
    assert (found.skipped, found.fault) == (3, (NOT_UTF8, len(one + wrong) - len(bad) + at, None))


@modes
@pytest.mark.parametrize(("bad", "at"), BAD_TEXT)
def test_invalid_text_passes_as_it_is_however_cut(make, bad: bytes, at: int) -> None:
    stream = framed(make, GOOD[0]) + framed(make, bad) + framed(make, GOOD[2])
    found = check_every_cut(partial(make, invalid_text="pass"), 60, stream)
    assert (found.frames, found.count, found.refusal, found.skipped) == (stream, 3, None, 0)
    splitter = make(60, "pass")
    assert splitter.frame(bad) == framed(make, bad)
    messages = splitter.messages(stream, None)
    assert [message.payload for message in messages] == [GOOD[0], bad, GOOD[2]]
    value = messages[1].value
    assert msgpack.packb(value, unicode_errors="surrogateescape") == msgpack.packb(
        msgpack.unpackb(bad, unicode_errors="surrogateescape"), unicode_errors="surrogateescape"
    )
    assert "\\udc" in FRAMINGS["msgpack"].show(bad, 200)
    assert FRAMINGS["msgpack"].show(bad, 200).isprintable()


@modes
@pytest.mark.parametrize(("bad", "at"), BAD_TEXT)
def test_invalid_text_closes_by_default_however_cut(make, bad: bytes, at: int) -> None:
    one = framed(make, GOOD[0])
    for kind in (make, partial(make, invalid_text="close")):
        found = check_every_cut(kind, 60, one + framed(make, bad) + one)
        assert (found.frames, found.count, found.skipped) == (one, 1, 0)
        assert found.refusal == (NOT_UTF8, len(one + framed(make, bad)) - len(bad) + at, None)


@modes
@pytest.mark.parametrize(("bad", "saw", "limit"), BAD_TIMESTAMPS)
def test_a_malformed_timestamp_is_left_out_too_but_does_not_pass(make, bad: bytes, saw: str, limit: int | None) -> None:
    for payload in (bad, b"\x92" + bad + b"\xa1\xff"):
        one, wrong = framed(make, GOOD[0]), framed(make, payload)
        at = len(one + wrong) - len(payload) + (payload != bad)
        found = check_every_cut(partial(make, invalid_text="skip"), 60, one + wrong + one)
        assert (found.frames, found.count, found.refusal) == (one + one, 2, None)
        assert (found.skipped, found.fault) == (1, (saw, at, limit))
        for kept in ("close", "pass"):
            found = check_every_cut(partial(make, invalid_text=kept), 60, one + wrong + one)
            assert (found.frames, found.refusal, found.skipped) == (one, (saw, at, limit), 0)


@modes
@pytest.mark.parametrize("rest", [b"\xc1", b"\xdb\xff\xff\xff\xff", b"\x91" * 129])
def test_what_else_is_wrong_closes_also_within_what_is_skipped(make, rest: bytes) -> None:
    payload = b"\x92\xa1\xff" + rest
    for kept in ("skip", "pass"):
        found = check_every_cut(partial(make, invalid_text=kept), 200, framed(make, GOOD[0]) + framed(make, payload))
        assert found.refusal is not None
        assert (found.frames, found.skipped) == (framed(make, GOOD[0]), 0)


@modes
def test_what_is_skipped_is_bounded_and_ends_with_the_stream(make) -> None:
    splitter = make(20, "skip")
    assert splitter.feed(framed(make, b"\xb0" + b"\xff" * 16)[:-1]) == b""
    assert 0 < splitter.held <= 24
    assert splitter.skipped == 0
    with pytest.raises(FrameError, match="stream ended inside a message"):
        splitter.finish()
    with pytest.raises(FrameError, match="limit"):
        make(20, "skip").feed(framed(make, b"\xb4" + b"\xff" * 20))


@modes
def test_a_frame_of_our_own_has_valid_text_unless_all_may_pass(make) -> None:
    for kept in ("close", "skip"):
        with pytest.raises(ValueError, match="payload: text that is not UTF-8 at offset 1"):
            make(20, kept).frame(b"\xa1\xff")
    assert make(20, "pass").frame(b"\xa1\xff") == framed(make, b"\xa1\xff")


@modes
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_good_ones_are_all_that_is_left(make, data: st.DataObject) -> None:
    bad = st.sampled_from([bad for bad, *_ in [*BAD_TEXT, *BAD_TIMESTAMPS]])
    drawn = data.draw(st.lists(st.tuples(st.just(True), OBJECTS) | st.tuples(st.just(False), bad), max_size=8))
    frames = [framed(make, payload) for _, payload in drawn]
    pieces = data.draw(cut(st.just(b"".join(frames))))
    ends = list(accumulate(map(len, frames)))
    splitter = make(4096, "skip")
    given_back = b""
    fed = done = 0
    for piece in pieces:
        given_back += splitter.feed(piece)
        fed += len(piece)
        ended = sum(end <= fed for end in ends)
        assert splitter.count == sum(good for good, _ in drawn[done:ended])
        assert splitter.skipped == sum(not good for good, _ in drawn[done:ended])
        done = ended
    assert given_back == b"".join(frame for frame, (good, _) in zip(frames, drawn, strict=True) if good)
    assert splitter.finish() == b""
    assert (splitter.skipped, splitter.fault) == (0, None)


@modes
def test_bytes_without_what_is_skipped_come_back_as_they_are(make) -> None:
    splitter = make(100, "skip")
    splitter.feed(framed(make, b"\xa1\xff")[:-1])
    chunk = framed(make, b"\xa1\xff")[-1:] + framed(make, GOOD[0])
    assert splitter.feed(chunk) == framed(make, GOOD[0])
    assert splitter.skipped == 1
    chunk = framed(make, GOOD[0]) * 3
    assert splitter.feed(chunk) is chunk


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
