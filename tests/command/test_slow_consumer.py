"""The command and peers that fall behind, on real sockets: each policy, notices and last words."""

from __future__ import annotations

import json
import signal
import threading

import pytest
from conftest import Serve
from support.connection import Connection

COUNT = 24 * 1024
SIZE = 1024
"""24 MiB: more than the default limit and what the kernel takes."""


def lines(count: int = COUNT) -> bytes:
    return b"".join(b"%07d %s\n" % (number, b"x" * (SIZE - 9)) for number in range(count))


def test_two_that_send_everything_before_they_read_get_everything_under_block(serve: Serve) -> None:
    server = serve("--slow-consumer", "block")
    peers = [server.connect(), server.connect()]
    data = lines()
    threads = [threading.Thread(target=peer.send, args=(data,)) for peer in peers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [peer.read(len(data)) == data for peer in peers] == [True, True]
    assert f" {2 * COUNT} messages in, {2 * COUNT} out, 0 dropped," in server.stop()


@pytest.mark.parametrize("policy", ["drop-oldest", "drop-newest", "latest"])
def test_a_peer_that_stops_reading_misses_whole_messages_and_is_told(serve: Serve, policy: str) -> None:
    server = serve("--slow-consumer", policy, "--notify-drops", "--max-pending", "1MiB", "--half-close-timeout", "0")
    slow, sender = server.connect(receive_buffer=65536), server.connect()
    data = lines()
    sender.send(data)
    sender.close()
    server.errors.wait_for("peer 2 .* disconnected: eof")
    seen = 0
    missed = 0
    while seen < COUNT:
        line = slow.read_line()
        if line.startswith(b"{"):
            word = json.loads(line)
            assert word["fastserver"] == "missed"
            seen += word["messages"]
            missed += word["messages"]
        else:
            assert line == data[seen * SIZE : (seen + 1) * SIZE]
            seen += 1
    assert missed
    if policy == "latest":
        assert line == data[-SIZE:]
    log = server.stop()
    assert f"policy {policy}, {missed} messages dropped for it" in log
    assert f" {COUNT} messages in, " in log
    assert f" {missed} dropped, 0 of them by shutdown" in log


def test_who_is_not_let_in_is_told_why_if_asked_for(serve: Serve) -> None:
    server = serve("--max-peers", "1", "--last-word")
    server.connect()
    refused = Connection(("127.0.0.1", server.port))
    with refused.socket:
        assert refused.read_to_end() == b'{"fastserver": "closing", "reason": "max_peers"}\n'


def test_what_was_wrong_comes_last_if_asked_for(serve: Serve) -> None:
    server = serve("--max-message", "10", "--last-word")
    one, two = server.connect(), server.connect()
    one.send(b"fits\n")
    assert two.read(5) == b"fits\n"
    one.send(b"does not fit\n")
    assert one.read_to_end() == b'{"fastserver": "closing", "reason": "frame_error"}\n'
    server.signal(signal.SIGTERM)
    assert two.read_to_end() == b'{"fastserver": "closing", "reason": "shutdown"}\n'


def test_a_heartbeat_is_heard(serve: Serve) -> None:
    server = serve("--heartbeat", "0.01", "--heartbeat-message", "tick")
    assert server.connect().read(10) == b"tick\ntick\n"
