"""Behaviour against a server in a thread, on real sockets."""

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fastserver.client import blocking, blockingsocket
from fastserver.client.blocking import BlockingClient
from fastserver.errors import ConfigError, FrameError
from fastserver.framing import FRAMINGS


@contextmanager
def serving(serve: Callable[[socket.socket], None], path: str | None = None, times: int = 1) -> Iterator[str]:
    """A server that calls `serve` for the connection it takes, then closes it, so many `times`; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0)) if path is None else socket.socket(socket.AF_UNIX)
    if path is not None:
        listening.bind(path)
        listening.listen()

    def run() -> None:
        for _ in range(times):
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


@contextmanager
def bare(receive_buffer: int = 0, **options: Any) -> Iterator[tuple[BlockingClient, socket.socket]]:
    """A client and the other end of its connection."""
    with socket.socket() as listening:
        if receive_buffer:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with BlockingClient(f"127.0.0.1:{listening.getsockname()[1]}", **options) as client:
            theirs, _ = listening.accept()
            theirs.settimeout(30)
            with theirs:
                yield client, theirs


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


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


@pytest.mark.parametrize("mode", list(FRAMINGS))
@pytest.mark.parametrize("writes", [False, True], ids=["reading", "writing"])
def test_a_connection_reset_inside_a_message_does_not_give_half_of_it(mode: str, writes: bool) -> None:
    """Nor loses what was whole, whether it is reading or writing that meets the reset; however often it is asked."""
    frames = [FRAMINGS[mode].splitter(1000).frame(b"\xa3" + value) for value in (b"one", b"two", b"six")]
    with bare(mode=mode) as (client, theirs):
        client.send_packed(b"\xa2go")
        theirs.recv(100)
        theirs.sendall(b"".join(frames)[:-2])
        if not writes:
            assert client.receive().frame == frames[0]
        reset(theirs)
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
    with bare() as (client, theirs):
        theirs.sendall(b"one\nlast")
        theirs.close()
        client.send(b"nobody is there")
        with pytest.raises(BrokenPipeError):
            client.send(b"and that is known by now")
        assert [message.payload for message in client] == [b"one", b"last"]
        with pytest.raises(EOFError):
            client.receive()


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


@pytest.mark.parametrize(
    ("value", "error"), [("text", TypeError), (b"a\nb", ValueError), (memoryview(b"abcd")[::2], ValueError)]
)
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


@pytest.mark.parametrize("value", [2**64, [memoryview(b"abcd")[::2]], {"n": -(2**64)}])
def test_what_msgpack_cannot_pack_is_refused(value: Any) -> None:
    with serving(echo) as address, BlockingClient(address, mode="msgpack") as client:
        with pytest.raises(ValueError, match=r"no room|gaps"):
            client.send(value)
        client.send("next")
        assert client.receive().value == "next"


def test_default_packs_what_msgpack_cannot() -> None:
    with serving(echo) as address, BlockingClient(address, mode="msgpack", default=list) as client:
        client.send({1})
        assert client.receive().value == [1]


@pytest.mark.parametrize("how", ["reset", "unread", "end"])
def test_closing_says_that_what_was_sent_may_be_lost(how: str) -> None:
    """Unless another call has said so; twice is fine."""
    for told in (False, True):
        with bare() as (client, theirs):
            client.send(b"one")
            theirs.recv(1 if how == "unread" else 100)
            if how == "reset":
                reset(theirs)
            else:
                theirs.close()
            if how == "end":
                client.send(b"two")
            if told:
                with pytest.raises((ConnectionError, EOFError)):
                    client.receive()
            if told and how != "end":
                client.close()
            else:
                with pytest.raises(ConnectionError, match="may be lost"):
                    client.close()
            client.close()


def test_leaving_does_not_wait_for_a_server_that_has_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "LINGER", 3600)
    with bare() as (client, theirs):
        client.send(b"x")
        assert theirs.recv(10) == b"x\n"
        client.close()


def test_closing_says_what_a_server_did_not_take() -> None:
    with bare(receive_buffer=4096, close_timeout=0.05) as (client, _):
        client.send(b"x" * 100_000)
        with pytest.raises(TimeoutError, match=r"did not take the last \d+ bytes within 0.05 s"):
            client.close()


def test_a_server_that_ends_has_what_was_sent_before_the_client_leaves() -> None:
    with bare() as (client, theirs):
        client.send(b"one")
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(EOFError):
            client.receive()
        client.send(b"two")
        client.close()
        assert theirs.makefile("rb").read() == b"one\ntwo\n"


def test_an_error_in_the_program_is_not_hidden_by_one_of_closing() -> None:
    def fail() -> None:
        with bare() as (client, theirs):
            client.send(b"x")
            reset(theirs)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_after_closing() -> None:
    with serving(lambda peer: peer.sendall(b"1\n2\n") or echo(peer)) as address:  # type: ignore[func-returns-value]
        client = BlockingClient(address, reconnect=True)
        assert client.receive().payload == b"1"
        assert client.fileno() > 2
        client.close()
        assert client.fileno() == -1
        assert [message.payload for message in client] == [b"2"]
        for step in (lambda: client.send(b"x"), client.finish, client.__enter__):
            with pytest.raises(ConnectionError, match="was closed"):
                step()  # type: ignore[no-untyped-call]
        with pytest.raises(EOFError, match="was closed"):
            client.receive()


def test_its_descriptor_tells_when_something_came() -> None:
    with bare() as (client, theirs):
        assert select.select([client], [], [], 0)[0] == []
        theirs.sendall(b"x\n")
        assert select.select([client], [], [], 30)[0] == [client]
        assert client.receive(0).payload == b"x"


def test_small_messages_do_not_wait_for_each_other() -> None:
    with bare() as (client, _), socket.socket(fileno=client.fileno()) as seen:
        try:
            assert seen.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        finally:
            seen.detach()


def test_a_lost_connection_is_made_again() -> None:
    """Found lost when it is used, before anything is sent; what had arrived is received."""
    heard: list[bytes] = []
    closed = threading.Semaphore(0)

    def serve(peer: socket.socket) -> None:
        heard.append(peer.makefile("rb").readline())
        peer.sendall(b"last word %d\n" % len(heard))
        if len(heard) == 2:
            reset(peer)
        peer.close()
        closed.release()

    with serving(serve, times=4) as address:
        with BlockingClient(address, reconnect=True, first_delay=0.001) as client:
            for number in range(3):
                client.send(b"%d" % number)
                closed.acquire()
            assert [client.receive(30).payload for _ in range(3)] == [b"last word %d" % n for n in (1, 2, 3)]
            client.send(b"3")
            assert client.receive(30).payload == b"last word 4"
        assert heard == [b"%d\n" % number for number in range(4)]


def test_what_was_under_way_is_not_sent_again() -> None:
    heard: list[bytes] = []

    def serve(peer: socket.socket) -> None:
        if heard:
            heard.append(peer.recv(1 << 20))
        else:
            heard.append(peer.recv(10))
            reset(peer)

    with (
        serving(serve, times=2) as address,
        BlockingClient(address, max_message="64MiB", reconnect=True, first_delay=0) as client,
    ):
        with pytest.raises(ConnectionError):
            client.send(b"x" * (60 << 20))
        client.send(b"next")
        client.close()
    assert heard[1] == b"next\n"


def test_waiting_for_a_server_has_a_limit() -> None:
    with serving(echo) as address:
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


def test_tells_a_lost_connection_from_a_wait_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system calls both a time-out; only after one of them a later call can go on."""

    def vanished(sock: socket.socket, deadline: float | None) -> bytes:
        raise TimeoutError(110, "Connection timed out")

    with bare() as (client, _):
        monkeypatch.setattr(blockingsocket, "receive", vanished)
        with pytest.raises(ConnectionError, match="timed out"):
            client.receive(1)


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

    connected = blockingsocket.connected
    monkeypatch.setattr(blockingsocket, "connected", lambda *given: Interrupted(fileno=connected(*given).detach()))
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


@pytest.mark.parametrize(
    "options",
    [
        {"address": "x"},
        {"address": None},
        {"mode": "csv"},
        {"max_message": 0},
        {"max_message": "1 Miß"},
        {"timeout": -1},
        {"timeout": "1"},
        {"close_timeout": None},
        {"first_delay": 2, "longest_delay": 1},
        {"server_hostname": "x"},
        {"ssl": ssl.create_default_context(), "address": "unix:x"},
        {"default": list},
    ],
)
def test_settings_that_are_not_allowed(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"^{next(iter(options))} .*is not allowed"):
        BlockingClient(**{"address": "127.0.0.1:3000", **options})


def test_extension_types_have_values() -> None:
    with bare(mode="msgpack-stream", ext_hook=lambda code, data: (code, data)) as (client, peer):
        peer.sendall(b"\xd4\x05x")
        assert client.receive().value == (5, b"x")
