"""HTTP requests, as the web pages in a browser can send them to any port that the browser reaches."""

from __future__ import annotations

import re
from typing import Final

_LINE: Final = re.compile(rb"(?:[^\n]* HTTP/1\.[01]|PRI \* HTTP/2\.0)\r?\n")
"""A request's first line, and how a client begins that knows the server to speak HTTP/2."""

_BYTES: Final = re.compile(rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE|PRI) [/*h]")
"""How a request's first line begins."""


def is_request(mode: str, frames: bytes) -> bool:
    """Whether `frames`, the first that a peer sent in framing `mode`, begin as an HTTP request does.

    In lines that is their first one. In msgpack-stream each byte of such a line is a number for itself, and browsers
    send them together: more than the beginning may not be there. In msgpack the first four bytes are a length over
    any limit.
    """
    if mode == "lines":
        return _LINE.match(frames) is not None
    return mode == "msgpack-stream" and _BYTES.match(frames) is not None
