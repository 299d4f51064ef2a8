"""Your own handlers: what they are called with, in which order, and what becomes of their errors."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import pytest
from conftest import Run
from support.simulation import Simulation

from fastserver import Channel, Client, CloseReason, Config, Message, Peer, Server


def server(**settings: Any) -> Server:
    return Server(Config(**{"port": 0, "drain_timeout": 10.0, **settings}))


def connect(to: Server, **more: Any) -> Client:
    return Client(to.addresses[0], mode=to.config.mode, **more)


# With plain functions, on a simulated network.


def test_plain_handlers_are_called_in_order() -> None:
    simulation = Simulation()
    seen: list[object] = []
    simulation.server.on_connect(lambda peer: seen.append(("connect", peer.id)))
    simulation.server.on_message(lambda message: seen.append((message.peer.id, message.payload)))
    simulation.server.on_disconnect(lambda peer, reason: seen.append(("disconnect", peer.id, reason)))
    peer, transport = simulation.connect()
    peer.data_received(b"one\ntw")
    peer.data_received(b"o\r\nthree")
    peer.eof_received()
    transport.reset()
    simulation.loop.tick()
    assert seen == [("connect", 1), (1, b"one"), (1, b"two"), (1, b"three"), ("disconnect", 1, CloseReason.RESET)]


def test_without_a_message_handler_messages_are_broadcast_and_with_one_they_are_not() -> None:
    for handled in (False, True):
        simulation = Simulation()
        simulation.server.on_connect(lambda peer: None)
        if handled:
            simulation.server.on_message(lambda message: None)
        (one, _), (_, hearing) = simulation.connect(), simulation.connect()
        one.data_received(b"hello\n")
        simulation.loop.tick()
        assert bytes(hearing.sent) == (b"" if handled else b"hello\n")


def test_messages_of_one_read_at_once() -> None:
    simulation = Simulation(mode="msgpack-stream")
    reads: list[list[object]] = []
    simulation.server.on_messages(lambda messages: reads.append([message.value for message in messages]))
    peer, _ = simulation.connect()
    peer.data_received(b"\x01\x02\x93\x01")
    peer.data_received(b"\x02\x03\xc0")
    assert reads == [[1, 2], [[1, 2, 3], None]]


def test_broadcast_of_a_message_passes_the_frame_on_as_it_came() -> None:
    for echo in (False, True):
        simulation = Simulation(echo=echo)
        simulation.server.on_message(Message.broadcast)
        (one, own), (_, other) = simulation.connect(), simulation.connect()
        one.data_received(b"with CR\r\nwithout\n")
        simulation.loop.tick()
        assert bytes(other.sent) == b"with CR\r\nwithout\n"
        assert bytes(own.sent) == (b"with CR\r\nwithout\n" if echo else b"")


def test_the_same_frames_of_two_peers_are_not_mixed_up() -> None:
    simulation = Simulation()
    (one, own), (other, others), (_, third) = simulation.connect(), simulation.connect(), simulation.connect()
    frames = b"1\n2\n"
    one.splitter.messages(frames, one)[0].broadcast()
    other.splitter.messages(frames, other)[1].broadcast()
    simulation.loop.tick()
    assert (bytes(own.sent), bytes(others.sent), bytes(third.sent)) == (b"2\n", b"1\n", b"1\n2\n")


def test_one_write_a_tick_with_all_sends_in_the_order_of_the_calls() -> None:
    simulation = Simulation()
    room = simulation.server.channel("room")

    def answer(message: Message) -> None:
        message.peer.send(b"first")
        room.broadcast(b"second")
        simulation.server.everyone.broadcast(b"third", exclude=other)
        message.peer.send(b"fourth")

    simulation.server.on_message(answer)
    (one, own), (other, others) = simulation.connect(), simulation.connect()
    one.join(room)
    other.join(room)
    one.data_received(b"go\n")
    simulation.loop.tick()
    assert bytes(own.sent) == b"first\nsecond\nthird\nfourth\n"
    assert bytes(others.sent) == b"second\n"
    assert (own.writes, others.writes) == (1, 1)


def test_channels_last_while_someone_is_in_them() -> None:
    simulation = Simulation()
    made = simulation.server
    peer, transport = simulation.connect()
    peer.join(made.channel("room"))
    assert made.channel("room").peers == [peer]
    assert made.channel("room") is made.channel("room")
    peer.join(made.channel("room"))
    assert made.channel("room").peers == [peer]
    peer.leave(made.channel("room"))
    peer.leave(made.channel("room"))
    assert made.channel("room").peers == []
    assert made.everyone.peers == [peer]
    transport.reset()
    simulation.loop.tick()
    assert made.everyone.peers == []


def test_one_who_leaves_and_comes_back_does_not_hear_itself() -> None:
    simulation = Simulation()
    (one, own), (_, other) = simulation.connect(), simulation.connect()
    one.leave(simulation.server.everyone)
    one.join(simulation.server.everyone)
    one.data_received(b"hello\n")
    simulation.loop.tick()
    assert (bytes(own.sent), bytes(other.sent)) == (b"", b"hello\n")


def test_send_to_a_closed_peer_is_false() -> None:
    simulation = Simulation()
    peer, transport = simulation.connect()
    assert peer.send(b"last words")
    peer.close()
    assert not peer.send(b"too late")
    assert bytes(transport.sent) == b"last words\n"
    assert transport.ended
    peer.eof_received()
    simulation.loop.tick()
    assert not peer.send(b"still")
    assert peer.figures().reason == CloseReason.KICKED


@pytest.mark.parametrize(
    ("mode", "value", "error"),
    [
        ("lines", "text", TypeError),
        ("lines", None, TypeError),
        ("lines", b"two\nlines", ValueError),
        ("lines", b"ends with CR\r", ValueError),
        ("lines", b"x" * 101, ValueError),
        ("msgpack", object(), TypeError),
        ("msgpack", 1 << 64, ValueError),
        ("msgpack", b"x" * 101, ValueError),
        ("msgpack-stream", {"a": object()}, TypeError),
    ],
)
def test_what_cannot_be_a_message_is_refused_where_it_is_sent(mode: str, value: object, error: type[Exception]) -> None:
    simulation = Simulation(mode=mode, max_message=100)
    peer, transport = simulation.connect()
    with pytest.raises(error):
        peer.send(value)
    with pytest.raises(error):
        simulation.server.everyone.broadcast(value)
    simulation.loop.tick()
    assert not transport.sent


def test_packed_bytes_go_by_another_name() -> None:
    simulation = Simulation(mode="msgpack-stream")
    peer, transport = simulation.connect()
    peer.send(b"\x01")
    peer.send_packed(b"\x01")
    simulation.server.everyone.broadcast_packed(b"\xc3")
    with pytest.raises(ValueError, match="0xc1"):
        peer.send_packed(b"\xc1")
    simulation.loop.tick()
    assert bytes(transport.sent) == b"\xc4\x01\x01" + b"\x01" + b"\xc3"


@pytest.mark.parametrize("policy", ["close", "keep"])
@pytest.mark.parametrize("several", [False, True])
def test_an_error_in_a_handler_concerns_its_peer_only(
    policy: str, several: bool, caplog: pytest.LogCaptureFixture
) -> None:
    simulation = Simulation(handler_errors=policy)
    handled: list[bytes] = []

    def fail(message: Message) -> None:
        handled.append(message.payload)
        if message.payload.startswith(b"bad"):
            raise ValueError(message.payload.decode())

    def fail_several(messages: Sequence[Message]) -> None:
        for message in messages:
            fail(message)

    if several:
        simulation.server.on_messages(fail_several)
    else:
        simulation.server.on_message(fail)
    (one, _), (two, _) = simulation.connect(), simulation.connect()
    with caplog.at_level(logging.ERROR, "fastserver"):
        one.data_received(b"good\nbad \x1b[2J\nnext\n")
    two.data_received(b"fine\n")
    assert simulation.server.handler_failures == 1
    assert "handler failed for peer 1 127.0.0.1:40001" in caplog.text
    assert "ValueError: bad \\x1b[2J" in caplog.text
    assert (one.reason, two.reason) == (CloseReason.HANDLER_ERROR if policy == "close" else None, None)
    rest = [b"next"] if policy == "keep" and not several else []
    assert handled == [b"good", b"bad \x1b[2J", *rest, b"fine"]


def test_a_peer_closed_by_its_handler_is_heard_no_more() -> None:
    simulation = Simulation()
    handled: list[bytes] = []

    def close(message: Message) -> None:
        handled.append(message.payload)
        message.peer.close()

    simulation.server.on_message(close)
    peer, _ = simulation.connect()
    peer.data_received(b"one\ntwo\n")
    peer.data_received(b"three\n")
    assert handled == [b"one"]


def test_errors_when_connecting_and_leaving() -> None:
    simulation = Simulation()
    left: list[int] = []

    def fail(peer: Peer) -> None:
        raise RuntimeError("not you")

    def leave(peer: Peer, reason: CloseReason) -> None:
        left.append(peer.id)
        raise RuntimeError("leaving, too")

    simulation.server.on_connect(fail)
    simulation.server.on_disconnect(leave)
    peer, transport = simulation.connect()
    assert peer.reason == CloseReason.HANDLER_ERROR
    transport.reset()
    simulation.loop.tick()
    assert left == [1]
    assert simulation.server.handler_failures == 2


def test_several_handlers_of_a_kind_are_called_in_order() -> None:
    simulation = Simulation()
    made, seen = simulation.server, []
    for name in ("a", "b"):
        made.on_connect(lambda peer, name=name: seen.append((name, "connect")))
        made.on_message(lambda message, name=name: seen.append((name, message.payload)))
        made.on_disconnect(lambda peer, reason, name=name: seen.append((name, reason)))
    peer, transport = simulation.connect()
    peer.data_received(b"1\n2\n")
    transport.reset()
    simulation.loop.tick()
    expected: list[object] = [b"1", b"2", CloseReason.RESET]
    assert seen == [(name, what) for what in ["connect", *expected] for name in ("a", "b")]


def test_several_handlers_of_reads_are_called_in_order() -> None:
    simulation = Simulation()
    seen: list[tuple[str, int]] = []
    simulation.server.on_messages(lambda messages: seen.append(("a", len(messages))))
    simulation.server.on_messages(lambda messages: seen.append(("b", len(messages))))
    peer, _ = simulation.connect()
    peer.data_received(b"1\n2\n")
    assert seen == [("a", 2), ("b", 2)]


def test_what_is_no_handler_is_refused_where_it_is_named() -> None:
    made = server()
    made.on_message(lambda message: None)
    with pytest.raises(ValueError, match="there is a message handler already"):
        made.on_messages(lambda messages: None)
    with pytest.raises(TypeError, match="a disconnect handler must be callable, not int"):
        made.on_disconnect(3)  # type: ignore[type-var]

    def generator(message: Message) -> Iterator[None]:
        yield

    async def asynchronous(peer: Peer) -> AsyncIterator[None]:
        yield

    with pytest.raises(TypeError, match="must not contain yield"):
        made.on_message(generator)
    with pytest.raises(TypeError, match="must not contain yield"):
        made.on_message(partial(generator))
    with pytest.raises(TypeError, match="must not contain yield"):
        made.on_connect(asynchronous)
    assert len(made.handlers.message) == 1
    assert not made.handlers.connect


def test_a_generator_given_back_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation()
    simulation.server.on_message(lambda message: (number for number in range(3)))
    peer, _ = simulation.connect()
    peer.data_received(b"one\n")
    assert "gave back a generator" in caplog.text
    assert peer.reason == CloseReason.HANDLER_ERROR


def test_a_subclass_cannot_define_a_handler_by_its_name() -> None:
    class Mine(Server):
        def on_message(self, message: Message) -> None:  # type: ignore[override]
            raise AssertionError("never called")

    with pytest.raises(TypeError, match="Mine must not define on_message"):
        Mine(Config(port=0))

    class Right(Server):
        def __init__(self) -> None:
            super().__init__(Config(port=0))
            self.on_message(self.hear)

        def hear(self, message: Message) -> None: ...

    assert Right().handlers.takes_messages


def test_a_handler_that_forgot_to_say_it_is_async_fails_loudly(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation()

    async def work(message: Message) -> None:
        raise AssertionError("never runs")

    simulation.server.on_message(lambda message: work(message))
    peer, _ = simulation.connect()
    with caplog.at_level(logging.ERROR, "fastserver"):
        peer.data_received(b"one\n")
    assert "is no coroutine function, but what it gave back has to be awaited" in caplog.text
    assert peer.reason == CloseReason.HANDLER_ERROR


def test_before_the_start_nothing_can_be_sent_and_after_it_no_handler_named(run: Run) -> None:
    made = server()
    with pytest.raises(RuntimeError, match="the server has not started"):
        made.everyone.broadcast(b"too early")
    with pytest.raises(RuntimeError, match="the server has not started"):
        made.everyone.broadcast_threadsafe(b"too early")

    async def main() -> None:
        async with made:
            with pytest.raises(RuntimeError, match="before the server starts"):
                made.on_message(lambda message: None)

    run(main())


def test_user_data() -> None:
    simulation = Simulation()
    peer, _ = simulation.connect()
    assert peer.data is None
    peer.data = {"name": "Ada"}
    assert peer.data["name"] == "Ada"
    assert repr(peer) == "<Peer 1 127.0.0.1:40001 active>"


# With coroutine functions, over real sockets.


class Steps:
    """Notes what happened, and lets a test wait for it."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self._more = asyncio.Event()

    def note(self, what: object) -> None:
        self.seen.append(what)
        self._more.set()

    async def until(self, count: int) -> list[object]:
        while len(self.seen) < count:
            self._more.clear()
            await self._more.wait()
        return self.seen


