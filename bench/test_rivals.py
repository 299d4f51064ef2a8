"""Each contestant passes a message from one connection to two others: what is measured is what it is said to be."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from contest import DEADLINE, Contestant, Running, running
from rivals import CONTESTANTS

from fastserver.load.wire import Role


class Connection:
    """A connection to a contestant, greeted. `heard` are the payloads that came so far."""

    def __init__(self, server: Running, role: Role, number: int) -> None:
        self.wire = server.wire
        self.socket = socket.create_connection(server.address, DEADLINE)
        self.heard: list[bytes] = []
        self._cut = self.wire.cut()
        self.socket.sendall(self.wire.hello(role, number))
        received = b""
        while not self.wire.ready(role, received):
            received += self._read()

    def publish(self, payload: bytes) -> None:
        self.socket.sendall(self.wire.publish(payload))

    def hear(self, payload: bytes) -> None:
        """Return when `payload` has come. Raises `TimeoutError`."""
        while payload not in self.heard:
            data = self._read()
            if self.wire.ping and self.wire.ping in data:
                data = data.replace(self.wire.ping, b"")
                self.socket.sendall(self.wire.pong)
            self.heard += self._cut(data)

    def hears(self, sender: Connection) -> None:
        """Return when it hears `sender`: without a greeting nothing else says that the server has taken it on."""
        first = self.wire.payload(16, b"first")
        self.socket.settimeout(0.1)
        while first not in self.heard:
            sender.publish(first)
            try:
                self.hear(first)
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
        hearing = Role.BOTH if role is Role.BOTH else Role.RECEIVE
        receivers = [stack.enter_context(closing(Connection(server, hearing, number))) for number in (1, 2)]
        for receiver in receivers:
            receiver.hears(sender)
        payloads = [server.wire.payload(size, b"%05d" % size) for size in (16, 64, 127, 128, 1024, 16384)]
        for payload in payloads:
            sender.publish(payload)
        for receiver in receivers:
            receiver.hear(payloads[-1])
            assert receiver.heard[-len(payloads) :] == payloads


def test_a_sender_hears_itself_where_its_wire_says_so(server: Running) -> None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(closing(Connection(server, Role.BOTH, number))) for number in (0, 1))
        second.hears(first)
        first.heard.clear()
        mark, answer = server.wire.payload(16, b"mark"), server.wire.payload(16, b"answer")
        first.publish(mark)
        second.hear(mark)
        second.publish(answer)
        first.hear(answer)
        assert (mark in first.heard) == server.wire.echo
