"""netcat, stopped as by Ctrl-Z and later continued: what the policies promise."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from conftest import Serve, StartProgram
from support.child_process import ChildProcess
from support.requirements import required_program
from support.server_process import ServerProcess

LINES = [b"%07d %s\n" % (number, b"x" * 1000) for number in range(12_000)]
"""12 MB: more than the kernel takes for one peer."""
ALL = b"".join(LINES)
LAST = b"after\n"


def fall_behind(server: ServerProcess, start_program: StartProgram) -> tuple[ChildProcess, ChildProcess]:
    """A netcat that was stopped before another sent `LINES`, and that other one. A witness has got all of them."""
    arguments = (required_program("nc.openbsd", "netcat-openbsd"), "127.0.0.1", str(server.port))
    stopped = start_program(*arguments)
    server.wait_for_peers(1)
    witness, sender = server.connect(), start_program(*arguments)
    server.wait_for_peers(3)
    stopped.signal(signal.SIGSTOP)
    for start in range(0, len(LINES), 200):  # by the block, so that the witness is never far behind
        block = b"".join(LINES[start : start + 200])
        sender.type(block)
        assert witness.read(len(block)) == block
    return stopped, sender


def test_disconnect(serve: Serve, start_program: StartProgram) -> None:
    """Netcat is reset when it is too far behind: it gets the beginning, and no more than the log says, since netcat
    throws away what it has not read of a connection that was reset.
    """
    server = serve("--max-pending", "1MiB")
    stopped, _ = fall_behind(server, start_program)
    closed = server.errors.wait_for(r" peer 1 .* disconnected: slow_consumer; .* \((\d+) bytes\) out, (\d+) messages d")
    stopped.end_input()
    stopped.signal(signal.SIGCONT)
    stopped.wait()
    got = stopped.output.wait_for_end()
    assert ALL.startswith(got)
    assert len(got) <= int(closed[1]) < len(ALL)
    assert int(closed[2]) > 0


def test_within_its_limit(serve: Serve, start_program: StartProgram) -> None:
    """Netcat gets everything, however late."""
    server = serve("--max-pending", "64MiB")
    stopped, sender = fall_behind(server, start_program)
    stopped.signal(signal.SIGCONT)
    stopped.output.wait_for_bytes(ALL)
    sender.type(LAST)
    stopped.output.wait_for_bytes(ALL + LAST)


def continued(server: ServerProcess, stopped: ChildProcess, sender: ChildProcess) -> list[bytes]:
    """The lines it has got once it caught up and received one more: each whole, in order, as many as the log says."""
    stopped.signal(signal.SIGCONT)
    caught_up = server.errors.wait_for(r" slow consumer 1 .* has caught up after .*, (\d+) messages dropped for it$")
    sender.type(LAST)
    stopped.output.wait_for(LAST.decode())
    got = stopped.output.data.splitlines(keepends=True)
    assert len(got) == len(LINES) + 1 - int(caught_up[1]) < len(LINES)
    rest: Iterator[bytes] = iter([*LINES, LAST])
    assert all(line in rest for line in got)
    assert not re.search("peer 1 .* disconnected", server.log)
    return got


def test_drop_oldest(serve: Serve, start_program: StartProgram) -> None:
    """The newest lines are all there."""
    server = serve("--max-pending", "1MiB", "--slow-consumer", "drop-oldest")
    assert continued(server, *fall_behind(server, start_program))[-501:] == [*LINES[-500:], LAST]


def test_drop_newest(serve: Serve, start_program: StartProgram) -> None:
    """The oldest lines are all there, 1 MiB and more, and then what came when it had caught up."""
    server = serve("--max-pending", "1MiB", "--slow-consumer", "drop-newest")
    got = continued(server, *fall_behind(server, start_program))
    assert got == [*LINES[: len(got) - 1], LAST]
    assert len(got) > 1000


def test_latest(serve: Serve, start_program: StartProgram) -> None:
    """Of what waited it gets the newest alone, behind what was under way to it already."""
    server = serve("--max-pending", "1MiB", "--slow-consumer", "latest")
    got = continued(server, *fall_behind(server, start_program))
    assert got == [*LINES[: len(got) - 2], LINES[-1], LAST]


def test_block(serve: Serve, start_program: StartProgram) -> None:
    """Netcat gets everything, however far over its limit: senders wait for it."""
    server = serve("--max-pending", "1MiB", "--slow-consumer", "block", "--block-timeout", "60")
    arguments = (required_program("nc.openbsd", "netcat-openbsd"), "127.0.0.1", str(server.port))
    stopped = start_program(*arguments)
    server.wait_for_peers(1)
    sender = start_program(*arguments)
    server.wait_for_peers(2)
    stopped.signal(signal.SIGSTOP)
    with ThreadPoolExecutor() as pool:
        typing = pool.submit(sender.type, ALL)
        while not re.search(r" peer 1 .*: \d+ messages \(\d{7,} bytes\) pending", server.log):
            server.report()
        stopped.signal(signal.SIGCONT)
        stopped.output.wait_for_bytes(ALL)
        typing.result()
