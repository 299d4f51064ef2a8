"""Twisted's receivers of length-prefixed strings and netstrings, as they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import Serve, StartProgram
from support.child_process import ChildProcess
from support.conversation import Conversation
from support.requirements import required_module

SCRIPT = Path(__file__).with_name("twisted_peer.py")
RECEIVERS = {
    "length?bytes=1": "Int8StringReceiver",
    "length?bytes=2": "Int16StringReceiver",
    "length": "Int32StringReceiver",
    "netstring": "NetstringReceiver",
}


def peers(start_program: StartProgram, conversation: Conversation, modes: list[str]) -> dict[str, ChildProcess]:
    """A peer in Twisted for each mode, connected."""
    required_module("twisted")
    started = {
        mode: start_program(sys.executable, SCRIPT, str(conversation.ports[mode]), RECEIVERS[mode]) for mode in modes
    }
    conversation.server.wait_for_peers(len(conversation.peers) + len(started))
    return started


@pytest.mark.parametrize("mode", RECEIVERS)
def test_two_of_a_kind(serve: Serve, start_program: StartProgram, mode: str) -> None:
    """Two of them receive all of each other's strings, empty ones too, and in order."""
    conversation = Conversation(serve, mode)
    one = peers(start_program, conversation, [mode])[mode]
    conversation.server.wait_for_peers(2)
    other = start_program(sys.executable, SCRIPT, str(conversation.ports[mode]), RECEIVERS[mode])
    conversation.server.wait_for_peers(3)
    lines = [b"%d %b" % (number, b"x" * (number % 200)) for number in range(500)] + [b"", b"end"]
    one.type(b"\n".join(lines) + b"\n")
    other.output.wait_for_bytes(b"\n".join(lines) + b"\n")
    other.type(b"and back\n")
    one.output.wait_for_bytes(b"and back\n")


def test_all_of_them(serve: Serve, start_program: StartProgram) -> None:
    """In one conversation, each receives what any of the others sends, in its own form."""
    conversation = Conversation(serve, *RECEIVERS, "lines")
    started = peers(start_program, conversation, list(RECEIVERS))
    for mode, peer in started.items():
        text = f"grüße from {mode}\n".encode()
        peer.type(text)
        assert conversation.peers["lines"].read_line() == text
        for other in started.values():
            if other is not peer:
                other.output.wait_for(rf"^grüße from {mode.replace('?', '.')}\n")
