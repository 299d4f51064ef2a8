"""Connections that are reset."""

from __future__ import annotations

import socket
import struct


def reset_on_close(sock: socket.socket) -> None:
    """Has closing `sock` reset its connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset_now(sock: socket.socket) -> None:
    """Resets the connection of `sock`, which is closed then."""
    reset_on_close(sock)
    sock.close()
