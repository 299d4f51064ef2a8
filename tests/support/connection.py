"""A connection of a test's own, read and written without an event loop."""

from __future__ import annotations

import socket

from support.deadline import DEADLINE


class Connection:
    """A TCP or Unix connection of the test's own. Reads fail the test when they take too long."""

    def __init__(self, address: tuple[str, int] | str, receive_buffer: int | None = None) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        if isinstance(address, tuple) and ":" in address[0]:
            family = socket.AF_INET6
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE)
        self._read = b""
        try:
            self.socket.connect(address)
        except BaseException:
            self.socket.close()
            raise

    @property
    def name(self) -> str:
        """Its own address, as the server shows it."""
        host, port = self.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.socket.sendall(data)

    def read(self, size: int) -> bytes:
        """The next `size` bytes."""
        parts = [self._read]
        held = len(self._read)
        while held < size:
            chunk = self.socket.recv(1024 * 1024)
            if not chunk:
                raise AssertionError(f"the stream ended after {held} of {size} bytes")
            parts.append(chunk)
            held += len(chunk)
        data = b"".join(parts)
        self._read = data[size:]
        return data[:size]

    def read_line(self) -> bytes:
        """The next line, with its end."""
        while b"\n" not in self._read:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise AssertionError(f"the stream ended in the line {self._read!r}")
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        return line + b"\n"

    def read_to_end(self) -> bytes:
        """Everything up to the end of the stream, or to a reset."""
        parts = [self._read]
        self._read = b""
        try:
            while chunk := self.socket.recv(1024 * 1024):
                parts.append(chunk)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    def end(self) -> None:
        """Send no more, but go on receiving."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close it both ways."""
        self.socket.close()
