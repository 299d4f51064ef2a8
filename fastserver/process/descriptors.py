"""The file descriptors of this process: as many as the system allows, and none missing of the first three."""

from __future__ import annotations

import os
import sys

if sys.platform != "win32":
    import resource


def fill_standard() -> None:
    """Open those of standard input, output and error that are closed: on the null device, or, if there is none, on a
    pipe with nobody at its other end.

    A socket that got one of their numbers would be taken for them: libuv aborts when it closes it, and the log
    would be written to it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            _fill(number)


def _fill(number: int) -> None:
    try:
        ends = [os.open(os.devnull, os.O_RDWR)]
    except OSError:  # a bare chroot or container
        ends = list(os.pipe())
    kept = ends[0] if number == 0 else ends[-1]
    if kept != number:
        os.dup2(kept, number)
    for end in ends:
        if end != number:
            os.close(end)


def raise_limit() -> None:
    """Raise the soft descriptor limit of this process to the hard one."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            except (OSError, ValueError):  # macOS refuses "unlimited"; the soft limit then stays
                return
