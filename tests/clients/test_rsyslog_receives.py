"""rsyslogd's imtcp, which receives a conversation by way of socat."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from conftest import Serve, StartProgram
from support.conversation import Conversation
from support.requirements import required_program

CONFIGURATION = """
global(workDirectory="{folder}")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="{folder}/port")
template(name="payload" type="string" string="%msg%\\n")
action(type="omfile" file="{folder}/received.log" template="payload")
action(type="omfile" file="/dev/stdout" template="payload")
"""


@pytest.mark.parametrize("mode", ["octet", "syslog", "lines"])
def test_it_receives(serve: Serve, start_program: StartProgram, tmp_path: Path, mode: str) -> None:
    """Whatever framing it is fed with, all that a peer of another says becomes its messages, in order."""
    rsyslogd, socat = required_program("rsyslogd", "rsyslog"), required_program("socat", "socat")
    configuration = tmp_path / "rsyslog.conf"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path))
    receiver = start_program(rsyslogd, "-n", "-C", "-f", configuration, "-i", tmp_path / "rsyslogd.pid")
    written = start_program(required_program("tail", "coreutils"), "-n", "+1", "-F", tmp_path / "port")
    port = int(written.output.wait_for(r"\d+")[0])

    conversation = Conversation(serve, mode, "netstring")
    start_program(socat, "-u", f"TCP:127.0.0.1:{conversation.ports[mode]}", f"TCP:127.0.0.1:{port}")
    conversation.server.wait_for_peers(3)
    payloads = [b"<13>Oct 11 22:14:15 kitchen oven: reading %d" % number for number in range(1000)]
    conversation.peers["netstring"].send(b"".join(b"%d:%b," % (len(one), one) for one in payloads))
    expected = b"".join(b" reading %d\n" % number for number in range(1000))
    receiver.output.wait_for_bytes(expected)
    receiver.signal(signal.SIGTERM)
    assert receiver.wait() == 0, str(receiver.errors)
    assert (tmp_path / "received.log").read_bytes() == expected