def test_async_handlers_come_one_after_another(run: Run) -> None:
    async def main() -> None:
        made, steps, go = server(), Steps(), asyncio.Event()

        @made.on_connect
        async def greet(peer: Peer) -> None:
            await go.wait()
            steps.note("connect")

        @made.on_message
        async def handle(message: Message) -> None:
            steps.note(("begin", message.payload))
            await asyncio.sleep(0)
            steps.note(("end", message.payload))

        @made.on_disconnect
        async def leave(peer: Peer, reason: CloseReason) -> None:
            await asyncio.sleep(0)
            steps.note(("disconnect", reason))

        async with made:
            async with connect(made) as client:
                await client.send(b"a")
                await client.send(b"b")
                while made.peers.totals().waiting_messages != 2:
                    await asyncio.sleep(0)
                assert steps.seen == []
                go.set()
                await steps.until(5)
                assert made.peers.totals().waiting_messages == 0
            next(iter(made.peers)).close()
            await steps.until(6)
        one = [("begin", b"a"), ("end", b"a"), ("begin", b"b"), ("end", b"b")]
        assert steps.seen == ["connect", *one, ("disconnect", CloseReason.KICKED)]

    run(main())


@pytest.mark.parametrize("connecting", [False, True])
def test_a_plain_handler_waits_for_an_async_one_before_it(run: Run, connecting: bool) -> None:
    async def main() -> None:
        made, steps = server(), Steps()

        async def greet(peer: Peer, name: str) -> None:
            await asyncio.sleep(0)
            steps.note(name)

        made.on_connect(partial(greet, name="connect") if connecting else lambda peer: steps.note("connect"))
        made.on_message(lambda message: steps.note(message.payload))
        async with made, connect(made) as client:
            await client.send(b"a")
            assert await steps.until(2) == ["connect", b"a"]

    run(main())


