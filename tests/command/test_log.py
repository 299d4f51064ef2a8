"""The log of the command, on standard error."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import Serve, StartProgram
from support.command import COMMAND, PURE, environment
from support.connection import Connection
from support.unread_log import connect_to


def test_more_messages(serve: Serve) -> None:
    """Of many messages some are shown and the others counted, so that the sum is right."""
    server = serve()
    reader, sender = server.connect(), server.connect()
    lines = b"".join(b"%d\n" % number for number in range(10_000))
    sender.send(lines)
    assert reader.read(len(lines)) == lines
    log = server.stop()
    shown = len(re.findall(r"Received message from 2 \S+: \d+$", log, re.MULTILINE))
    more = [int(one) for one in re.findall(r"INFO (\d+) more messages \(\d+ bytes\)$", log, re.MULTILINE)]
    assert more
    assert 0 < shown <= 20 * len(more)
    assert shown + sum(more) == 10_000


def test_no_messages(serve: Serve) -> None:
    """With `--log-messages 0` no message is shown, nor counted."""
    server = serve("--log-messages", "0")
    reader = server.connect()
    sender = Connection(server.address)
    server.connections.append(sender)
    reader.send(b"ready\n")
    assert sender.read_line() == b"ready\n"
    sender.send(b"hello\n")
    assert reader.read_line() == b"hello\n"
    log = server.stop()
    assert "hello" not in log
    assert "more messages" not in log
    assert "stopped: " in log


def test_control_characters(serve: Serve) -> None:
    """Nothing a peer sends acts on the terminal that shows the log; the other peers get it as it came."""
    server = serve()
    reader, sender = server.connect(), server.connect()
    line = b"\x1b[31mred\x07\x00\x7f \xc2\x9b2J \xe2\x80\xae \xff gr\xc3\xbcn\r\n"
    sender.send(line)
    assert reader.read_line() == line
    server.errors.wait_for(
        r"Received message from 2 \S+: " + re.escape(r"\x1b[31mred\x07\x00\x7f \u009b2J \u202e \xff grün") + "$"
    )


def test_long_message(serve: Serve) -> None:
    """A long message is cut in the log, not between peers."""
    server = serve()
    reader, sender = server.connect(), server.connect()
    line = b"x" * 100_000 + b"\n"
    sender.send(line)
    assert reader.read(len(line)) == line
    server.errors.wait_for(r"Received message from 2 \S+: x{200}… \(100000 bytes\)$")


@pytest.mark.parametrize("options", [("--quiet",), ("--log-level", "warning"), ("--log-level", "error")])
def test_quiet(start_program: StartProgram, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Nothing is written as long as nothing is wrong."""
    path = tmp_path / "feed.sock"
    server = start_program(*COMMAND, "--unix", path, *options, environment=environment())
    one, other = connect_to(path), connect_to(path)
    with contextlib.closing(one), contextlib.closing(other):
        other.send(b"ready\n")
        assert one.read_line() == b"ready\n"
        one.send(b"hello\n")
        assert other.read_line() == b"hello\n"
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    log = server.errors.wait_for_end().decode().splitlines()
    if "error" in options:
        assert log == []
    assert [line for line in log if PURE not in line] == []


def test_quiet_says_what_is_wrong(start_program: StartProgram, tmp_path: Path) -> None:
    """A warning is written even so."""
    path = tmp_path / "feed.sock"
    server = start_program(*COMMAND, "--unix", path, "--quiet", "--max-message", "10", environment=environment())
    with contextlib.closing(connect_to(path)) as peer:
        peer.send(b"x" * 11 + b"\n")
        server.errors.wait_for(r"WARNING peer 1 \S+ sent an invalid message: .*\(limit 10\)$")
        assert peer.read_to_end() == b""


def test_debug_level(serve: Serve) -> None:
    """The lowest level shows no less than the usual one."""
    assert "listening on" in serve("--log-level", "debug").stop()


def test_json(serve: Serve) -> None:
    """Every line is a JSON object with time, level, message and the line's fields."""
    server = serve("--log-format", "json")
    reader, sender = server.connect(), server.connect()
    sender.send(b'say "hi" \x1b\n')
    assert reader.read_line() == b'say "hi" \x1b\n'
    sender.send(b"x" * (2 << 20))
    sender.read_to_end()
    entries = [json.loads(line) for line in server.stop().splitlines()]
    for entry in entries:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])
        assert entry["level"] in ("info", "warning")
        assert isinstance(entry["message"], str)
    (listening,) = [entry for entry in entries if entry["message"].startswith("listening on")]
    assert listening["address"] == f"127.0.0.1:{server.port}"
    assert listening["mode"] == "lines"
    (message,) = [entry for entry in entries if entry["message"].startswith("Received message")]
    assert message["id"] == 2
    assert message["text"] == 'say "hi" \\x1b'
    assert any(entry["level"] == "warning" and "invalid message" in entry["message"] for entry in entries)
    assert entries[-1]["message"].startswith("stopped: ")
    assert entries[-1]["dropped"] == 0


def test_a_name_that_is_no_text(serve: Serve, tmp_path: Path) -> None:
    """A socket path that is not UTF-8 is shown as far as can be, and the server runs."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/feed\xff.sock")
    server = serve("--unix", path)
    assert "listening on unix:" in server.log
    assert Path(path).is_socket()
    server.stop()
    assert not Path(path).exists()


FAILING = """
    import fastserver

    server = fastserver.Server(fastserver.Config(port=0, log_format={form!r}, handler_errors="keep"))


    @server.on_message
    def fail(message: fastserver.Message) -> None:
        text = message.payload.decode().replace("|", chr(10))
        if text.startswith("loop"):
            server.call_threadsafe(raising, text)
        else:
            raising(text)


    def raising(text):
        raise ValueError(text)


    server.run()
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_exception_that_quotes_a_peer(start_program: StartProgram, tmp_path: Path, form: str) -> None:
    """Quoted text forges no line, whether a handler raised the exception or the loop found it."""
    program = tmp_path / "failing.py"
    program.write_text(textwrap.dedent(FAILING).format(form=form))
    server = start_program(sys.executable, program, environment=environment())
    port = int(server.errors.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1])
    forged = "2026-11-25 00:00:00.000 INFO peer 9 10.0.0.1:1 connected"
    with contextlib.closing(Connection(("127.0.0.1", port))) as peer:
        for place in ("handler", "loop"):
            peer.send(f"{place}|{forged}|{{}}|\x1b[31m\n".encode())
        for place in ("handler", "loop"):
            server.errors.wait_for(rf"ValueError: {place}(\n *|\\n){re.escape(forged)}")
        server.signal(signal.SIGTERM)
        assert peer.read_to_end() == b""
    assert server.wait() == 0
    log = server.errors.wait_for_end().decode()
    assert "\x1b" not in log
    for line in log.splitlines():
        assert not line.startswith(forged)
        if form == "json":
            assert json.loads(line)["level"] in ("info", "warning", "error")
