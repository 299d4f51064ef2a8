"""Peers of all modes in one conversation, over real connections: some end their stream, some break off in the middle of
a message, some stop reading. Everyone receives one order, and the books say how much.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest
from conftest import Run
from support.accepted import until
from support.frames import MODES, frames_of, read_messages

from fastserver import CloseReason, Config, Figures, Peer, Server
from fastserver.config.slowconsumers import POLICIES

LIMIT = 128 * 1024
SIZE = 1000
EACH = 10
"""Messages that each peer sends before some of them end. All of them together are no more than the limit."""

WINDOW = 20
"""Messages that are sent and not heard yet, at most: those who read are not to fall behind."""


class Speaker(asyncio.Protocol):
    """A peer that sends numbered messages, and keeps what it receives."""

    def __init__(self, name: str, mode: str) -> None:
        self.name = name
        self.mode = mode
        self.said: list[bytes] = []
        self.stream = bytearray()
        self.over = asyncio.Event()

    async def connect(self, address: str, buffer: int | None = None) -> Speaker:
        """Come, with a receive buffer of so many bytes."""
        self.socket = socket.socket()
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.setblocking(False)
        host, _, port = address.rpartition(":")
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, (host, int(port)))
        self.transport, _ = await loop.create_connection(lambda: self, sock=self.socket)
        # Two connections to different listeners may have the same address.
        self.key = (self.mode, "{}:{}".format(*self.transport.get_extra_info("sockname")))
        return self

    def data_received(self, data: bytes) -> None:
        self.stream += data

    def connection_lost(self, error: Exception | None) -> None:
        self.over.set()

    def frame(self) -> bytes:
        """Its next message."""
        payload = b"%s %06d " % (self.name.encode(), len(self.said))
        self.said.append(payload + b"." * (SIZE - len(payload)))
        return frames_of(self.mode, self.said[-1])[self.mode]

    def break_off(self) -> None:
        """Reset the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    @property
    def received(self) -> list[Any]:
        """The payloads that it received; of a notice, what it says."""
        return [value for _, value in read_messages(self.mode, bytes(self.stream))]