def test_a_peer_whose_handler_falls_behind_is_read_no_further(run: Run) -> None:
    async def main() -> None:
        made, go, handled = server(max_waiting=10_000), asyncio.Event(), 0

        @made.on_message
        async def slow(message: Message) -> None:
            nonlocal handled
            await go.wait()
            handled += 1

        async with made:
            slow_client, other = connect(made), connect(made)
            async with slow_client, other:
                payload = b"x" * 999
                sending = asyncio.ensure_future(_send_all(slow_client, payload, 20_000))
                await asyncio.sleep(0)
                peer = next(iter(made.peers))
                while peer.inbox is None or not peer.inbox.full:
                    await asyncio.sleep(0)
                for _ in range(100):  # whatever happens now, no more is read
                    await asyncio.sleep(0)
                    assert peer.figures().waiting_bytes <= 10_000 + 256_000
                assert not sending.done()
                go.set()
                await sending
                while handled < 20_000:
                    await asyncio.sleep(0)
                assert peer.figures().waiting_bytes == peer.figures().waiting_messages == 0

    run(main())


async def _send_all(client: Client, payload: bytes, times: int) -> None:
    for _ in range(times):
        await client.send(payload)


@pytest.mark.parametrize("kind", ["plain", "async", "plain list", "async list"])
def test_a_peer_with_much_to_handle_lets_others_have_their_turn(run: Run, kind: str) -> None:
    async def main() -> None:
        made, handled, steps = server(handler_errors="keep"), 0, Steps()

        def work(message: Message) -> None:
            nonlocal handled
            if message.payload == b"other":
                steps.note(handled)
            else:
                handled += 1
                until = perf_counter() + 0.0001
                while perf_counter() < until:
                    pass

        async def work_async(message: Message) -> None:
            work(message)

        def work_all(messages: Sequence[Message]) -> None:
            for message in messages:
                work(message)

        async def work_all_async(messages: Sequence[Message]) -> None:
            work_all(messages)

        if "list" in kind:
            made.on_messages(work_all if kind == "plain list" else work_all_async)
        else:
            made.on_message(work if kind == "plain" else work_async)
        made.on_disconnect(lambda peer, reason: steps.note("left"))
        async with made, connect(made) as busy, connect(made) as other:
            while len(made.peers) < 2:
                await asyncio.sleep(0)
            await busy.send_frames(b"\n" * 5_000)
            while not handled:
                await asyncio.sleep(0)
            await other.send(b"other")
            [before] = await steps.until(1)
            assert before < 5_000  # its turn came in between
            made.everyone.peers[0].abort(CloseReason.RESET)
            assert await steps.until(2) == [before, "left"]
            assert handled == 5_000  # all it sent before is handled, and only then has it left

    run(main())


