"""Peers whose system answers nothing, told by what the kernel says of their connections."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Final

import pytest
from support.simulation import Simulation

from fastserver import CloseReason
from fastserver.kernel import tcp_info, unacknowledged
from fastserver.limits.vanished import Probed
from fastserver.peers.peer import Peer

NUMBER: Final = 1_000_000
"""A descriptor that nobody has."""


class Kernel:
    """A connection, and what the kernel says of it, in a simulation of which the limit is 10 s."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
        self.simulation = Simulation(**{"tcp_user_timeout": 10.0, "message_timeout": None} | settings)
        self.peer, _ = self.simulation.connect()
        self.peer.link.descriptor = NUMBER
        self.held = 1
        self.retransmissions = self.probes = 0
        self.sent = self.answered = self.simulation.loop.now
        monkeypatch.setattr("fastserver.limits.vanished.unacknowledged", lambda _: self.held)
        monkeypatch.setattr("fastserver.limits.vanished.tcp_info", lambda _: self.info())
        self.simulation.server.limits.vanished.watch(self.peer)

    def info(self) -> bytes:
        info = bytearray(104)
        info[2], info[3] = self.retransmissions, self.probes
        for at, time in (44, self.sent), (56, self.answered):
            info[at : at + 4] = struct.pack("=I", round((self.simulation.loop.now - time) * 1000))
        return bytes(info)

    def send_again(self) -> None:
        self.sent = self.simulation.loop.now
        self.retransmissions += 1

    def answer(self) -> None:
        self.answered = self.simulation.loop.now
        self.retransmissions = self.probes = 0

    def outlast(self, seconds: float) -> Peer:
        """So much time passes, and the peer is there."""
        self.simulation.loop.advance(seconds)
        assert self.peer.reason is None
        return self.peer

    def gone(self, seconds: float) -> None:
        self.simulation.loop.advance(seconds)
        self.simulation.loop.tick()
        assert self.peer.closed
        assert self.peer.reason == CloseReason.RESET


@pytest.mark.parametrize("policy", ["disconnect", "drop-oldest", "drop-newest", "latest", "block"])
@pytest.mark.parametrize("asked", ["retransmissions", "probes"])
def test_vanished_under_every_policy(monkeypatch: pytest.MonkeyPatch, asked: str, policy: str) -> None:
    kernel = Kernel(monkeypatch, slow_consumer=policy)
    kernel.outlast(100.0)
    for _ in range(2):
        if asked == "probes":
            kernel.probes += 1
        else:
            kernel.send_again()
        kernel.outlast(4.9)
    kernel.gone(5.2)
    assert kernel.simulation.server.peers.reasons == {"reset": 1}


def test_old_answer_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel asks about a shut window every two minutes: only from then on an answer can be missed."""
    kernel = Kernel(monkeypatch)
    for _ in range(20):
        kernel.outlast(119.9)
        kernel.probes = 1
        kernel.outlast(2.6)  # the look falls between the question and its answer
        kernel.answer()


@pytest.mark.parametrize("asked", ["retransmissions", "probes"])
def test_one_that_was_lost_is_no_proof(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    """The next comes two minutes later, and is answered."""
    kernel = Kernel(monkeypatch)
    for _ in range(3):
        if asked == "probes":
            kernel.probes = 1
        else:
            kernel.send_again()
        kernel.outlast(119.0)
        kernel.answer()


def test_answers_that_bring_nothing_forward_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same is sent again for ever, less and less often, and each time a system answers that has no room."""
    kernel = Kernel(monkeypatch)
    for seconds in (1, 3, 9, 30, 119, 119):
        kernel.send_again()
        kernel.outlast(1.0)
        kernel.answered = kernel.simulation.loop.now
        kernel.outlast(seconds)
    kernel.send_again()
    kernel.outlast(5.0)
    kernel.send_again()
    kernel.gone(10.1)


def test_silent_peer_is_for_keepalive_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch)
    kernel.held = 0
    kernel.probes = 1  # of keepalive
    kernel.outlast(1000.0)


def test_off(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, tcp_user_timeout=None)
    kernel.send_again()
    kernel.outlast(10_000.0)


def test_nothing_is_kept_of_a_peer_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch)
    kernel.outlast(5.0)
    kernel.send_again()
    kernel.outlast(5.0)
    vanished = kernel.simulation.server.limits.vanished
    assert kernel.peer in vanished._unanswered
    kernel.peer.abort()
    kernel.simulation.loop.tick()
    kernel.simulation.loop.advance(100.0)
    assert not vanished._unanswered


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell")
def test_what_the_kernel_says() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    with listening, socket.create_connection(listening.getsockname()) as one, listening.accept()[0] as other:
        one.sendall(b"x" * 1000)
        other.recv(1000)
        probed = Probed.of(one.fileno())
        assert probed is not None
        assert probed[:2] == (0, 0)
        assert 0 <= probed.answered < 60
        assert not probed.in_vain
        assert one.getblocking()
        one.send(b"still there")
    near, far = socket.socketpair()
    with near, far:
        near.send(b"x")
        assert unacknowledged(near.fileno())
        assert tcp_info(near.fileno()) == b""
        assert Probed.of(near.fileno()) is None
