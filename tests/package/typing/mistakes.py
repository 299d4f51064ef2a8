"""Mistakes that the type checkers must find: each `type: ignore` here is an error of its own where it hides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from fastserver import BlockingClient, Channel, Client, CloseReason, Config, Message, Peer, Server

server = Server(Config())


# Handlers of another shape.


@server.on_message  # type: ignore[type-var]
def without_message() -> None: ...


@server.on_message  # type: ignore[type-var]
def with_peer(peer: Peer) -> None: ...


@server.on_message  # type: ignore[type-var]
def with_messages(messages: Sequence[Message]) -> None: ...


@server.on_messages  # type: ignore[type-var]
async def with_message(message: Message) -> None: ...


@server.on_connect  # type: ignore[type-var]
def with_too_much(peer: Peer, reason: CloseReason) -> None: ...


@server.on_error  # type: ignore[type-var]
def without_error(peer: Peer) -> None: ...


@server.on_disconnect  # type: ignore[type-var]
def without_reason(peer: Peer) -> None: ...


server.on_message(None)  # type: ignore[type-var]
server.on_message()  # type: ignore[call-arg]


# Settings.

Config(prot=3000)  # type: ignore[call-arg]
Config(port="3000")  # type: ignore[arg-type]
Config(max_message=None)  # type: ignore[arg-type]
Config(mode=1)  # type: ignore[arg-type]
Config(slow_consumer="drop")  # type: ignore[arg-type]
Config().port = 3000  # type: ignore[misc]
Server(port=3000)  # type: ignore[call-arg]
Server("lines")  # type: ignore[arg-type]


def peers(peer: Peer, channel: Channel) -> None:
    peer.send()  # type: ignore[call-arg]
    peer.send_packed("text")  # type: ignore[arg-type]
    peer.join("room")  # type: ignore[arg-type]
    peer.join()  # type: ignore[call-arg]
    peer.close("go away")  # type: ignore[arg-type]
    peer.address = 1  # type: ignore[assignment]
    peer.state = "idle"  # type: ignore[misc]
    peer.rename("ann")  # type: ignore[attr-defined]
    channel.broadcast()  # type: ignore[call-arg]
    channel.broadcast(b"hello", peer.id)  # type: ignore[arg-type]
    channel.broadcast(b"hello", exclude=[peer.id])  # type: ignore[list-item]
    server.channels["news"] = channel  # type: ignore[index]
    channel.broadcast_packed([1, 2])  # type: ignore[arg-type]
    server.channel(peer)  # type: ignore[arg-type]


def messages(message: Message) -> None:
    message.payload = b""  # type: ignore[misc]
    message.peer.sent(b"hello")  # type: ignore[attr-defined]
    message.payload.encode()  # type: ignore[attr-defined]
    message.broadcast(b"hello")  # type: ignore[call-arg]


async def clients() -> None:
    Client()  # type: ignore[call-arg]
    Client(("localhost", 3000))  # type: ignore[arg-type]
    Client("localhost:3000", timeout=1.0)  # type: ignore[call-arg]
    with Client("localhost:3000"):  # type: ignore[attr-defined]
        pass
    async with BlockingClient("localhost:3000"):  # type: ignore[attr-defined]
        pass
    async with Client("localhost:3000") as client:
        await client.send()  # type: ignore[call-arg]
        client.send(b"hello")  # type: ignore[unused-coroutine]
        for _ in client:  # type: ignore[attr-defined]
            pass
