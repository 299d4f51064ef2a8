"""graypy, Graylog's handler for Python's logging: GELF, which is JSON with a NUL behind each message."""

from __future__ import annotations

import json
import logging

from conftest import Serve
from support.conversation import Conversation
from support.requirements import required_module


def test_gelf(serve: Serve) -> None:
    """Records reach the others as they were sent, and peers of lines as a line each."""
    graypy = required_module("graypy")
    conversation = Conversation(serve, "delimited", "lines")
    handler = graypy.GELFTCPHandler("127.0.0.1", conversation.ports["delimited"])
    logger = logging.Logger("kitchen")
    logger.addHandler(handler)
    try:
        for number in range(100):
            logger.warning("reading %d\nof grüße", number)
        for number in range(100):
            line = conversation.peers["lines"].read_line()
            assert json.loads(line)["short_message"] == f"reading {number}\nof grüße"
            frame = conversation.peers["delimited"].read(len(line))
            assert frame == line[:-1] + b"\0"
    finally:
        handler.close()
