"""Programs of many sorts in one conversation: what one of them says, all the others receive, in their form."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from conftest import Serve, StartProgram
from support.child_process import ChildProcess
from support.conversation import Conversation
from support.requirements import required_module, required_node_package, required_program

HERE = Path(__file__).parent


def test_all_hear_all(serve: Serve, start_program: StartProgram, tmp_path: Path) -> None:
    """netcat has lines, Twisted lengths and netstrings, Node and Ruby MessagePack, TinTin++ Telnet."""
    modes = ("lines", "length?bytes=2", "length", "netstring", "msgpack-stream", "telnet")
    conversation = Conversation(serve, *modes)
    ports = conversation.ports
    variables = {**os.environ, "NODE_PATH": required_node_package("@msgpack/msgpack")}
    required_module("twisted")
    script = tmp_path / "session.tin"
    script.write_text(f"#session {{feed}} {{127.0.0.1}} {{{ports['telnet']}}}\n")

    def twisted(mode: str, receiver: str) -> ChildProcess:
        return start_program(sys.executable, HERE / "twisted_peer.py", str(ports[mode]), receiver)

    def library(program: str, name: str) -> ChildProcess:
        port = str(ports["msgpack-stream"])
        return start_program(required_program(program, program), HERE / name, port, environment=variables)

    plain = {
        "netcat": start_program(required_program("nc.openbsd", "netcat-openbsd"), "127.0.0.1", str(ports["lines"])),
        "Int16": twisted("length?bytes=2", "Int16StringReceiver"),
        "Int32": twisted("length", "Int32StringReceiver"),
        "Netstring": twisted("netstring", "NetstringReceiver"),
    }
    typed = {"Node": library("node", "msgpack_stream.js"), "Ruby": library("ruby", "msgpack_stream.rb")}
    player = start_program(
        *(required_program("tt++", "tintin++"), "-G", script),
        terminal=True,
        environment={**os.environ, "TERM": "xterm", "HOME": str(tmp_path)},
    )
    programs = {**plain, **typed, "TinTin++": player}
    conversation.server.wait_for_peers(len(modes) + len(programs))

    for name, program in programs.items():
        text = f"grüße von {name}"
        program.type((f'"{text}"\n' if name in typed else f"{text}\r" if program is player else f"{text}\n").encode())
        for other in programs.values():
            if other is not program:
                other.output.wait_for(text.replace("+", "[+]"))
    typed["Node"].type(b'{"a": [1, 2.5, null]}\n')
    for program in (*plain.values(), player):
        program.output.wait_for(r'\{"a":\[1,2.5,null\]\}')
