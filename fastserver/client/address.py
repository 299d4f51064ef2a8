"""Where a server is: `host:port`, `[::1]:port` or `unix:path`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from fastserver.errors import ConfigError

_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\[\]\s]+)\]|(?P<host>[^\[\]:\s]+)):(?P<port>\d{1,5})", re.ASCII)

ALLOWED: Final = "host:port, [::1]:port or unix:path"


@dataclass(frozen=True)
class Address:
    """A TCP host and port, or the path of a Unix socket (then `host` is empty and `port` 0)."""

    host: str = ""
    port: int = 0
    path: str | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that `text` names. Raises `ConfigError`."""
        if not isinstance(text, str):
            raise ConfigError(f"address {text!r} is not allowed; allowed is {ALLOWED}")
        if text.startswith("unix:") and len(text) > len("unix:") and "\0" not in text:
            return cls(path=text.removeprefix("unix:"))
        match = _HOST_PORT.fullmatch(text)
        if match is None or not 1 <= int(match["port"]) <= 65535:
            raise ConfigError(f"address {text!r} is not allowed; allowed is {ALLOWED}")
        return cls(match["v6"] or match["host"], int(match["port"]))

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
