"""The server does not pass on a request that a page in a browser posts to it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgpack
import pytest
from conftest import Run, Serve
from support.simulation import Simulation

from fastserver import CloseReason, Config, Message, Server

POST = b"POST / HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nContent-Length: 12\r\n\r\nlaunch now\r\n"


def simulated(*pieces: bytes, end: bool = False, **settings: Any) -> tuple[Simulation, bytes, str | None]:
    """The bytes that another peer received of `pieces`, and why their sender is closed or closing."""
    simulation = Simulation(**settings)
    peer, _ = simulation.connect()
    _, heard = simulation.connect()
    for piece in pieces:
        peer.data_received(piece)
    if end:
        peer.eof_received()
    simulation.loop.tick()
    return simulation, bytes(heard.sent), None if peer.reason is None else peer.reason.value


@pytest.mark.parametrize("at", range(len(POST) + 1))
def test_nothing_is_passed_on_however_it_is_cut(at: int) -> None:
    simulation, heard, reason = simulated(POST[:at], POST[at:], b"more\n")
    assert (heard, reason) == (b"", "http")
    assert simulation.server.peers[1].figures().messages_in == 0


@pytest.mark.parametrize(
    "line",
    [
        b"GET /?say=hello HTTP/1.1\r\n",
        b"GET / HTTP/1.0\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"anything HTTP/1.1\n",
        b" HTTP/1.0\n",
        b"\xff\x00\r HTTP/1.1\r\n",
    ],
)
def test_first_lines_of_requests(line: bytes) -> None:
    for end in (False, True):
        assert simulated(line + b"unfinished", end=end)[1:] == (b"", "http")


def test_a_request_that_its_sender_ends_within_the_line() -> None:
    assert simulated(b"GET / HTTP", b"/1.1", end=True)[1:] == (b"", "http")
    assert simulated(b"GET / HTTP/1.1\r", end=True)[1:] == (b"", "http")


@pytest.mark.parametrize(
    "lines",
    [
        b"hello\nGET / HTTP/1.1\r\n",
        b"\nGET / HTTP/1.1\n",
        b"GET / HTTP/1.1 200\n",
        b"GET /HTTP/1.1\n",
        b"GET / HTTP/1.2\n",
        b"GET / HTTP/1.1x\n",
        b"GET / HTTP/1.1\r\r\n",
        b"GET / http/1.1\n",
        b'127.0.0.1 - "GET / HTTP/1.1" 200 612\n',
    ],
)
def test_lines_that_are_no_request_are_passed_on(lines: bytes) -> None:
    for at in (0, 1, len(lines) - 1):
        assert simulated(lines[:at], lines[at:])[1:] == (lines, None)


def test_such_lines_can_be_let_through() -> None:
    assert simulated(POST, allow_http_lines=True)[1:] == (POST, None)


def test_a_request_with_a_line_that_is_too_long_behind_it() -> None:
    assert simulated(b"GET / HTTP/1.1\r\n" + b"x" * 100, max_message=20)[1:] == (b"", "http")


@pytest.mark.parametrize("at", range(6, 18))
def test_a_request_is_no_stream_of_objects(at: int) -> None:
    body = POST + msgpack.packb({"launch": True})
    assert simulated(body[:at], body[at:], mode="msgpack-stream")[1:] == (b"", "http")
    assert simulated(body, mode="msgpack-stream", allow_http_lines=True)[1:] == (body, None)


def test_numbers_and_words_are_objects() -> None:
    for stream in (b"GETPOST /", b"POST", msgpack.packb("POST / HTTP/1.1\r\n"), msgpack.packb(POST)):
        assert simulated(stream, mode="msgpack-stream")[1:] == (stream, None)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"OPTIONS"])
def test_a_request_is_longer_than_any_object_with_a_length(method: bytes) -> None:
    request = method + POST[4:]
    assert simulated(request, mode="msgpack", max_message=1 << 30, max_memory=None)[1:] == (b"", "frame_error")


@pytest.mark.parametrize(
    ("mode", "request_line", "body"),
    [
        ("lines", b"POST /" + b"x" * 100 + b" HTTP/1.1\r\n", b"launch\n"),
        ("lines", b"POST /" + b"x" * 100, b" HTTP/1.1\r\nlaunch\n"),
        ("delimited", b"POST /" + b"x" * 100 + b" HTTP/1.1\r\n\r\n\0", b"launch\0"),
        ("delimited?start=%02&delimiter=%03", b"POST / HTTP/1.1\r\n\r\n", b"\x02launch\x03"),
        ("msgpack", b"POST / HTTP/1.1\r\n\r\n", b"\0\0\0\1\1"),
        ("msgpack-stream", b"POST / HTTP/1.1\r\n\r\n", b"\1"),
    ],
)
def test_a_request_that_is_to_be_skipped_is_one_all_the_same(mode: str, request_line: bytes, body: bytes) -> None:
    for pieces in ((request_line, body), (request_line + body,)):
        assert simulated(*pieces, mode=mode, max_message=20, oversize="skip")[1:] == (b"", "http")


def test_a_line_over_the_limit_that_is_no_request_is_skipped() -> None:
    assert simulated(b"GET " + b"x" * 100 + b"\nhi\n", max_message=20, oversize="skip")[1:] == (b"hi\n", None)


def test_nothing_of_it_is_handled() -> None:
    handled: list[bytes] = []
    simulation = Simulation()

    @simulation.server.on_message
    def handle(message: Message) -> None:
        handled.append(message.payload)

    page, _ = simulation.connect()
    peer, _ = simulation.connect()
    page.data_received(POST[:9])
    page.data_received(POST[9:])
    peer.data_received(b"hello\n")
    simulation.loop.tick()
    assert handled == [b"hello"]
    assert page.reason is CloseReason.HTTP


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("octet", "frame_error"),
        ("netstring", "frame_error"),
        ("syslog", "http"),
        ("varint", "http"),
        ("length?bytes=1", "http"),
        ("length?bytes=1&includes=yes", "http"),
        ("length?bytes=2", "http"),
        ("length?bytes=2&order=little", "http"),
        ("length?bytes=3", "frame_error"),
        ("length", "frame_error"),
    ],
)
def test_nothing_is_passed_on_where_messages_have_a_length(mode: str, reason: str) -> None:
    posted = b"POST / HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n\r\n" + b"x" * 30_000
    for cut in (len(posted), 1, 7):
        simulation = Simulation(max_message=1 << 20, log_messages=0)
        peer, _ = simulation.connect(mode=mode)
        _, other = simulation.connect()
        peer.data_received(posted[:cut])
        peer.data_received(posted[cut:])
        simulation.loop.tick()
        assert bytes(other.sent) == b""
        assert peer.reason is not None
        assert peer.reason.value == reason


def test_over_a_socket(run: Run) -> None:
    async def main() -> None:
        async with Server(Config(port=0, log_messages=0)) as server:
            port = int(server.addresses[0].rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            page, request = await asyncio.open_connection("127.0.0.1", port)
            request.write(POST * 1000)
            assert await page.read() == b""
            request.close()
            _, other = await asyncio.open_connection("127.0.0.1", port)
            other.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            while len(server.peers) > 2:
                await asyncio.sleep(0)
            assert server.peers.reasons == {"http": 1}
            writer.close()
            other.close()

    run(main())


def test_the_command_names_the_address(serve: Serve) -> None:
    server = serve()
    page = server.connect()
    page.send(POST)
    assert page.read_to_end() == b""
    name = page.name
    page.close()
    log = server.stop()
    assert f"peer 1 {name} sent an HTTP request, as a web page does; nothing of it is passed on" in log
    assert f"peer 1 {name} disconnected: http; 0 messages" in log


def test_the_command_can_let_such_lines_through(serve: Serve) -> None:
    server = serve("--allow-http-lines")
    one, two = server.connect(), server.connect()
    one.send(POST)
    assert two.read(len(POST)) == POST
