"""TinTin++, a client for MUDs, which negotiates options of Telnet."""

from __future__ import annotations

import os
from pathlib import Path

from conftest import Serve, StartProgram
from support.conversation import Conversation
from support.requirements import required_program


def test_a_conversation(serve: Serve, start_program: StartProgram, tmp_path: Path) -> None:
    """Commands reach the others as lines without any of the negotiation; lines are shown to the player."""
    program = required_program("tt++", "tintin++")
    conversation = Conversation(serve, "telnet", "lines")
    script = tmp_path / "session.tin"
    script.write_text(f"#session {{feed}} {{127.0.0.1}} {{{conversation.ports['telnet']}}}\n")
    variables = {**os.environ, "TERM": "xterm", "HOME": str(tmp_path)}
    player = start_program(program, "-G", script, terminal=True, environment=variables)
    conversation.server.wait_for_peers(3)
    player.output.wait_for("SESSION 'feed' CONNECTED")
    others = conversation.peers["lines"], conversation.peers["telnet"]
    others[0].send(b"You are in a maze of twisty little passages.\n")
    player.output.wait_for("maze of twisty little passages")
    player.type(b"look around\r")
    assert others[0].read_line() == b"look around\n"
    assert [others[1].read_line() for _ in range(2)] == [
        b"You are in a maze of twisty little passages.\r\n",
        b"look around\r\n",
    ]
    others[1].send(b"\xff\xfd\x18 asked, and said \xff\xff\r\n")  # IAC DO TERMINAL-TYPE is for the server alone
    player.output.wait_for("asked, and said")
    assert others[0].read_line() == b" asked, and said \xff\n"