def test_what_was_heard_before_the_stop_is_handled(run: Run) -> None:
    async def main() -> None:
        made, go, steps = server(), asyncio.Event(), Steps()

        @made.on_message
        async def reply(message: Message) -> None:
            await go.wait()
            message.peer.send(b"reply to " + message.payload)

        @made.on_disconnect
        async def leave(peer: Peer, reason: CloseReason) -> None:
            steps.note(reason)

        await made.start()
        async with connect(made) as client:
            await client.send(b"a")
            await client.send(b"b")
            while made.peers.totals().waiting_messages < 2:
                await asyncio.sleep(0)
            stopping = asyncio.ensure_future(made.stop())
            await asyncio.sleep(0)
            go.set()
            assert [message.payload async for message in client] == [b"reply to a", b"reply to b"]
        await stopping
        assert steps.seen == [CloseReason.SHUTDOWN]

    run(main())


def test_a_handler_that_never_ends_does_not_hold_up_the_stop(run: Run) -> None:
    async def main() -> None:
        made = server(drain_timeout=0.0)

        @made.on_message
        async def forever(message: Message) -> None:
            await asyncio.Event().wait()

        await made.start()
        client = connect(made)
        async with client:
            await client.send(b"a")
            while made.peers.totals().waiting_messages < 1:
                await asyncio.sleep(0)
            await made.stop()
        assert not made.handlers.inboxes

    run(main())


