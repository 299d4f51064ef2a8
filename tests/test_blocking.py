"""Behaviour against a server in a thread, on real sockets."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fastserver import blocking
from fastserver.blocking import BlockingClient
from fastserver.errors import ConfigError, FrameError
from fastserver.framing import FRAMINGS


@contextmanager
def serving(serve: Callable[[socket.socket], None], path: str | None = None) -> Iterator[str]:
    """A server that calls `serve` for the one connection it takes, then closes it; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0)) if path is None else socket.socket(socket.AF_UNIX)
    if path is not None:
        listening.bind(path)
        listening.listen()

    def run() -> None:
        peer, _ = listening.accept()
        with peer:
            peer.settimeout(30)
            serve(peer)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"unix:{path}" if path else f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        thread.join()
        listening.close()


def echo(peer: socket.socket) -> None:
    while data := peer.recv(65536):
        peer.sendall(data)


@pytest.mark.parametrize(
    ("mode", "value"),
    [("lines", b"hello"), ("msgpack", {"a": [b"bytes", None]}), ("msgpack-stream", [1, "two"])],
)
def test_what_is_sent_comes_back(mode: str, value: Any) -> None:
    with serving(echo) as address, BlockingClient(address, mode=mode) as client:
        client.send(value)
        message = client.receive()
        assert message.value == value
        assert message.peer is client


@pytest.mark.parametrize("mode", list(FRAMINGS))
def test_iteration_ends_with_the_stream(mode: str) -> None:
    values = [b"%d" % number for number in range(1000)]
    with serving(echo) as address, BlockingClient(address, mode=mode) as client:
        for value in values:
            client.send(value)
        client.finish()
        assert [message.value for message in client] == values
        with pytest.raises(EOFError, match="ended the stream"):
            client.receive()


def test_packed_bytes_and_unix_sockets(tmp_path: Path) -> None:
    with serving(echo, str(tmp_path / "s")) as address, BlockingClient(address, mode="msgpack") as client:
        client.send_packed(b"\xcd\x00\x05")
        assert client.receive().payload == b"\xcd\x00\x05"


def test_a_timeout_loses_nothing() -> None:
    go = threading.Event()

    def serve(peer: socket.socket) -> None:
        peer.sendall(b"first half, ")
        go.wait()
        peer.sendall(b"second half\nnext\n")

    with serving(serve) as address, BlockingClient(address) as client:
        for timeout in (0, 0.01):
            with pytest.raises(TimeoutError):
                client.receive(timeout)
        go.set()
        assert client.receive(30).payload == b"first half, second half"
        assert client.receive(0).payload == b"next"


def test_malformed_bytes_raise_after_what_was_whole() -> None:
    with serving(lambda peer: peer.sendall(b"ok\n" + b"x" * 20)) as address:
        client = BlockingClient(address, max_message=10)
        assert client.receive().payload == b"ok"
        for _ in range(2):
            with pytest.raises(FrameError):
                client.receive()
        client.close()


def test_a_stream_that_ends_inside_a_message_raises() -> None:
    with serving(lambda peer: peer.sendall(b"\x00\x00")) as address:
        client = BlockingClient(address, mode="msgpack")
        with client, pytest.raises(FrameError):
            next(client)


@pytest.mark.parametrize(("value", "error"), [("text", TypeError), (b"a\nb", ValueError)])
def test_what_cannot_be_a_message_is_refused_and_nothing_sent(value: Any, error: type[Exception]) -> None:
    with serving(echo) as address, BlockingClient(address) as client:
        with pytest.raises(error):
            client.send(value)
        client.send(b"next")
        assert client.receive().payload == b"next"


def test_closing_delivers_all_that_was_sent_to_a_server_that_talks() -> None:
    heard: list[bytes] = []

    def serve(peer: socket.socket) -> None:
        with peer.makefile("rb") as lines:
            for line in lines:
                heard.append(line)
                peer.sendall(line)

    with serving(serve) as address, BlockingClient(address) as client:
        for _ in range(100):
            client.send(b"x" * 1000)
    assert heard == [b"x" * 1000 + b"\n"] * 100


def test_closing_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "LINGER", 0.01)
    done = threading.Event()

    def serve(peer: socket.socket) -> None:
        peer.recv(10)
        done.wait()

    with serving(serve) as address:
        client = BlockingClient(address)
        client.send(b"x")
        client.close()
        done.set()


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

    connected = blocking._connected
    monkeypatch.setattr(blocking, "_connected", lambda *given: Interrupted(fileno=connected(*given).detach()))
    with serving(serve) as address:
        with pytest.raises(KeyboardInterrupt), BlockingClient(address) as client:
            client.send(b"a message")
        interrupted.set()
    assert outcome == [ConnectionResetError]


def test_a_reset_connection_raises() -> None:
    def serve(peer: socket.socket) -> None:
        peer.recv(10)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with serving(serve) as address, BlockingClient(address) as client:
        client.send(b"x")
        with pytest.raises(ConnectionError):
            client.receive()


def test_nobody_listens() -> None:
    with serving(echo) as address:
        BlockingClient(address).close()
    with pytest.raises(ConnectionRefusedError):
        BlockingClient(address)


@pytest.mark.parametrize("options", [{"address": "x"}, {"mode": "csv"}, {"max_message": 0}])
def test_settings_that_are_not_allowed(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        BlockingClient(**{"address": "127.0.0.1:3000", **options})
