"""The address of a server: `host:port`, `[::1]:port` or `unix:path`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastserver.config.hostport import parse_host_port, show_host_port
from fastserver.errors import ConfigError

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
        found = parse_host_port(text)
        if found is None or found[1] == 0:
            raise ConfigError(f"address {text!r} is not allowed; allowed is {ALLOWED}")
        return cls(*found)

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return show_host_port(self.host, self.port)
