"""Servers under the same load, side by side: what a delivery costs each of them.

The load runs in this process, on a processor of its own where there are two; the figure that counts is the
server's processor time (all its threads) per delivery, since that holds on a noisy machine.
"""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
FASTSERVER: Final = (sys.executable, "-m", "fastserver", "--port", "0", "--log-messages", "0")
AHEAD: Final = 256 * 1024
"""Bytes per receiver that the senders may be ahead."""
PROCESSORS: Final = frozenset(os.sched_getaffinity(0))
LAST: Final = b"last\n"


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    deliveries: int
    seconds: float
    server_seconds: float

    @property
    def nanoseconds(self) -> float:
        """Processor time of the server per delivery."""
        return self.server_seconds / self.deliveries * 1e9


def build_yardstick(folder: Path) -> tuple[str, ...]:
    """The command of the yardstick, built into `folder`. Raises `CalledProcessError` where `cc` cannot."""
    program = folder / "yardstick"
    subprocess.run(["cc", "-O2", "-Wall", "-o", str(program), str(HERE / "yardstick.c")], check=True)
    return (str(program),)


class Contestant:
    """A server process, found by the line in which it says where it listens."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self.process.stdout is not None
        self.port = 0
        for line in self.process.stdout:
            found = re.search(rb"listening on 127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
                break
        assert self.port, f"{command[0]} did not start"

    def processor_time(self) -> float:
        """Seconds of processor time of all its threads."""
        total = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        return connection

    def stop(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


@contextmanager
def contestant(command: Sequence[str]) -> Iterator[Contestant]:
    """The server of `command`, running; on a processor of its own if there are several."""
    # From all processors, as they were before the first contestant: each has the same one, the load has the others.
    alone = len(PROCESSORS) > 1
    os.sched_setaffinity(0, {min(PROCESSORS)} if alone else PROCESSORS)
    running = Contestant(command)
    os.sched_setaffinity(0, PROCESSORS - {min(PROCESSORS)} if alone else PROCESSORS)
    try:
        yield running
    finally:
        running.stop()
        os.sched_setaffinity(0, PROCESSORS)


def run_load(server: Contestant, shape: str, peers: int, chunk: bytes, messages: int, rounds: int) -> Cost:
    """Send `chunk` (that many messages) `rounds` times and wait until all have heard all of it.

    `fanout`: one sender, heard by `peers` others. `all-to-all`: each of `peers` sends, and hears the others.
    """
    receivers = [server.connect() for _ in range(peers)]
    fanout = shape == "fanout"
    senders = [server.connect()] if fanout else receivers
    heard = peers if fanout else peers * (peers - 1)  # deliveries of one chunk from each sender
    _settle(server.connect(), [*receivers, *senders])
    poll = select.epoll()
    by_number = {one.fileno(): one for one in receivers}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    buffer = bytearray(1 << 20)
    unsent: list[tuple[socket.socket, bytes]] = []
    sent = total = 0
    processor, begun = server.processor_time(), time.perf_counter()
    while total < rounds * len(chunk) * heard:
        if not unsent and sent < rounds and sent * len(chunk) * heard - total < AHEAD * peers:
            unsent = [(one, chunk) for one in senders]
            sent += 1
        unsent = [(one, left) for one, rest in unsent if (left := _send(one, rest))]
        waiting = not unsent and (sent == rounds or sent * len(chunk) * heard - total >= AHEAD * peers)
        for number, _ in poll.poll(-1 if waiting else 0):
            size = by_number[number].recv_into(buffer)
            assert size, "the server closed a connection"
            total += size
    seconds = time.perf_counter() - begun
    cost = Cost(rounds * messages * heard, seconds, server.processor_time() - processor)
    poll.close()
    for one in {*receivers, *senders}:
        one.close()
    return cost


def _send(connection: socket.socket, data: bytes) -> bytes:
    """Send what the kernel takes; the rest."""
    try:
        return data[connection.send(data) :]
    except BlockingIOError:
        return data


def _settle(sender: socket.socket, peers: list[socket.socket]) -> None:
    """Return when the server has taken on all of `peers`, and none has anything left to read."""
    poll = select.poll()
    by_number = {one.fileno(): one for one in peers}
    for number in by_number:
        poll.register(number, select.POLLIN)
    heard: dict[int, bytes] = {}
    while len(heard) < len(by_number):  # those taken on late hear the later ones only
        sender.send(b"\n")
        for number, _ in poll.poll(50):
            heard[number] = by_number[number].recv(1 << 16)
    sender.send(LAST)
    while any(not tail.endswith(LAST) for tail in heard.values()):
        for number, _ in poll.poll():
            heard[number] = (heard[number] + by_number[number].recv(1 << 16))[-len(LAST) :]
    sender.close()
