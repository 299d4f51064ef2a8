"""Complaints of the commands: one line on standard error."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

from fastserver.log.escape import escape


def complain(text: str) -> None:
    """Write `text` to standard error, as one line; do nothing if that is closed or full."""
    if sys.stderr is None:
        return
    line = f"fastserver: {escape(' '.join(text.split()).encode('utf-8', 'backslashreplace'))}\n"
    try:
        descriptor = sys.stderr.fileno()
    except io.UnsupportedOperation:  # not a file
        sys.stderr.write(line)
    else:
        with suppress(OSError):  # past Python's buffer, which would be tried again at the end, for another exit code
            os.write(descriptor, line.encode())
