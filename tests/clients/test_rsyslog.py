"""rsyslogd, which follows a file and forwards its lines over TCP."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Serve, StartProgram
from support.connection import Connection
from support.conversation import Conversation, read_counted
from support.requirements import required_program
from support.server_process import ServerProcess

CONFIGURATION = """
global(workDirectory="{folder}")
module(load="imfile")
template(name="line" type="string" string="{line}")
input(type="imfile" file="{folder}/app.log" tag="app")
action(
    type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp"
    tcp_framing="{framing}" tcp_framedelimiter="{delimiter}" template="line"
)
"""


def configure(
    folder: Path, port: int, framing: str = "traditional", line: str = r"%msg%\n", delimiter: int = 10
) -> Path:
    """The configuration of an rsyslogd that follows the log in `folder`, and forwards it to that port."""
    path = folder / "rsyslog.conf"
    path.write_text(CONFIGURATION.format(folder=folder, port=port, framing=framing, line=line, delimiter=delimiter))
    return path


def test_a_followed_file(server: ServerProcess, start_program: StartProgram, tmp_path: Path) -> None:
    """Every line of the file arrives, in order: those it held and those written to it later."""
    rsyslogd = required_program("rsyslogd", "rsyslog")
    log = tmp_path / "app.log"
    first = [b"entry %d, before\n" % number for number in range(1000)]
    later = [b"entry %d, later\n" % number for number in range(1000)]
    log.write_bytes(b"".join(first))
    configuration = configure(tmp_path, server.port)

    listener = server.connect()
    forwarder = start_program(rsyslogd, "-n", "-C", "-f", configuration, "-i", tmp_path / "rsyslogd.pid")
    assert [listener.read_line() for _ in first] == first
    server.errors.wait_for(r"Received message from 2 127\.0\.0\.1:\d+: entry 0, before$")
    with log.open("ab") as file:
        for line in later:
            file.write(line)
            file.flush()
    assert [listener.read_line() for _ in later] == later

    forwarder.signal(signal.SIGTERM)
    assert forwarder.wait() == 0, str(forwarder.errors)


def test_a_listener_for_senders(serve: Serve, start_program: StartProgram, tmp_path: Path) -> None:
    """rsyslogd never reads. Where it is only heard it is never cut off, however much the others say: every line of
    its own arrives among the 100 MB that two others exchange meanwhile.
    """
    rsyslogd = required_program("rsyslogd", "rsyslog")
    server = serve("--listen", "lines://127.0.0.1:0", "--listen", "lines://127.0.0.1:0?role=send")
    port = int(server.errors.wait_for(r" listening on 127\.0\.0\.1:(\d+), mode lines, role send$")[1])
    log = tmp_path / "app.log"
    log.touch()
    configuration = configure(tmp_path, port)
    forwarder = start_program(rsyslogd, "-n", "-C", "-f", configuration, "-i", tmp_path / "rsyslogd.pid")

    one, other = server.connect(), server.connect()
    block = b"%s\n" % (b"x" * 999) * 1000
    entries = [b"entry %d\n" % number for number in range(50)]
    with ThreadPoolExecutor() as pool, log.open("ab", buffering=0) as file:

        def send(connection: Connection) -> None:
            for _ in entries:
                connection.send(block)

        def receive(connection: Connection, logging: bool) -> list[bytes]:
            """The entries among what it receives: a new one is logged before every million bytes."""
            found = []
            for entry in entries:
                if logging:
                    file.write(entry)
                for _ in range(1000):
                    while (line := connection.read_line()).startswith(b"entry "):
                        found.append(line)
                    assert line == block[:1000]
            while len(found) < len(entries):
                found.append(connection.read_line())
            return found

        sending = [pool.submit(send, peer) for peer in (one, other)]
        receiving = [pool.submit(receive, one, True), pool.submit(receive, other, False)]
        assert [future.result() for future in receiving] == [entries, entries]
        assert [future.result() for future in sending] == [None, None]

    assert "disconnected" not in server.log
    assert server.log.count(", role send\n") == 2  # its listener, and the one connection there
    forwarder.signal(signal.SIGTERM)
    assert forwarder.wait() == 0, str(forwarder.errors)
    server.errors.wait_for(" disconnected: eof; 50 messages ")


@pytest.mark.parametrize(
    ("mode", "framing", "line"),
    [
        ("octet", "octet-counted", "<%PRI%>%msg%"),
        ("syslog", "octet-counted", "<%PRI%>%msg%"),
        ("syslog", "traditional", r"<%PRI%>%msg%\n"),
    ],
)
def test_octet_counting(
    serve: Serve, start_program: StartProgram, tmp_path: Path, mode: str, framing: str, line: str
) -> None:
    """Whichever way it is told to send, counted or in lines, peers of all framings receive every entry in theirs."""
    rsyslogd = required_program("rsyslogd", "rsyslog")
    conversation = Conversation(serve, "octet", "syslog", "lines")
    entries = [b"12 entries, of which this is %d, and a \xc3\xbc" % number for number in range(1000)]
    (tmp_path / "app.log").write_bytes(b"".join(entry + b"\n" for entry in entries))
    configuration = configure(tmp_path, conversation.ports[mode], framing, line)
    forwarder = start_program(rsyslogd, "-n", "-C", "-f", configuration, "-i", tmp_path / "rsyslogd.pid")
    for entry in entries:
        payload = b"<133>" + entry  # local0, notice
        assert read_counted(conversation.peers["octet"]) == payload
        assert read_counted(conversation.peers["syslog"]) == payload
        assert conversation.peers["lines"].read_line() == payload + b"\n"
    forwarder.signal(signal.SIGTERM)
    assert forwarder.wait() == 0, str(forwarder.errors)


def test_a_delimiter(serve: Serve, start_program: StartProgram, tmp_path: Path) -> None:
    """With a NUL behind each message, entries keep their line feeds among peers who can have them."""
    rsyslogd = required_program("rsyslogd", "rsyslog")
    conversation = Conversation(serve, "delimited", "lines")
    entries = [b"entry %d" % number for number in range(1000)]
    (tmp_path / "app.log").write_bytes(b"".join(entry + b"\n" for entry in entries))
    port = conversation.ports["delimited"]
    configuration = configure(tmp_path, port, line=r"%msg%\nand more", delimiter=0)
    forwarder = start_program(rsyslogd, "-n", "-C", "-f", configuration, "-i", tmp_path / "rsyslogd.pid")
    for entry in entries:
        frame = entry + b"\nand more\0"
        assert conversation.peers["delimited"].read(len(frame)) == frame
        assert conversation.peers["lines"].read_line() == entry + rb"\nand more" + b"\n"
    forwarder.signal(signal.SIGTERM)
    assert forwarder.wait() == 0, str(forwarder.errors)
