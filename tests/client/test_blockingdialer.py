"""The dialer of a blocking client: a connection that is lost is made again."""

from __future__ import annotations

import socket
import threading

import pytest
from support.resets import reset_now
from support.threaded_server import echo, threaded_server

from fastserver.client.blocking import BlockingClient


def test_nobody_listens() -> None:
    with threaded_server(echo) as address:
        BlockingClient(address).close()
    with pytest.raises(ConnectionRefusedError):
        BlockingClient(address)


def test_a_lost_connection_is_made_again() -> None:
    """A lost connection is found when it is used, before anything is sent; messages that had arrived are received."""
    received: list[bytes] = []
    closed = threading.Semaphore(0)

    def serve(peer: socket.socket) -> None:
        received.append(peer.makefile("rb").readline())
        peer.sendall(b"last word %d\n" % len(received))
        if len(received) == 2:
            reset_now(peer)
        peer.close()
        closed.release()

    with threaded_server(serve, times=4) as address:
        with BlockingClient(address, reconnect=True, first_delay=0.001) as client:
            for number in range(3):
                client.send(b"%d" % number)
                closed.acquire()
            assert [client.receive(30).payload for _ in range(3)] == [b"last word %d" % n for n in (1, 2, 3)]
            client.send(b"3")
            assert client.receive(30).payload == b"last word 4"
        assert received == [b"%d\n" % number for number in range(4)]


def test_what_was_under_way_is_not_sent_again() -> None:
    received: list[bytes] = []

    def serve(peer: socket.socket) -> None:
        if received:
            received.append(peer.recv(1 << 20))
        else:
            received.append(peer.recv(10))
            reset_now(peer)

    with (
        threaded_server(serve, times=2) as address,
        BlockingClient(address, max_message="64MiB", reconnect=True, first_delay=0) as client,
    ):
        with pytest.raises(ConnectionError):
            client.send(b"x" * (60 << 20))
        client.send(b"next")
        client.close()
    assert received[1] == b"next\n"


def test_waiting_for_a_server_has_a_limit() -> None:
    with threaded_server(echo) as address:
        client = BlockingClient(address, reconnect=True, first_delay=3600, longest_delay=3600)
        client.send(b"x")
        assert client.receive().payload == b"x"
        sock = socket.socket(fileno=client.fileno())
        sock.shutdown(socket.SHUT_RDWR)
        sock.detach()
        for timeout in (0, 0.01):
            with pytest.raises(TimeoutError):
                client.receive(timeout)
        client.close()
