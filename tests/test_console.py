"""The log's way to standard error: through a queue that never makes the server wait."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path

import pytest

from fastserver.console import QUEUE, logging_to_console
from fastserver.log import logger


@pytest.mark.parametrize("form", ["text", "json"])
def test_lines_arrive(form: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file, logging_to_console("info", form, file.fileno()):
        logger.info("peer %(id)d connected", {"id": 7})
        logger.debug("not this one")
        logger.warning("no fields")
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    if form == "json":
        first, second = (json.loads(line) for line in lines)
        assert (first["level"], first["message"], first["id"]) == ("info", "peer 7 connected", 7)
        assert (second["level"], second["message"]) == ("warning", "no fields")
    else:
        assert lines[0].endswith(" INFO peer 7 connected")
        assert lines[1].endswith(" WARNING no fields")


def test_logging_is_as_before_afterwards(tmp_path: Path) -> None:
    before = (logger.level, logger.propagate, list(logger.handlers))
    with (tmp_path / "log").open("wb") as file, logging_to_console("error", "text", file.fileno()):
        assert logger.level == logging.ERROR
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


def test_a_pipe_nobody_reads_stops_nobody_and_what_is_lost_is_counted() -> None:
    reading, writing = os.pipe()
    received: list[bytes] = []

    def read() -> None:
        while data := os.read(reading, 65536):
            received.append(data)

    lines = QUEUE * 3 + 70_000 // 20  # more than queue and pipe can hold together
    with logging_to_console("info", "text", writing):
        for number in range(lines):
            logger.info("line %(number)d %(fill)s", {"number": number, "fill": "x" * 200})
        reader = threading.Thread(target=read)
        reader.start()
    os.close(writing)
    reader.join()
    os.close(reading)
    text = b"".join(received).decode()
    arrived = text.count(" INFO line ")
    lost = [int(line.split()[3]) for line in text.splitlines() if "log lines were lost" in line]
    assert arrived < lines
    assert arrived + sum(lost) == lines


def test_a_reader_that_has_gone_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with logging_to_console("info", "text", writing):
        for _ in range(10):
            logger.info("to nobody")
    os.close(writing)
