"""Fluentd's loggers, which send MessagePack objects one after the other: fluent-logger in Python, @fluent-org/logger in
Node.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from conftest import Serve, StartProgram
from support.conversation import Conversation
from support.requirements import required_module, required_node_package, required_program

SCRIPT = Path(__file__).with_name("fluent_logger.js")


def test_fluent_logger_in_python(serve: Serve) -> None:
    """Its events reach peers of lines as JSON: tag, seconds, record."""
    sender = required_module("fluent.sender", "fluent-logger")
    conversation = Conversation(serve, "msgpack-stream", "lines")
    with sender.FluentSender("kitchen", host="127.0.0.1", port=conversation.ports["msgpack-stream"]) as logger:
        for number in range(100):
            record = {"reading": number, "text": "grüße\nan alle", "none": None}
            assert logger.emit_with_time("oven", 1_700_000_000 + number, record)
        for number in range(100):
            tag, time, record = json.loads(conversation.peers["lines"].read_line())
            assert (tag, time) == ("kitchen.oven", 1_700_000_000 + number)
            assert record == {"reading": number, "text": "grüße\nan alle", "none": None}


def test_nanoseconds_in_python(serve: Serve) -> None:
    """Fluentd's EventTime, an extension of type 0, is not lost in JSON."""
    sender = required_module("fluent.sender", "fluent-logger")
    conversation = Conversation(serve, "msgpack-stream", "lines")
    port = conversation.ports["msgpack-stream"]
    with sender.FluentSender("kitchen", host="127.0.0.1", port=port, nanosecond_precision=True) as logger:
        assert logger.emit_with_time(None, 1_700_000_000.5, {"on": True})
        tag, time, record = json.loads(conversation.peers["lines"].read_line())
        assert (tag, record) == ("kitchen", {"on": True})
        assert time == {"$ext": [0, "ZVPxAB3NZQA="]}


def test_fluent_logger_in_node(serve: Serve, start_program: StartProgram) -> None:
    """Its events reach peers of lines as JSON."""
    conversation = Conversation(serve, "msgpack-stream", "lines")
    variables = {**os.environ, "NODE_PATH": required_node_package("@fluent-org/logger")}
    port = str(conversation.ports["msgpack-stream"])
    logger = start_program(required_program("node", "nodejs"), SCRIPT, port, environment=variables)
    for number in range(100):
        logger.type(b'{"reading": %d, "text": "gr\xc3\xbc\xc3\x9fe"}\n' % number)
    logger.end_input()
    for number in range(100):
        tag, _, record, _ = json.loads(conversation.peers["lines"].read_line())
        assert (tag, record) == ("kitchen.oven", {"reading": number, "text": "grüße"})
