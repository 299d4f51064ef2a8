"""rsyslogd, which follows a file and forwards its lines over TCP."""

from __future__ import annotations

import signal
from pathlib import Path

from conftest import Run
from needed import program
from running import RunningServer

CONFIGURATION = """
global(workDirectory="{folder}")
module(load="imfile")
template(name="line" type="string" string="%msg%\\n")
input(type="imfile" file="{folder}/app.log" tag="app")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" tcp_framing="traditional" template="line")
"""


def test_a_followed_file(server: RunningServer, run: Run, tmp_path: Path) -> None:
    """Every line of the file arrives, in order: those it held and those written to it later."""
    rsyslogd = program("rsyslogd", "rsyslog")
    log = tmp_path / "app.log"
    first = [b"entry %d, before\n" % number for number in range(1000)]
    later = [b"entry %d, later\n" % number for number in range(1000)]
    log.write_bytes(b"".join(first))
    configuration = tmp_path / "rsyslog.conf"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, port=server.port))

    listener = server.connect()
    forwarder = run(rsyslogd, "-n", "-C", "-f", configuration, "-i", tmp_path / "rsyslogd.pid")
    assert [listener.read_line() for _ in first] == first
    server.errors.wait_for(r"Received message from 2 127\.0\.0\.1:\d+: entry 0, before$")
    with log.open("ab") as file:
        for line in later:
            file.write(line)
            file.flush()
    assert [listener.read_line() for _ in later] == later

    forwarder.signal(signal.SIGTERM)
    assert forwarder.wait() == 0, str(forwarder.errors)
