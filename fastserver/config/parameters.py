"""The parameters that the clients have in common, checked: a wrong one is named, with what is allowed, before anything
is done."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from ssl import SSLContext
from typing import Any

from fastserver.config.setting import Setting
from fastserver.errors import ConfigError
from fastserver.framing import FRAMINGS, Framing, registry


def framing(mode: str) -> Framing:
    """The framing of that word."""
    why = ""
    if isinstance(mode, str):
        try:
            return registry.framing(mode)
        except ValueError as error:
            why = f": {error}"
    raise ConfigError(f"mode {mode!r} is not allowed{why}; allowed is one of {', '.join(FRAMINGS)}")


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
    """The treatment of a message with text that is not UTF-8; `skip` is not allowed, since messages would be lost."""
    if text not in ("close", "pass"):
        raise ConfigError(f"invalid_text {text!r} is not allowed; allowed is one of close, pass")
    return text


def seconds(name: str, value: float, least: float = 0.0) -> float:
    """Seconds, `least` or more of them."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= least:  # nan is not
        raise ConfigError(f"{name} {value!r} is not allowed; allowed is {least:g} or more seconds")
    return float(value)


def tls(ssl: SSLContext | None, server_hostname: str | None, path: str | None) -> dict[str, Any]:
    """The arguments for asyncio that concern TLS."""
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


def default(framings: Sequence[Framing], function: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """`function`, which turns values that framings cannot pack into others; some of them must have typed payloads."""
    if callback("default", function) is not None and not any(framing.typed for framing in framings):
        typed = ", ".join(name for name, other in FRAMINGS.items() if other.typed)
        raise ConfigError(f"default is not allowed in mode {framings[0].name}; allowed is it in {typed}")
    return function
