"""Each fault against the command, which is told to report and then to stop while it goes on: whatever was heard up to
then gets to the others, in order, and the books of every peer balance.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from conftest import Serve
from faults.books import bookkeeper, check_books
from faults.catalogue import FAULTS
from faults.fault import Fault, Target
from faults.witnesses import LIGHT, Witnesses
from support.deadline import DEADLINE
from support.server_process import server_with_unread_log

OPTIONS = ("--drain-timeout", "300", "--half-close-timeout", "300")
DESCRIPTORS = 128
CASES = [(fault, fault.modes[0]) for fault in FAULTS.values() if fault.needs != "host"]
IDS = [f"{fault.name}-{mode}" for fault, mode in CASES]
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def options(fault: Fault) -> list[str]:
    """The settings for a fault, as options."""
    return [text for name, value in fault.settings().items() for text in (f"--{name.replace('_', '-')}", str(value))]


async def go_through(
    fault: Fault, target: Target, process: subprocess.Popen[bytes], end: int, log: Callable[[], bytes] | None
) -> Witnesses:
    """Witnesses of a fault, up to the end of the server, which `end` signals. The log is not known if it is not
    read.
    """

    def struck() -> bool:
        return log is None or not fault.ends or any(b": " + reason.encode() in log() for reason in fault.ends)

    def reported() -> bool:
        return log is None or b" INFO report: " in log()

    witnesses = Witnesses(target.mode, LIGHT if fault.many else None)
    target.progress = witnesses.next
    messages = 1 if fault.many else 100
    try:
        await witnesses.start(target.address)
        async with fault.course(target):
            await witnesses.go_on(messages, struck)
            process.send_signal(signal.SIGUSR1)
            await witnesses.go_on(messages, reported)
            process.send_signal(end)
            await witnesses.ended()
        code = await asyncio.to_thread(process.wait, DEADLINE)
    finally:
        await witnesses.close()
    assert code == 0
    witnesses.check_order(whole=True)
    return witnesses


def run(*arguments: Any) -> Witnesses:
    witnesses: Witnesses = uvloop.run(asyncio.wait_for(go_through(*arguments), DEADLINE))
    return witnesses


@pytest.mark.parametrize(("number", "fault", "mode"), [(number, *case) for number, case in enumerate(CASES)], ids=IDS)
def test_fault(serve: Serve, tmp_path: Path, number: int, fault: Fault, mode: str) -> None:
    books = tmp_path / "books"
    descriptors = DESCRIPTORS if fault.needs else 0
    server = serve("--mode", mode, *OPTIONS, *options(fault), wrapper=bookkeeper(books, descriptors))
    assert isinstance(server.address, tuple)
    target = Target(server.address, mode=mode, descriptors=descriptors)
    witnesses = run(fault, target, server.process, SIGNALS[number % 2], lambda: server.errors.data)
    log = server.whole_log()
    reasons = {counts["reason"] for counts in check_books(books, witnesses)}
    assert reasons <= {*fault.ends, "shutdown", "eof", "reset"}
    assert " INFO stopped: " in log.splitlines()[-1]
    assert "Traceback" not in log
    if fault.needs:
        assert log.count("no file descriptors left") == 1


@pytest.mark.parametrize("name", ["stops_reading", "connects_sends_and_closes"])
def test_log_that_nobody_reads(tmp_path: Path, name: str) -> None:
    """The same, while the log is a pipe that is full."""
    books = tmp_path / "books"
    fault = FAULTS[name]
    with server_with_unread_log(*OPTIONS, "--log-messages", "1000000", folder=tmp_path, wrapper=bookkeeper(books)) as (
        process,
        port,
        _,
    ):
        witnesses = run(fault, Target(("127.0.0.1", port)), process, signal.SIGTERM, None)
    check_books(books, witnesses)