def test_an_async_error_closes_its_peer_only(run: Run) -> None:
    async def main() -> None:
        made, steps = server(), Steps()

        @made.on_message
        async def fail(message: Message) -> None:
            if message.payload == b"bad":
                raise ValueError("bad")
            message.broadcast()

        made.on_disconnect(lambda peer, reason: steps.note(reason))
        async with made, connect(made) as one, connect(made) as two, connect(made) as three:
            await one.send(b"bad")
            await one.send(b"never handled")
            assert [message async for message in one] == []
            await one.close()
            assert await steps.until(1) == [CloseReason.HANDLER_ERROR]
            await two.send(b"fine")
            assert (await anext(aiter(three))).payload == b"fine"

    run(main())


def test_sending_from_another_thread(run: Run) -> None:
    async def main() -> None:
        made = server()
        async with made, connect(made) as client:
            while not made.everyone.peers:
                await asyncio.sleep(0)
            peer = made.everyone.peers[0]
            refused: list[Exception] = []

            def work(channel: Channel) -> None:
                channel.broadcast_threadsafe(b"to all")
                peer.send_threadsafe(b"to one")
                try:
                    peer.send_threadsafe(b"two\nlines")
                except ValueError as error:
                    refused.append(error)

            thread = threading.Thread(target=work, args=(made.everyone,))
            thread.start()
            received = [(await anext(aiter(client))).payload for _ in range(2)]
            thread.join()
            assert received == [b"to all", b"to one"]
            assert len(refused) == 1

    run(main())


def test_a_server_starts_once(run: Run) -> None:
    async def main() -> None:
        made = server()
        await made.stop()  # nothing to do
        async with made:
            pass
        await made.stop()
        with pytest.raises(RuntimeError, match="a server starts once"):
            await made.start()

    run(main())
