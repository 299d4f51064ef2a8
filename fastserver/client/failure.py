"""Errors of connections: made, and put into words."""

from __future__ import annotations

import errno
import os
import socket
from ssl import SSLError


def reset() -> ConnectionResetError:
    """The error of a connection that was reset, as the system would raise it."""
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def may_be_lost(error: Exception) -> ConnectionError:
    """The error of closing a connection that broke with `error`."""
    return ConnectionError(f"the connection broke, and what was sent may be lost: {why(error)}")


def why(error: Exception) -> str:
    """The cause of `error`, in the system's words where it has some."""
    if not isinstance(error, OSError):
        return str(error)
    if error.errno is None or isinstance(error, (SSLError, socket.gaierror)):  # they count their own way
        return error.strerror or str(error)
    # To end our side of a connection that was reset is "not connected": the same thing, found out later.
    return os.strerror(errno.ECONNRESET if error.errno == errno.ENOTCONN else error.errno)
