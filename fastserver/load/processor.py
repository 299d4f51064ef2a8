"""Processor time of another process, and processors kept apart for server and load (Linux)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Halves(NamedTuple):
    """Processors for a server and for the load; the same ones where there is only one."""

    server: frozenset[int]
    load: frozenset[int]


def halves() -> Halves:
    """The first processor for a server, the others for the load."""
    if sys.platform != "linux":
        return Halves(frozenset(), frozenset())
    usable = frozenset(os.sched_getaffinity(0))
    first = frozenset([min(usable)])
    return Halves(first, usable - first) if len(usable) > 1 else Halves(usable, usable)


@contextmanager
def running_on(processors: frozenset[int]) -> Iterator[None]:
    """Run this thread, and what it starts meanwhile, on these processors alone; on all if there are none."""
    if sys.platform != "linux" or not processors:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def processor_time(pid: int) -> float:
    """Seconds that all threads of process `pid` have run for so far, ended ones included, to the nanosecond.

    Raises OSError if there is no such process, or if this system cannot tell.
    """
    if sys.platform != "linux":
        raise OSError("this system does not tell the processor time of another process")
    try:
        return time.clock_gettime(~pid << 3 | 2)  # how the kernel numbers the processor time clocks of processes
    except OSError:
        raise ProcessLookupError("there is no such process") from None
