"""The parameters that the clients have in common, checked: a wrong one is named, with what is allowed, before anything
is done."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from ssl import SSLContext
from typing import Any

import msgpack

from fastserver.config.setting import Setting
from fastserver.errors import ConfigError
from fastserver.framing.framing import FRAMINGS, Splitter


def framing(mode: str) -> str:
    """`mode`, the name of a framing."""
    if not isinstance(mode, str) or mode not in FRAMINGS:
        raise ConfigError(f"mode {mode!r} is not allowed; allowed is one of {', '.join(FRAMINGS)}")
    return mode


def size(name: str, value: int | str) -> int:
    """Bytes, as a number or as text such as `64KiB`."""
    setting = Setting(name=name, type=int, default=0, help="", unit="bytes", low=1, high=sys.maxsize)
    try:
        checked: int = setting.parse(value) if isinstance(value, str) else setting.check(value)
    except ConfigError:
        allowed = "1 or more bytes, as a number or as text such as '64KiB'"
        raise ConfigError(f"{name} {value!r} is not allowed; allowed is {allowed}") from None
    return checked


def invalid_text(text: str) -> str:
    """What becomes of a message with text that is not UTF-8. None is skipped: what the server passed would be lost."""
    if text not in ("close", "pass"):
        raise ConfigError(f"invalid_text {text!r} is not allowed; allowed is one of close, pass")
    return text


def seconds(name: str, value: float, least: float = 0.0) -> float:
    """Seconds, `least` or more of them."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= least:  # nan is not
        raise ConfigError(f"{name} {value!r} is not allowed; allowed is {least:g} or more seconds")
    return float(value)


def tls(ssl: SSLContext | None, server_hostname: str | None, path: str | None) -> dict[str, Any]:
    """What asyncio is told of TLS."""
    if ssl is None:
        if server_hostname is not None:
            raise ConfigError(f"server_hostname {server_hostname!r} is not allowed without ssl")
        return {}
    if not isinstance(ssl, SSLContext):
        raise ConfigError(f"ssl {ssl!r} is not allowed; allowed is an ssl.SSLContext")
    if path is not None and not server_hostname:
        raise ConfigError("ssl is not allowed for a Unix socket without server_hostname")
    return {"ssl": ssl, "server_hostname": server_hostname}


def callback(name: str, function: Callable[..., Any] | None, waits: bool = False) -> Any:
    """A function to call, or None; an async one where it `waits`."""
    if function is None:
        return None
    allowed = "a function, async or not" if waits else "a function that is not async"
    wrong = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if not callable(function) or wrong or (inspect.iscoroutinefunction(function) and not waits):
        raise ConfigError(f"{name} {function!r} is not allowed; allowed is {allowed}")
    return function


def packing(mode: str, default: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Gives the payload that stands for a value in `mode`; `default` turns what msgpack cannot pack into what it can.

    Raises TypeError or ValueError for what cannot be a payload.
    """
    if callback("default", default) is not None and mode == "lines":
        raise ConfigError("default is not allowed in mode lines; allowed is it in the msgpack modes")

    def pack(value: Any) -> Any:
        try:
            return msgpack.packb(value, default=default)
        except UnicodeEncodeError:  # bytes that are not UTF-8, as `message.value` has them: for the splitter to judge
            return msgpack.packb(value, default=default, unicode_errors="surrogateescape")
        except OverflowError as error:  # an integer of more than 64 bits
            raise ValueError(f"msgpack has no room for this value: {error}") from None
        except BufferError:
            raise ValueError("a memoryview with gaps: its bytes must be contiguous") from None

    return (lambda value: value) if mode == "lines" else pack


def frame(splitter: Splitter, payload: bytes | bytearray | memoryview) -> bytes:
    """`payload` in wire form. Raises TypeError or ValueError for what cannot be one."""
    try:
        return splitter.frame(payload)
    except BufferError:
        raise ValueError("a memoryview with gaps: its bytes must be contiguous") from None
