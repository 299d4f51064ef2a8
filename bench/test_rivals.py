"""Each contestant passes a message from one connection to two others, as the measures assume."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from contest import DEADLINE, Contestant, Running, running
from rivals import CONTESTANTS

from fastserver.load.wire import Role


class Connection:
    """A connection to a contestant, greeted. `received` are the payloads that came so far."""

    def __init__(self, server: Running, role: Role, number: int) -> None:
        self.wire = server.wire
        self.socket = socket.create_connection(server.address, DEADLINE)
        self.received: list[bytes] = []
        self._cut = self.wire.cut()
        self.socket.sendall(self.wire.hello(role, number))
        received = b""
        while not self.wire.ready(role, received):
            received += self._read()

    def publish(self, payload: bytes) -> None:
        self.socket.sendall(self.wire.publish(payload))

    def receive(self, payload: bytes) -> None:
        """Return when `payload` has come. Raises `TimeoutError`."""
        while payload not in self.received:
            data = self._read()
            if self.wire.ping and self.wire.ping in data:
                data = data.replace(self.wire.ping, b"")
                self.socket.sendall(self.wire.pong)
            self.received += self._cut(data)

    def receive_from(self, sender: Connection) -> None:
        """Return when a message of `sender` has come: without a greeting nothing else says that it is accepted."""
        first = self.wire.payload(16, b"first")
        self.socket.settimeout(0.1)
        while first not in self.received:
            sender.publish(first)
            try:
                self.receive(first)
            except TimeoutError:
                continue
        self.socket.settimeout(DEADLINE)

    def close(self) -> None:
        self.socket.close()

    def _read(self) -> bytes:
        data = self.socket.recv(65536)
        assert data, "the server closed the connection"
        return data


@pytest.fixture(params=CONTESTANTS, ids=lambda contestant: contestant.name)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    contestant: Contestant = request.param
    if reason := contestant.missing():
        pytest.skip(f"{reason}: {contestant.install}")
    with running(contestant) as server:
        yield server


@pytest.mark.parametrize("role", [Role.SEND, Role.BOTH], ids=str)
def test_passes_a_message_on(server: Running, role: Role) -> None:
    with ExitStack() as stack:
        sender = stack.enter_context(closing(Connection(server, role, 0)))
        receiving = Role.BOTH if role is Role.BOTH else Role.RECEIVE
        receivers = [stack.enter_context(closing(Connection(server, receiving, number))) for number in (1, 2)]
        for receiver in receivers:
            receiver.receive_from(sender)
        payloads = [server.wire.payload(size, b"%05d" % size) for size in (16, 64, 127, 128, 1024, 16384)]
        for payload in payloads:
            sender.publish(payload)
        for receiver in receivers:
            receiver.receive(payloads[-1])
            assert receiver.received[-len(payloads) :] == payloads


def test_a_sender_receives_its_own_messages_where_its_wire_says_so(server: Running) -> None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(closing(Connection(server, Role.BOTH, number))) for number in (0, 1))
        second.receive_from(first)
        first.received.clear()
        mark, answer = server.wire.payload(16, b"mark"), server.wire.payload(16, b"answer")
        first.publish(mark)
        second.receive(mark)
        second.publish(answer)
        first.receive(answer)
        assert (mark in first.received) == server.wire.echo
