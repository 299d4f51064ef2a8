"""An ordeal: a server under load, with faults that go on for some seconds each, and what came of it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections import deque
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final

import uvloop
from faults.books import bookkeeper, check_books
from faults.catalogue import FAULTS
from faults.fault import Target
from faults.network import HERE, Network
from faults.witnesses import Load, Witnesses
from support.command import COMMAND, environment
from support.deadline import DEADLINE

DESCRIPTORS: Final = 4096
MEMBERS: Final = 1000
NOTHING: Final = "nothing"
"""The name of no fault."""

STEP: Final = 0.01
"""Seconds in which a fault gets on."""

OPTIONS: Final = (
    *("--max-pending", "1MiB"),
    *("--max-memory", "16MiB"),
    *("--max-bytes-per-second", "1MB"),
    *("--burst", "0.2"),
    *("--half-close-timeout", "5"),
    *("--keepalive", "2"),
)


def strike(name: str, mode: str, address: tuple[str, int], host: str, seconds: float, seed: int) -> None:
    """Have the fault of that name go on for so long; to be called in a process of its own."""

    async def step() -> None:
        await asyncio.sleep(STEP)

    async def go_on() -> None:
        target = Target(address, step, mode, MEMBERS, DESCRIPTORS, host, Random(seed))
        with suppress(ConnectionError):  # another fault may have left no room for it
            async with FAULTS[name].course(target):
                await asyncio.sleep(seconds)

    uvloop.run(go_on())


class Ordeal:
    """The command in one mode, with more `options`, and its witnesses: `start` comes first, `finish` last. On a
    `network` it is what the far host can connect to, and the witnesses use a Unix socket.
    """

    def __init__(self, mode: str, options: tuple[str, ...], folder: Path, network: Network | None = None) -> None:
        self.mode = mode
        self._options = options
        self._network = network
        self.memory: list[tuple[float, int]] = []
        """Its resident memory over time: seconds since the start, bytes."""
        self.gaps: dict[str, float] = {}
        """The longest that a witness got nothing while each fault went on, seconds."""
        self.reports = 0
        self.descriptors = 0
        """Descriptors in use before the first fault."""
        self.witnesses = Witnesses(mode, Load(10, 400, rest=STEP))
        self._books = folder / f"{mode}{'-far' if network else ''}.books"
        self._folder = folder
        self._process: Any = None
        self._tail: deque[str] = deque(maxlen=20)
        self.ended: list[str] = []
        """Lines of the log on the end of a witness: the first five peers."""
        self._read_on = asyncio.Event()
        self._began = time.monotonic()

    async def start(self) -> None:
        """Run the server and connect the witnesses."""
        path = f"{self._folder}/{self.mode}.sock"
        wrapper: tuple[str, ...] = ()
        if self._network is None:
            listen = [f"{self.mode}://127.0.0.1:0"]
        else:
            wrapper = self._network.near
            listen = [f"{self.mode}+unix://{path}", f"{self.mode}://{HERE}:0"]
        self._process = await asyncio.create_subprocess_exec(
            *wrapper,
            *bookkeeper(self._books, DESCRIPTORS),
            *COMMAND,
            *[text for url in listen for text in ("--listen", url)],
            *OPTIONS,
            *self._options,
            cwd=self._folder,
            env=environment(),
            stderr=asyncio.subprocess.PIPE,
        )
        listening = asyncio.get_running_loop().create_future()
        self._read_on.set()
        self._reading = asyncio.ensure_future(self._read_log(listening))
        self._address = await asyncio.wait_for(listening, DEADLINE)
        await self.witnesses.start(self._address if self._network is None else path)
        await self.witnesses.go_on()
        self._note_gap("")
        await self.witnesses.go_on(1000)
        self._note_gap(NOTHING)
        self.descriptors = self._count_descriptors()

    async def suffer(self, pool: Executor, name: str, seconds: float, seed: int, loudly: bool) -> None:
        """Have a fault go on for so long, and report in the middle; nobody reads the log meanwhile unless `loudly`."""
        self._note_gap("")
        if not loudly:
            self._read_on.clear()
        loop = asyncio.get_running_loop()
        host = "" if self._network is None else self._network.host
        striking = loop.run_in_executor(pool, strike, name, self.mode, self._address, host, seconds, seed)
        timer = loop.call_later(seconds / 2, self._process.send_signal, signal.SIGUSR1)
        try:
            while not striking.done():
                await self.witnesses.go_on(1)
            striking.result()
            await self.witnesses.go_on(20)
        finally:
            timer.cancel()
            self._read_on.set()
            self._note_gap(name)
        self.witnesses.check_order()

    def look(self) -> int:
        """Note the server's memory; gives it, bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s*(\d+) kB", status)
        assert found, f"the server of mode {self.mode} ended: {list(self._tail)}"
        self.memory.append((time.monotonic() - self._began, int(found[1]) * 1024))
        return int(found[1]) * 1024

    async def finish(self) -> str:
        """Stop the server, and check all there is to check; gives what the server said in the end."""
        await self.witnesses.finish()
        await self.witnesses.until(self._settled, "as many descriptors as at the start")
        self._process.send_signal(signal.SIGTERM)
        await self.witnesses.ended()
        assert await asyncio.wait_for(self._process.wait(), DEADLINE) == 0
        await self._reading
        self.witnesses.check_order(whole=True)
        check_books(self._books, self.witnesses)
        assert not any("Traceback" in line for line in self._tail), list(self._tail)
        return self._tail[-1]

    async def close(self) -> None:
        """End what is still there."""
        await self.witnesses.close()
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()

    def _note_gap(self, name: str) -> None:
        """The longest gap since this was last called was during that fault."""
        gap = max(one.gap for one in self.witnesses.all)
        self.gaps[name] = max(self.gaps.get(name, 0.0), gap)
        for witness in self.witnesses.all:
            witness.gap = 0.0

    def _settled(self) -> bool:
        """Whether all that the faults had is gone; those that closed are known by the writes to them."""
        return self._count_descriptors() <= self.descriptors

    def _count_descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    async def _read_log(self, listening: asyncio.Future[tuple[str, int]]) -> None:
        async for data in self._process.stderr:
            line = data.decode("utf-8", "backslashreplace").rstrip()
            self._tail.append(line)
            if re.search(r" peer [1-5] .*(closing|disconnected)", line):
                self.ended.append(line)
            if (found := re.search(r" listening on ([\d.]+):(\d+),", line)) and not listening.done():
                listening.set_result((found[1], int(found[2])))
            self.reports += " peers connected, " in line
            if " ERROR " in line or "Traceback" in line:
                print(line, file=sys.stderr)
            await self._read_on.wait()
        if not listening.done():
            listening.set_exception(RuntimeError(f"the server did not start: {list(self._tail)}"))
