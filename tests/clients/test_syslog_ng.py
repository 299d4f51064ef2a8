"""syslog-ng, which counts octets and puts a line feed within what it counts."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from conftest import Serve, StartProgram
from support.conversation import Conversation, read_counted
from support.requirements import required_syslog_ng

CONFIGURATION = """
@version: 3.38
@module affile
@module afsocket
@module syslogformat
source typed {{ stdin(flags(no-parse)); }};
destination feed {{ syslog("127.0.0.1" transport("tcp") port({port})); }};
log {{ source(typed); destination(feed); }};
"""


@pytest.mark.parametrize("mode", ["octet", "syslog"])
def test_it_forwards(serve: Serve, start_program: StartProgram, tmp_path: Path, mode: str) -> None:
    """Every message reaches peers of octet counting with its count, and peers of lines as one line."""
    program, variables = required_syslog_ng()
    conversation = Conversation(serve, mode, "lines")
    configuration = tmp_path / "syslog-ng.conf"
    configuration.write_text(CONFIGURATION.format(port=conversation.ports[mode]))
    files = [
        part for kind, name in (("-R", "state"), ("-p", "pid"), ("-c", "control")) for part in (kind, tmp_path / name)
    ]
    forwarder = start_program(
        *(*program, "--foreground", "--no-caps", "-f", configuration, *files), environment={**os.environ, **variables}
    )
    for number in range(100):
        forwarder.type(b"reading %d of gr\xc3\xbc\xc3\x9fe\n" % number)
    for number in range(100):
        payload = read_counted(conversation.peers[mode])
        assert re.fullmatch(rb"<13>1 .* reading %d of gr\xc3\xbc\xc3\x9fe\n?" % number, payload)
        line = conversation.peers["lines"].read_line()
        assert line == payload.replace(b"\n", rb"\n") + b"\n"
    forwarder.signal(signal.SIGTERM)
    assert forwarder.wait() == 0, str(forwarder.errors)
