"""The terminal client: standard input to the server, what it sends to standard output.

A line is a message; in the msgpack modes it is the JSON text of one (see `jsonvalue`). To a pipe or file, output of the
other modes is verbatim, as far as it fits into lines; a terminal shows control characters escaped, so that nothing
received acts on it.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import signal
import stat
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from fastserver.client.client import LINGER, Client, connect
from fastserver.client.failure import why
from fastserver.config.addresses import DEFAULT_HOST, DEFAULT_PORT
from fastserver.config.setting import MIB
from fastserver.errors import ConfigError, FrameError
from fastserver.framing import FRAMINGS, Framing, Message
from fastserver.framing.registry import DEFAULT_MODE
from fastserver.log.complaint import complain

DEFAULT_ADDRESS: Final = f"{DEFAULT_HOST}:{DEFAULT_PORT}"
TEXT: Final = FRAMINGS["lines"]
"""The framing of standard input and output."""

WAIT: Final = 1.0  # seconds: enough for an answer, short enough for a script
CHUNK: Final = 64 * 1024  # bytes read from standard input at once
JSON_GROWTH: Final = 6  # a byte of a payload is at most so many of JSON text (\u0000)

SIGNALS: Final = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]
KILLED: Final = 128  # and the number of the signal, as the shell says of a program that it ended

_T = TypeVar("_T")


async def terminal(
    address: str = DEFAULT_ADDRESS, mode: str = DEFAULT_MODE, max_message: int = MIB, wait: float | None = None
) -> int:
    """Connects standard input and output to the server at `address` and gives the exit code.

    `max_message` is the longest payload in bytes, either way. `wait` is how many seconds to go on receiving
    after the end of standard input, at which our side of the stream is ended, too; infinity waits for the
    server to end its side. None waits 1 s; not at all if standard input is a terminal (Ctrl-D leaves); and if
    it is `/dev/null` or closed, for ever and with our side open, as a subscriber.

    0: standard input ended and the server has all of it, or nobody reads standard output any more. 1: it could not
    connect, the connection broke or was ended by the server before that, or a line could not be sent. 2:
    address, mode or size is not allowed. 130: Ctrl-C; 143 and 129: SIGTERM and SIGHUP, at which it leaves without loss,
    too. 1 and 2 say why, in a line on standard error.
    """
    if sys.stdout is None:
        complain("standard output is closed")
        return 1
    try:
        client = connect(address, mode=mode, max_message=max_message, invalid_text="pass")
    except ConfigError as error:
        complain(str(error))
        return 2
    session = asyncio.ensure_future(_session(client, max_message, wait))
    signals: list[int] = []

    def leave(number: int) -> None:
        signals.append(number)
        session.cancel()

    loop = asyncio.get_running_loop()
    with suppress(ValueError, RuntimeError, NotImplementedError):  # not the main thread: signals are not ours
        for number in SIGNALS:
            loop.add_signal_handler(number, leave, number)
    try:
        await asyncio.wait([session])
    finally:
        with suppress(ValueError, RuntimeError, NotImplementedError):
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        session.cancel()
    if session.cancelled() or signals:
        return KILLED + (signals[0] if signals else signal.SIGINT)
    return session.result()


async def _session(client: Client, max_message: int, wait: float | None) -> int:
    try:
        async with client:
            try:
                return await _talk(client, max_message, wait)
            except asyncio.CancelledError:
                await client.close(linger=0)  # a user who presses Ctrl-C wants to leave
                raise
    except _Failure as failure:
        complain(str(failure))
    except OSError as error:
        complain(f"{client.address}: {why(error)}")
    except FrameError as error:
        complain(f"{client.address} sent an invalid {client.mode} message: {error}")
    return 1


async def _talk(client: Client, max_message: int, wait: float | None) -> int:
    """Sends and receives until one of them is over, and the other as `terminal` says."""
    source = _Source(client, max_message)
    sending = asyncio.ensure_future(source.send())
    receiving = asyncio.ensure_future(_receive(client))
    problem: OSError | None = None
    try:
        await asyncio.wait([sending, receiving], return_when=asyncio.FIRST_COMPLETED)
        sent = False
        if sending.done():
            seconds = source.patience(wait)
            try:
                sending.result()
                if seconds is not None:  # a subscriber keeps its side open, since a server may drop half-closed peers
                    await client.finish()
                sent = True
                if seconds is not None:
                    await _wind_down(client, receiving, seconds)
            except OSError as error:
                problem = error
        # Messages that have come are shown in any case, and `receiving` may know better why the connection broke.
        if await receiving and not sent:
            raise _Failure(f"{client.address} ended the connection before the end of standard input")
        if problem:
            raise problem
        return 1 if source.refused else 0
    finally:
        for task in (sending, receiving):
            task.cancel()
        await asyncio.wait([sending, receiving])


async def _wind_down(client: Client, receiving: asyncio.Future[bool], seconds: float) -> None:
    """Our side of the stream has ended: receives for so long, then leaves."""
    await asyncio.wait([receiving], timeout=None if seconds == math.inf else seconds)
    if not receiving.done():
        await client.close(linger=max(0.0, LINGER - seconds))


class _Failure(Exception):
    """Ends the program with one line on standard error."""


class _Source:
    """Standard input, on its way to the server."""

    def __init__(self, client: Client, max_message: int) -> None:
        self._client = client
        limit = JSON_GROWTH * max_message + CHUNK if client.framing.typed else max_message
        self._splitter = TEXT.splitter(limit)
        self._lines = 0
        self.refused = 0  # lines that could not be sent

    def patience(self, wait: float | None) -> float | None:
        """Seconds to go on receiving now that standard input has ended; None: as a subscriber."""
        if wait is not None:
            return wait
        if sys.stdin is None:
            return None
        if sys.stdin.isatty():
            return 0.0
        listens = not self._lines and stat.S_ISCHR(os.fstat(sys.stdin.fileno()).st_mode)  # /dev/null, not an empty pipe
        return None if listens else WAIT

    async def send(self) -> None:
        """Sends all of it. Raises ConnectionError if the connection ends before."""
        try:
            async for chunk in _chunks():
                await self._pass_on(self._splitter.feed(chunk), self._splitter.count)
            await self._pass_on(self._splitter.finish(), self._splitter.count)
        except FrameError as error:
            await self._pass_on(error.frames, error.count)
            raise _Failure(f"standard input, line {self._lines + 1}: {error}") from None

    async def _pass_on(self, lines: bytes, count: int) -> None:
        if self._client.framing is TEXT:
            self._lines += count
            if count:
                await self._client.send_frames(lines)
            return
        for line in self._splitter.messages(lines, None):
            self._lines += 1
            try:
                text = line.payload.decode("utf-8", "surrogateescape")
                if text.strip() or not self._client.framing.typed:
                    await self._client.send(self._client.framing.parse(text))
            except ValueError as error:
                self._refuse(str(error))

    def _refuse(self, why: str) -> None:
        self.refused += 1
        complain(f"standard input, line {self._lines}: {why}")


async def _receive(client: Client) -> bool:
    """Prints what the client receives to the end of its stream; False if nobody reads it any more."""
    show = _show(client.framing)
    while batch := await client.receive_batch():
        try:
            await _threaded(partial(_write, sys.stdout.fileno(), b"".join(map(show, batch))))
        except BrokenPipeError:
            return False
        except OSError as error:
            raise _Failure(f"standard output: {why(error)}") from None
    return True


def _show(framing: Framing) -> Callable[[Message[Any]], bytes]:
    if framing.typed or sys.stdout.isatty():
        return lambda message: f"{framing.show(message.payload)}\n".encode()
    if framing is TEXT:
        return lambda message: message.frame
    return lambda message: TEXT.frame(TEXT.escape(message.payload))


async def _chunks() -> AsyncIterator[bytes]:
    """Standard input as it comes, to its end."""
    if sys.stdin is None:  # closed by who started us
        return
    try:
        while chunk := await _threaded(partial(_read, sys.stdin.fileno())):
            yield chunk
    except OSError as error:
        raise _Failure(f"standard input: {why(error)}") from None


# --- standard input and output block, so each step has a thread, which does not keep the program alive


async def _threaded(step: Callable[[], _T]) -> _T:
    """Runs `step` in a thread of its own, and returns its result. A cancelled caller leaves the thread behind."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[_T] = loop.create_future()

    def pass_on(result: list[_T], error: OSError | None) -> None:
        if outcome.cancelled():
            return
        if error:
            outcome.set_exception(error)
        else:
            outcome.set_result(result[0])

    def run() -> None:
        result: list[_T] = []
        problem = None
        try:
            result.append(step())
        except OSError as error:
            problem = error
        with suppress(RuntimeError):  # the loop is closed: the program is ending
            loop.call_soon_threadsafe(pass_on, result, problem)

    threading.Thread(target=run, daemon=True).start()
    return await outcome


def _read(descriptor: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, CHUNK)
        except BlockingIOError:  # another program sharing it made it non-blocking
            select.select([descriptor], [], [])


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
