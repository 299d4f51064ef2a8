"""A peer leaves nothing behind that another sees, and nothing that the garbage collector has to find."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from conftest import Run
from support.accepted import Client

from fastserver import CloseReason, Config, Message, Peer, Server

WHO: ContextVar[str] = ContextVar("who", default="nobody")


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.disable()
    logging.disable()  # a record of a failure holds its traceback, and that the peer
    yield
    logging.disable(logging.NOTSET)
    gc.enable()


@pytest.mark.parametrize("kind", ["plain", "async", "list", "async list", "async connect", "async disconnect"])
def test_context_variables_are_those_of_the_peer(run: Run, kind: str) -> None:
    """Set by a handler of one peer, they are seen by its later handlers, and by nobody else's."""

    async def main() -> None:
        WHO.set("the program")
        made = Server(Config(port=0, drain_timeout=0.0, half_close_timeout=0.0))
        left: list[tuple[int, str]] = []

        def answer(message: Message) -> None:
            said = message.payload.decode()
            if said != "?":
                WHO.set(said)
            message.peer.send(WHO.get().encode())

        async def answer_later(message: Message) -> None:
            await asyncio.sleep(0)
            answer(message)

        async def answer_all(messages: Any) -> None:
            for message in messages:
                await answer_later(message)

        if "list" in kind:
            made.on_messages(answer_all if "async" in kind else lambda messages: [answer(one) for one in messages][:0])
        else:
            made.on_message(answer_later if kind == "async" else answer)

        def enter(peer: Peer) -> None:
            assert WHO.get() == "the program"
            WHO.set(f"peer {peer.id}")

        async def enter_later(peer: Peer) -> None:
            enter(peer)

        async def leave_later(peer: Peer, reason: CloseReason) -> None:
            left.append((peer.id, WHO.get()))

        made.on_connect(enter_later if kind == "async connect" else enter)
        if kind == "async disconnect":
            made.on_disconnect(leave_later)
        else:
            made.on_disconnect(lambda peer, reason: left.append((peer.id, WHO.get())))
        async with made:
            one, other = await Client.connect(made), await Client.connect(made)
            assert await one.say(b"?") == b"peer 1"
            assert await other.say(b"?") == b"peer 2"
            assert await one.say(b"Ada") == b"Ada"
            assert await other.say(b"?") == b"peer 2"
            assert await one.say(b"?") == b"Ada"
            third = await Client.connect(made)
            assert await third.say(b"?") == b"peer 3"
            assert WHO.get() == "the program"
            await one.close()
            while not left:
                await asyncio.sleep(0)
            for client in (other, third):
                client.reset()
        assert left[0] == (1, "Ada")
        assert made.handler_failures == 0

    run(main())


def relay(server: Server) -> None: ...


def plain(server: Server) -> None:
    server.on_connect(lambda peer: peer.join(server.channel("room")))
    server.on_message(Message.broadcast)
    server.on_disconnect(lambda peer, reason: None)


def asynchronous(server: Server) -> None:
    @server.on_connect
    async def enter(peer: Peer) -> None:
        peer.join(server.channel("room"))

    @server.on_message
    async def hear(message: Message) -> None:
        await asyncio.sleep(0)
        message.peer.send(message.payload)
        message.broadcast()

    @server.on_disconnect
    async def leave(peer: Peer, reason: CloseReason) -> None:
        await asyncio.sleep(0)


def parting(server: Server) -> None:
    @server.on_disconnect
    async def leave(peer: Peer, reason: CloseReason) -> None:
        await asyncio.sleep(0)


def failing(server: Server) -> None:
    server.on_message(lambda message: 1 / 0)


def failing_later(server: Server) -> None:
    @server.on_message
    async def fail(message: Message) -> None:
        raise ValueError


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("end", ["reset", "eof", "kick", "abort", "behind"])
@pytest.mark.parametrize("handlers", [relay, plain, asynchronous, parting, failing, failing_later])
def test_a_peer_that_has_left_is_freed_at_once(run: Run, handlers: Callable[[Server], None], end: str) -> None:
    async def main() -> None:
        settings: dict[str, Any] = {"max_messages_per_second": 1000, "heartbeat": 60.0, "idle_timeout": 60.0}
        made = Server(Config(port=0, drain_timeout=0.0, half_close_timeout=0.0, **settings))
        handlers(made)
        async with made:
            stays, one = await Client.connect(made), await Client.connect(made)
            one.writer.write(b"hello\n")
            while made.peers.totals().messages_in < 1:
                await asyncio.sleep(0)
            gone = {2: weakref.ref(made.peers[2])} if 2 in made.peers else {}
            if 2 in made.peers:
                made.peers[2].send(b"to it alone")
                if end == "behind":
                    one.writer.transport.pause_reading()  # type: ignore[attr-defined]
                    for _ in range(16):
                        made.everyone.broadcast(b"x" * 900_000, exclude=made.peers[1])
                        await asyncio.sleep(0)
                if end == "kick":
                    made.peers[2].close()
                elif end == "abort":
                    made.peers[2].abort()
            if end == "eof":
                one.writer.write_eof()
            elif end in ("reset", "behind"):
                one.reset()
            await one.close()
            while 2 in made.peers or made.handlers.inboxes:
                await asyncio.sleep(0)
            for _ in range(5):
                await asyncio.sleep(0)
            await asyncio.sleep(0.03)  # it may have been looked after for so long
            assert [one() for one in gone.values()] == [None] * len(gone)
            stays.reset()

    run(main())


def test_a_peer_that_has_left_still_answers(run: Run) -> None:
    async def main() -> None:
        made = Server(Config(port=0, drain_timeout=0.0, half_close_timeout=0.0))
        kept: list[Peer] = []
        left = asyncio.Event()

        @made.on_connect
        def enter(peer: Peer) -> None:
            peer.data = "mine"
            peer.join(made.channel("room"))
            kept.append(peer)

        @made.on_message
        async def hear(message: Message) -> None:
            message.broadcast()

        made.on_disconnect(lambda peer, reason: left.set())
        async with made:
            one = await Client.connect(made)
            one.writer.write(b"hello\n")
            while made.peers.totals().messages_in < 1:
                await asyncio.sleep(0)
            await one.close()
            await left.wait()
            [peer] = kept
            assert (peer.data, peer.state, peer.id) == ("mine", "closed", 1)
            assert peer.address.startswith("127.0.0.1:")
            assert [channel.name for channel in peer.channels] == ["room"]
            assert peer.figures().messages_in == 1
            assert peer.figures().reason == "eof"
            assert not peer.send(b"too late")
            peer.join(made.channel("other"))
            peer.leave(made.channel("room"))
            peer.close()
            peer.abort()
            assert "closed" in repr(peer)

    run(main())
