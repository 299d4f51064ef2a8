"""Every public name as its users write it. Never run: the type checkers must find nothing wrong here."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from typing_extensions import assert_type

from fastserver import (
    BlockingClient,
    Channel,
    Client,
    CloseReason,
    Config,
    ConfigError,
    FastserverError,
    Figures,
    FrameError,
    ListenError,
    Message,
    Peer,
    Server,
)

config = Config(
    mode="msgpack",
    host="::",
    port=0,
    unix=None,
    max_message=1024,
    echo=True,
    max_pending=1 << 20,
    max_waiting=1 << 20,
    idle_after=30,
    handler_errors="keep",
    drain_timeout=1.5,
)
assert_type(
    config.mode,
    Literal[
        "lines", "delimited", "msgpack", "msgpack-stream", "octet", "syslog", "length", "varint", "netstring", "telnet"
    ]
    | str,
)
Config(mode="lines?eol=crlf")
assert_type(config.port, int | None)
assert_type(config.max_pending, int)
assert_type(config.message_timeout, float | None)
Config(max_pending="64KiB", message_timeout="5s", max_memory="off", echo="on", drain_timeout=2)

server = Server(config)
Server(config, default=str, ext_hook=lambda code, data: (code, data))
assert_type(Server().everyone, Channel)
assert_type(server.config, Config)


# Handlers: plain or async, as decorators, which leave them what they are.


@server.on_message
def on_message(message: Message) -> None:
    assert_type(message.payload, bytes)
    assert_type(message.frame, bytes)
    assert_type(message.value, Any)
    message.broadcast()
    assert_type(message.peer, Peer)
    assert_type(message.peer.send(message.value), bool)


@server.on_messages
async def on_messages(messages: Sequence[Message]) -> None:
    for message in messages:
        message.broadcast()


@server.on_connect
async def on_connect(peer: Peer) -> str:
    peer.data = {"since": 0}
    return "what a handler returns is ignored"


@server.on_error
def on_error(peer: Peer, error: BaseException) -> None:
    peer.close()


@server.on_disconnect
def on_disconnect(peer: Peer, reason: CloseReason) -> None:
    assert_type(str(reason), str)
    assert reason is CloseReason.EOF or reason.value == "kicked"


def call_a_handler(message: Message) -> None:
    assert_type(on_message(message), None)


def is_a_message(thing: object) -> bytes:
    """`Message` is a class, though it has a default for the type of its peer."""
    return thing.payload if isinstance(thing, Message) else b""


server.on_connect(print)
server.on_messages(partial(sorted, key=id))


class Room:
    """Methods are handlers too, and so are objects that can be called."""

    def __init__(self, server: Server) -> None:
        server.on_connect(self.enter)
        server.on_message(self)

    async def enter(self, peer: Peer) -> None:
        peer.send(b"welcome")

    def __call__(self, message: Message) -> None:
        message.broadcast()


# Channels and peers.


def channels(channel: Channel, peer: Peer) -> None:
    assert_type(server.channel("news"), Channel)
    assert_type(channel.name, str)
    assert_type(channel.peers, list[Peer])
    channel.broadcast({"any": ["value"]})
    channel.broadcast(b"hello", exclude=peer)
    channel.broadcast(b"hello", exclude=None)
    channel.broadcast(b"hello", exclude=[peer, peer])
    channel.broadcast_packed(b"hello", exclude={peer})
    assert_type(server.channels.get("news"), Channel | None)
    assert_type(server.channels["news"], Channel)
    assert_type(list(server.channels), list[str])
    assert_type(peer.channels, list[Channel])
    assert_type(server.send_to([1, 2], b"hello"), int)
    channel.broadcast_packed(b"\xc0", exclude=peer)
    channel.broadcast_threadsafe(b"hello", exclude=peer)
    peer.join(channel)
    peer.leave(channel)


async def listen(channel: Channel) -> None:
    async for message in channel.listen():
        assert_type(message.payload, bytes)
        assert_type(message.peer, None)
    with channel.listen() as listening:
        assert_type((await listening.__anext__()).value, Any)
        assert_type(listening.figures(), Figures)


def peers(peer: Peer) -> None:
    assert_type(peer.send(b"hello"), bool)
    assert_type(peer.send_packed(b"\xc0"), bool)
    peer.send_threadsafe(b"hello")
    peer.close()
    assert_type(peer.data, Any)
    assert_type(peer.id, int)
    assert_type(peer.address, str)
    assert_type(peer.state, str)
    assert_type(peer.reason, CloseReason | None)
    figures = peer.figures()
    assert_type(figures, Figures)
    assert_type(figures.pending_bytes, int)
    assert_type(figures.last_message_at, float | None)


# Running it.


def run() -> None:
    try:
        Server(Config(port=0)).run()
    except ConfigError as error:
        value_error: ValueError = error
        print(value_error)
    except ListenError as error:
        base: FastserverError = error
        print(base)


async def serve() -> None:
    await server.serve()
    async with Server() as entered:
        assert_type(entered, Server)
        assert_type(entered.addresses, list[str])
        await entered.stop()
        await entered.stopped()


# Clients.


async def login(client: Client) -> None:
    await client.send(b"login")


def handle(message: Message[Client]) -> None:
    assert_type(message.peer, Client)
    assert_type(message.payload, bytes)


async def client() -> None:
    context = ssl.create_default_context()
    async with Client(
        "localhost:3000",
        mode="msgpack",
        max_message=1024,
        reconnect=True,
        ssl=context,
        server_hostname="localhost",
        max_queue="64KiB",
        close_timeout=1.0,
        first_delay=0.5,
        longest_delay=60,
        on_connect=login,
        on_disconnect=print,
        default=str,
    ) as connected:
        assert_type(connected, Client)
        await connected.send({"temperature": 21.5})
        await connected.send_packed(memoryview(b"\xc0"))
        async for message in connected:
            handle(message)
            assert_type(message.peer, Client)
        batch: Sequence[Message[Client]] = await connected.receive_batch()
        assert_type(batch[0].peer, Client)
        await connected.finish()
    await asyncio.sleep(0)


def blocking_client() -> None:
    with BlockingClient("unix:/run/feed.sock", mode="lines", timeout=1.0, reconnect=True, first_delay=1) as connected:
        assert_type(connected.fileno(), int)
        connected.send(b"hello")
        connected.send_packed(b"hello")
        received: Message[BlockingClient] = connected.receive()
        assert_type(received.peer, BlockingClient)
        try:
            assert_type(connected.receive(timeout=1.0).payload, bytes)
        except FrameError as error:
            assert_type(error.saw, str)
            assert_type(error.offset, int)
            assert_type(error.limit, int | None)
        for message in connected:
            assert_type(message.peer, BlockingClient)
        connected.finish()
