"""Hosts with ports as text, `localhost:3000` or `[::1]:3000`, and as socket addresses."""

from __future__ import annotations

import re
import socket
from typing import Any

_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\[\]\s]+)\]|(?P<host>[^\[\]:\s]+)):(?P<port>\d{1,5})", re.ASCII)


def parse_host_port(text: str) -> tuple[str, int] | None:
    """Host and port (0 to 65535) that `text` names; None if it names none."""
    match = _HOST_PORT.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        return None
    return match["v6"] or match["host"], int(match["port"])


def show_host_port(host: str, port: int) -> str:
    """The text that names both."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_of(address: Any) -> str:
    """The host of a socket address, with the name of its zone, which Python gives as a number apart."""
    host = str(address[0])
    if len(address) < 4 or not address[3] or "%" in host:
        return host
    try:
        return f"{host}%{socket.if_indextoname(address[3])}"
    except OSError:  # the interface is gone
        return f"{host}%{address[3]}"


def show_address(address: Any) -> str:
    """A socket address as text: `127.0.0.1:3000`, `[::1]:3000`, `[fe80::1%eth0]:3000`; IPv4-mapped ones as IPv4."""
    host, port = host_of(address), address[1]
    if host.startswith("::ffff:") and "." in host:
        host = host[7:]
    return show_host_port(host, port)
