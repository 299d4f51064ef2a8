"""The end of a blocking client's connection by the server: messages that had arrived whole are received."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from support.both_ends import both_blocking_ends
from support.resets import reset_now, reset_on_close
from support.threaded_server import threaded_server

from fastserver.client import blockingsocket
from fastserver.client.blocking import BlockingClient
from fastserver.errors import FrameError
from fastserver.framing import FRAMINGS


@pytest.mark.parametrize("mode", list(FRAMINGS))
@pytest.mark.parametrize("writes", [False, True], ids=["reading", "writing"])
def test_a_connection_reset_inside_a_message_does_not_give_half_of_it(mode: str, writes: bool) -> None:
    """Nor loses messages that were whole, whether reading or writing meets the reset; however often it is asked."""
    frames = [FRAMINGS[mode].splitter(1000).frame(b"\xa3" + value) for value in (b"one", b"two", b"six")]
    with both_blocking_ends(mode=mode) as (client, theirs):
        client.send_packed(b"\xa2go")
        theirs.recv(100)
        theirs.sendall(b"".join(frames)[:-2])
        if not writes:
            assert client.receive().frame == frames[0]
        reset_now(theirs)
        if writes:
            with pytest.raises(ConnectionError):
                client.send_packed(b"\xa2go")
            assert client.receive().frame == frames[0]
        assert client.receive().frame == frames[1]
        for _ in range(3):
            with pytest.raises(ConnectionError):
                client.receive(1)
        with pytest.raises(ConnectionError, match="was lost"):
            client.send_packed(b"\xa2go")


def test_what_the_server_said_before_it_closed_survives_a_write_that_fails() -> None:
    with both_blocking_ends() as (client, theirs):
        theirs.sendall(b"one\nlast")
        theirs.close()
        client.send(b"nobody is there")
        with pytest.raises(BrokenPipeError):
            client.send(b"and that is known by now")
        assert [message.payload for message in client] == [b"one", b"last"]
        with pytest.raises(EOFError):
            client.receive()


def test_malformed_bytes_raise_after_what_was_whole() -> None:
    with threaded_server(lambda peer: peer.sendall(b"ok\n" + b"x" * 20)) as address:
        client = BlockingClient(address, max_message=10)
        assert client.receive().payload == b"ok"
        for _ in range(2):
            with pytest.raises(FrameError):
                client.receive()
        client.close()


def test_a_stream_that_ends_inside_a_message_raises() -> None:
    with threaded_server(lambda peer: peer.sendall(b"\x00\x00")) as address:
        client = BlockingClient(address, mode="msgpack")
        with client, pytest.raises(FrameError):
            next(client)


def test_tells_a_lost_connection_from_a_wait_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system calls both a time-out; only after one of them a later call can go on."""

    def vanished(sock: socket.socket, deadline: float | None) -> bytes:
        raise TimeoutError(110, "Connection timed out")

    with both_blocking_ends() as (client, _):
        monkeypatch.setattr(blockingsocket, "receive", vanished)
        with pytest.raises(ConnectionError, match="timed out"):
            client.receive(1)


def test_an_interrupted_send_does_not_end_inside_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome: list[type[BaseException]] = []
    interrupted = threading.Event()

    def serve(peer: socket.socket) -> None:
        interrupted.wait()
        try:
            while peer.recv(1 << 20):
                pass
        except ConnectionResetError as error:
            outcome.append(type(error))

    class Interrupted(socket.socket):
        def sendall(self, data: Any, flags: int = 0) -> None:
            super().sendall(data[:3])
            raise KeyboardInterrupt

    connected = blockingsocket.connected
    monkeypatch.setattr(blockingsocket, "connected", lambda *given: Interrupted(fileno=connected(*given).detach()))
    with threaded_server(serve) as address:
        with pytest.raises(KeyboardInterrupt), BlockingClient(address) as client:
            client.send(b"a message")
        interrupted.set()
    assert outcome == [ConnectionResetError]


def test_a_reset_connection_raises() -> None:
    def serve(peer: socket.socket) -> None:
        peer.recv(10)
        reset_on_close(peer)

    with threaded_server(serve) as address, BlockingClient(address) as client:
        client.send(b"x")
        with pytest.raises(ConnectionError):
            client.receive()
