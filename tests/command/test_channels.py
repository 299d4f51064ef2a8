"""Listeners that name a channel have a conversation of their own."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import msgpack
import pytest
from conftest import Serve
from support.command import attempt, standard_loop
from support.connection import Connection


@pytest.fixture(params=[(), standard_loop()], ids=["uvloop", "asyncio"])
def wrapper(request: pytest.FixtureRequest) -> tuple[str, ...]:
    made: tuple[str, ...] = request.param
    return made


def prefixed(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return len(packed).to_bytes(4, "big") + packed


def test_conversations_in_several_framings_do_not_mix(serve: Serve, tmp_path: Path, wrapper: tuple[str, ...]) -> None:
    urls = {
        "lines": f"lines+unix://{tmp_path}/lines",
        "stream": f"msgpack-stream+unix://{tmp_path}/stream",
        "lab": f"lines+unix://{tmp_path}/lab?channel=lab",
        "packed": f"msgpack+unix://{tmp_path}/packed?channel=lab",
        "ear": f"lines+unix://{tmp_path}/ear?role=receive&channel=lab",
    }
    server = serve(*[part for url in urls.values() for part in ("--listen", url)], wrapper=wrapper)
    peers = {name: Connection(str(tmp_path / name)) for name in urls}
    server.connections += peers.values()
    server.errors.wait_for_count(r"peer \d+ \S+ connected", len(peers))
    peers["lab"].send(b"from the lab\n")
    assert peers["packed"].read(17) == prefixed("from the lab")
    peers["packed"].send(prefixed([1, 2]))
    assert peers["lab"].read_line() == b"[1,2]\n"
    assert peers["ear"].read_line() + peers["ear"].read_line() == b"from the lab\n[1,2]\n"
    peers["ear"].send(b"unheard\n")
    peers["lines"].send(b"from lines\n")
    assert peers["stream"].read(11) == msgpack.packb("from lines")  # the first that it gets
    peers["stream"].send(msgpack.packb("from the stream"))
    assert peers["lines"].read_line() == b"from the stream\n"
    peers["lab"].send(b"last\n")
    assert peers["packed"].read(9) == prefixed("last")  # and nothing in between
    assert "report: 5 peers connected, 5 since start, 5 messages" in server.report()[0]
    log = server.stop()
    assert len(re.findall(r"listening on unix:\S+, mode \S+, channel lab$", log, re.MULTILINE)) == 2
    assert re.search(r"listening on unix:\S+/ear, mode lines, role receive, channel lab$", log, re.MULTILINE)
    assert len(re.findall(r"peer \d+ unix:\S+ connected(?:, role receive)?, channel lab$", log, re.MULTILINE)) == 3


def test_peers_of_a_channel_are_drained_and_told_why(serve: Serve, wrapper: tuple[str, ...]) -> None:
    options = ("--listen", "lines://127.0.0.1:0?channel=lab", "--last-word", "--heartbeat", "0.05")
    server = serve(*options, wrapper=wrapper)
    peer, sender = (Connection(server.address) for _ in range(2))
    server.connections += [peer, sender]
    server.errors.wait_for_count(r"peer \d+ \S+ connected, channel lab", 2)
    assert peer.read_line() == b"\n"
    lines = b"".join(b"%d\n" % number for number in range(10_000))
    sender.send(lines)
    while (line := peer.read_line()) == b"\n":
        pass
    assert line == b"0\n"
    server.signal(signal.SIGTERM)
    rest = [line for line in peer.read_to_end().splitlines(keepends=True) if line != b"\n"]
    assert rest[-1] == b'{"fastserver": "closing", "reason": "shutdown"}\n'
    assert b"".join(rest[:-1]) == lines[2:][: sum(map(len, rest[:-1]))]
    sender.close()
    assert server.wait() == 0
    assert "stopped: 2 peers served" in server.whole_log()


@pytest.mark.parametrize("name", ["", "a/b", "two words", "grün", "x" * 65, "a%20b"])
def test_a_name_that_is_none(name: str, tmp_path: Path) -> None:
    """The command writes one line that names the URL and what is allowed; exit code 2."""
    ended = attempt("--listen", f"lines://127.0.0.1:0?channel={name}", folder=tmp_path)
    assert ended.code == 2
    [line] = ended.errors
    assert "--listen" in line
    assert "1 to 64 letters, digits and -_." in line