class Conversation:
    """A server with a listener for each mode, and in each mode a peer of each kind."""

    def __init__(self, policy: str) -> None:
        self.server = Server(
            Config(
                listen=tuple(f"{mode}://127.0.0.1:0" for mode in MODES),
                slow_consumer=policy,
                max_pending=LIMIT,
                notify_drops=True,
                pace_timeout=0.001,
                send_buffer=16 * 1024,
                log_messages=0,
            )
        )
        self.peers: dict[tuple[str, str], Peer] = {}
        self.ended: dict[tuple[str, str], Figures] = {}
        self.said = 0
        self.enough = False
        self.server.on_connect(self._came)
        self.server.on_disconnect(self._left)

    def _came(self, peer: Peer) -> None:
        self.peers[peer.framing.name, peer.address] = peer

    def _left(self, peer: Peer, reason: CloseReason) -> None:
        self.ended[peer.framing.name, peer.address] = peer.figures()

    async def come(self, kind: str, buffer: int | None = None) -> list[Speaker]:
        """A peer of that kind in each mode comes."""
        addresses = zip(MODES, self.server.addresses, strict=True)
        speakers = [await Speaker(f"{kind}-{mode}", mode).connect(address, buffer) for mode, address in addresses]
        await until(lambda: all(speaker.key in self.peers for speaker in speakers))
        return speakers

    async def go_through(self, policy: str) -> None:
        """All of it, to the end of the server."""
        self.listeners = await self.come("listener")
        self.talkers = await self.come("talker")
        self.enders = await self.come("ender")
        self.breakers = await self.come("breaker")
        self.stoppers = await self.come("stopper", 4096)
        for stopper in self.stoppers:
            stopper.transport.pause_reading()
        speakers = [*self.talkers, *self.enders, *self.breakers, *self.stoppers]
        await asyncio.gather(*[self.say(speaker, EACH) for speaker in speakers])
        for ender in self.enders:
            ender.transport.write_eof()
        for breaker in self.breakers:
            await self.break_off(breaker)
        talking = [asyncio.ensure_future(self.go_on(talker)) for talker in self.talkers]
        await until(lambda: self.are_slow(policy))
        self.enough = True
        for stopper in self.stoppers:
            stopper.transport.resume_reading()
        await asyncio.gather(*talking)
        for speaker in (*self.talkers, *self.stoppers):
            if not speaker.over.is_set():
                speaker.transport.write_eof()
        await until(lambda: all(peer.ended or peer.reason is not None for peer in self.not_listeners))
        await self.server.stop()
        for speaker in (*self.listeners, *speakers):
            await speaker.over.wait()

    async def say(self, speaker: Speaker, count: int) -> None:
        """A peer sends messages, no more than are heard."""
        for _ in range(count):
            speaker.transport.write(speaker.frame())
            self.said += 1
            await until(lambda: len(self.listeners[0].stream) >= (self.said - WINDOW) * (SIZE + 1))

    @property
    def not_listeners(self) -> list[Peer]:
        listeners = [listener.key for listener in self.listeners]
        return [peer for key, peer in self.peers.items() if key not in listeners]

    async def break_off(self, breaker: Speaker) -> None:
        """A peer sends half a message, and resets its connection once that was read."""
        whole = len(breaker.said)
        breaker.transport.write(breaker.frame()[: SIZE // 2])
        del breaker.said[whole:]
        size = sum([len(frames_of(breaker.mode, payload)[breaker.mode]) for payload in breaker.said]) + SIZE // 2
        await until(lambda: self.peers[breaker.key].bytes_in == size)
        breaker.break_off()

    async def go_on(self, talker: Speaker) -> None:
        """A peer talks until those that do not read are slow consumers, and a little longer."""
        while not self.enough:
            await self.say(talker, 1)
        await self.say(talker, EACH)

    def are_slow(self, policy: str) -> bool:
        """Whether the policy has dealt with all that do not read; under `block` the first stops everyone."""
        slow = [self.peers[stopper.key] for stopper in self.stoppers]
        if policy == "disconnect":
            return all(peer.reason is CloseReason.SLOW_CONSUMER for peer in slow)
        if policy == "block":
            return any(peer.pending_bytes > LIMIT for peer in slow)
        return all(peer.figures().dropped_messages for peer in slow)

    # Checks, when all is over.

    def check(self, policy: str) -> None:
        order = self.listeners[0].received
        for speaker in (*self.talkers, *self.enders, *self.breakers):
            assert [message for message in order if message.startswith(speaker.name.encode() + b" ")] == speaker.said
        for speaker in (*self.listeners, *self.talkers, *self.enders):
            assert speaker.received == self.for_it(speaker, order)
        for stopper in self.stoppers:
            self.check_slow(stopper, self.for_it(stopper, order), policy)
        for speaker in (*self.listeners, *self.talkers, *self.enders, *self.breakers, *self.stoppers):
            self.check_books(speaker, self.for_it(speaker, order), policy)

    def for_it(self, speaker: Speaker, order: list[bytes]) -> list[bytes]:
        """The messages that are for that peer."""
        return [message for message in order if not message.startswith(speaker.name.encode() + b" ")]

    def check_slow(self, stopper: Speaker, order: list[bytes], policy: str) -> None:
        """A peer that stopped reading received everything in its place, or was told how many were missing there."""
        at = 0
        for message in stopper.received:
            if isinstance(message, dict):
                assert message["fastserver"] == "missed"
                at += message["messages"]
            else:
                assert message == order[at]
                at += 1
        assert at == len(order) or policy == "disconnect"

    def check_books(self, speaker: Speaker, order: list[bytes], policy: str) -> None:
        figures = self.ended[speaker.key]
        received = speaker.received
        notices = [message for message in received if isinstance(message, dict)]
        assert figures.pending_messages == figures.pending_bytes == 0
        assert figures.offered_messages == figures.messages_out + figures.dropped_messages
        assert figures.offered_bytes == figures.bytes_out + figures.dropped_bytes
        if speaker in self.breakers:
            assert figures.reason == CloseReason.RESET
        elif policy == "disconnect" and speaker in self.stoppers:
            assert figures.reason == CloseReason.SLOW_CONSUMER
            assert figures.messages_out <= len(received)
        else:
            assert figures.reason == CloseReason.SHUTDOWN
            assert figures.offered_messages == len(order) + len(notices)
            assert figures.messages_out == len(received)
            assert figures.bytes_out == len(speaker.stream)
            assert figures.dropped_messages == sum([notice["messages"] for notice in notices])


@pytest.mark.parametrize("policy", POLICIES)
def test_one_conversation(run: Run, policy: str) -> None:
    async def main() -> None:
        conversation = Conversation(policy)
        async with conversation.server:
            await conversation.go_through(policy)
        conversation.check(policy)

    run(main())
