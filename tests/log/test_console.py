"""The log's way to standard error: through a queue that never makes the server wait."""

from __future__ import annotations

import errno
import gc
import json
import logging
import os
import queue
import re
import threading
import weakref
from pathlib import Path

import pytest

from fastserver.log import console
from fastserver.log.console import MAX_QUEUED, logging_to_console
from fastserver.log.log import logger


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

    lines = MAX_QUEUED * 3 + 70_000 // 20  # more than queue and pipe can hold together
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


FORGED = "2026-11-25 00:00:00.000 INFO peer 7 10.0.0.1:1 connected"
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ ")


def failing(text: str) -> None:
    raise ValueError(text)


@pytest.mark.parametrize("name", ["fastserver", "asyncio"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_line_can_be_forged(name: str, form: str, tmp_path: Path) -> None:
    """Text with line ends in it, whoever logs it and however, makes no line that looks like one of the log."""
    path, source = tmp_path / "log", logging.getLogger(name)
    texts = [
        f"quoted{end}{FORGED}\x1b[2J\x9b31m\u202e" for end in ("\n", "\r", "\r\n", "\x0b", "\x85", "\u2028", "\n\n")
    ]
    with path.open("wb") as file, logging_to_console("info", form, file.fileno()):
        for text in texts:
            source.warning(text)
            source.warning("field %(text)s", {"text": text})
            try:
                failing(text)
            except ValueError:
                source.exception("failed", stack_info=True)
    written = path.read_text("utf-8")
    assert not re.search(r"[^\n\x20-\x7e]", written)
    if form == "json":
        entries = [json.loads(line) for line in written.splitlines()]
        assert len(entries) == 3 * len(texts)
        shown = [value for entry in entries for value in entry.values() if isinstance(value, str)]
        assert not [text for text in shown if re.search(r"[^\n\x20-\x7e]", text)]
        assert all(FORGED in entry["exception"] for entry in entries[2::3])
    else:
        lines = written.splitlines()
        begun = [line for line in lines if LINE.match(line)]
        assert len(begun) == 3 * len(texts)
        assert all(line.startswith("    ") for line in lines if line not in begun)
        assert written.count(FORGED) == 3 * len(texts)  # nothing is left out
        assert not [line for line in lines if line.startswith(FORGED)]


class Disk:
    """A file that takes so many bytes and then no more, until there is `room` again."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.data = b""

    def write(self, _descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = data[: self.room]
        self.room -= len(taken)
        self.data += taken
        return len(taken)


@pytest.mark.parametrize("room", range(0, 400, 7))
def test_a_full_disk(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is torn when there is room again, wherever it ended, and lines that are lost are counted."""
    disk = Disk(room)
    monkeypatch.setattr(console.os, "write", disk.write)
    waiting: queue.Queue[logging.LogRecord | None] = queue.Queue()
    writer = console.Writer(waiting, 2, console.TextFormatter())
    for step in (0, 0, 30, 100, 0, 1, 10_000):  # bytes that become free after so many lines each
        for number in range(3):
            waiting.put(logging.LogRecord("fastserver", logging.INFO, "", 0, f"line {number}", None, None))
        waiting.put(None)
        writer.run()
        disk.room += step
    waiting.put(None)
    writer.run()
    lines = disk.data.decode().splitlines(keepends=True)
    assert all(LINE.match(line) and line.endswith("\n") for line in lines)
    shown = len([line for line in lines if re.search(r" INFO line \d$", line)])
    lost = [int(line.split()[3]) for line in lines if "log lines were lost: no space left on device" in line]
    assert shown + sum(lost) == 7 * 3
    assert len(lines) == shown + len(lost)


def test_a_record_that_cannot_be_shown(tmp_path: Path) -> None:
    """The log says so in one line, and goes on."""
    path = tmp_path / "log"
    with path.open("wb") as file, logging_to_console("info", "text", file.fileno()):
        logger.info("two of %s %s", "one")
        logger.info("after")
    first, second = path.read_text().splitlines()
    assert re.search(r" WARNING a log line of test_console\.py:\d+ cannot be shown: TypeError$", first)
    assert second.endswith(" INFO after")


class Held:
    """Something large."""


def test_a_line_that_waits_holds_only_text() -> None:
    """A traceback would keep alive all that its functions had: messages, for instance."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(3)
    handler = console.BoundedHandler(waiting)
    held: list[weakref.ref[Held]] = []

    def handle() -> None:
        large = Held()
        held.append(weakref.ref(large))
        raise ValueError("no such room")

    source = logging.Logger("source")
    source.addHandler(handler)
    for _ in range(5):
        try:
            handle()
        except ValueError:
            source.exception("failed")
    gc.collect()
    assert [one() for one in held] == [None] * 5
    assert handler.lost == 2
    assert "ValueError: no such room" in console.TextFormatter().format(waiting.get())
    assert "ValueError: no such room" in json.loads(console.JsonFormatter().format(waiting.get()))["exception"]
