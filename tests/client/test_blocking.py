"""Messages of a blocking client, sent to and received from a server in a thread, on real sockets."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from support.both_ends import both_blocking_ends
from support.threaded_server import echo, threaded_server

from fastserver.client.blocking import BlockingClient
from fastserver.errors import ConfigError
from fastserver.framing import FRAMINGS


@pytest.mark.parametrize(
    ("mode", "value"),
    [("lines", b"hello"), ("msgpack", {"a": [b"bytes", None]}), ("msgpack-stream", [1, "two"])],
)
def test_what_is_sent_comes_back(mode: str, value: Any) -> None:
    with threaded_server(echo) as address, BlockingClient(address, mode=mode) as client:
        client.send(value)
        message = client.receive()
        assert message.value == value
        assert message.peer is client


@pytest.mark.parametrize("mode", list(FRAMINGS))
def test_iteration_ends_with_the_stream(mode: str) -> None:
    values = [b"%d" % number for number in range(1000)]
    with threaded_server(echo) as address, BlockingClient(address, mode=mode) as client:
        for value in values:
            client.send(value)
        client.finish()
        assert [message.value for message in client] == values
        with pytest.raises(EOFError, match="ended the stream"):
            client.receive()


def test_packed_bytes_and_unix_sockets(tmp_path: Path) -> None:
    with threaded_server(echo, str(tmp_path / "s")) as address, BlockingClient(address, mode="msgpack") as client:
        client.send_packed(b"\xcd\x00\x05")
        assert client.receive().payload == b"\xcd\x00\x05"


def test_a_timeout_loses_nothing() -> None:
    go = threading.Event()

    def serve(peer: socket.socket) -> None:
        peer.sendall(b"first half, ")
        go.wait()
        peer.sendall(b"second half\nnext\n")

    with threaded_server(serve) as address, BlockingClient(address) as client:
        for timeout in (0, 0.01):
            with pytest.raises(TimeoutError):
                client.receive(timeout)
        go.set()
        assert client.receive(30).payload == b"first half, second half"
        assert client.receive(0).payload == b"next"


@pytest.mark.parametrize(
    ("value", "error"), [("text", TypeError), (b"a\nb", ValueError), (memoryview(b"abcd")[::2], ValueError)]
)
def test_what_cannot_be_a_message_is_refused_and_nothing_sent(value: Any, error: type[Exception]) -> None:
    with threaded_server(echo) as address, BlockingClient(address) as client:
        with pytest.raises(error):
            client.send(value)
        client.send(b"next")
        assert client.receive().payload == b"next"


@pytest.mark.parametrize("value", [2**64, [memoryview(b"abcd")[::2]], {"n": -(2**64)}])
def test_what_msgpack_cannot_pack_is_refused(value: Any) -> None:
    with threaded_server(echo) as address, BlockingClient(address, mode="msgpack") as client:
        with pytest.raises(ValueError, match=r"no room|gaps"):
            client.send(value)
        client.send("next")
        assert client.receive().value == "next"


def test_default_packs_what_msgpack_cannot() -> None:
    with threaded_server(echo) as address, BlockingClient(address, mode="msgpack", default=list) as client:
        client.send({1})
        assert client.receive().value == [1]


def test_extension_types_have_values() -> None:
    with both_blocking_ends(mode="msgpack-stream", ext_hook=lambda code, data: (code, data)) as (client, peer):
        peer.sendall(b"\xd4\x05x")
        assert client.receive().value == (5, b"x")


def test_its_descriptor_tells_when_something_came() -> None:
    with both_blocking_ends() as (client, theirs):
        assert select.select([client], [], [], 0)[0] == []
        theirs.sendall(b"x\n")
        assert select.select([client], [], [], 30)[0] == [client]
        assert client.receive(0).payload == b"x"


def test_small_messages_do_not_wait_for_each_other() -> None:
    with both_blocking_ends() as (client, _), socket.socket(fileno=client.fileno()) as seen:
        try:
            assert seen.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        finally:
            seen.detach()


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
