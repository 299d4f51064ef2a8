"""Listeners as `--listen` names them: `lines://127.0.0.1:3001?role=send&channel=lab&eol=crlf`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from fastserver.config.hostport import parse_host_port
from fastserver.framing import registry
from fastserver.framing.framing import Framing
from fastserver.framing.grammar import split_query

_CHANNEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Role(str, Enum):
    """Whether the peers of a listener send, receive, or both."""

    BOTH = "both"
    SEND = "send"
    """Peers only send: nothing is offered to them."""
    RECEIVE = "receive"
    """Peers only receive: anything that they send is thrown away."""

    def __str__(self) -> str:
        return self.value

    @property
    def sends(self) -> bool:
        """True if messages of the peers are passed on."""
        return self is not Role.RECEIVE

    @property
    def receives(self) -> bool:
        """True if messages are offered to the peers."""
        return self is not Role.SEND


@dataclass(frozen=True)
class Listener:
    """An address to accept on, with the framing (by its word), role and channel of its peers: a TCP host and port, or,
    if `path` is not None, a Unix socket.
    """

    mode: str
    host: str = ""
    port: int = 0
    path: str | None = None
    role: Role = Role.BOTH
    channel: str | None = None
    """The name of the channel; None is that of all listeners that name none."""

    @property
    def framing(self) -> Framing:
        """The framing of its peers."""
        return registry.framing(self.mode)

    @classmethod
    def parse(cls, url: str) -> Listener:
        """The listener that `url` names. Raises `ValueError`, which says what is wrong."""
        scheme, separator, rest = url.partition("://")
        if not separator:
            raise ValueError("it has no ://")
        address, question, query = rest.partition("?")
        parameters = split_query(query) if question else {}
        role = _role(parameters.pop("role", Role.BOTH.value))
        channel = _channel(parameters.pop("channel", None))
        mode = registry.framing_of(scheme.removesuffix("+unix"), parameters).name
        if scheme.endswith("+unix"):
            from urllib.parse import unquote  # 1 ms that most starts do not need

            path = unquote(address)
            if not path.startswith("/") or "\0" in path:
                raise ValueError("it has no absolute path")
            return cls(mode, path=path, role=role, channel=channel)
        found = parse_host_port(address.removesuffix("/"))
        if found is None or "/" in found[0]:
            raise ValueError("it has no host with a port of 0 to 65535")
        host, port = found
        if address.startswith("["):  # the % of a zone is written %25 in a URL (RFC 6874), but % by those who type it
            host = host.replace("%25", "%")
        return cls(mode, host, port, role=role, channel=channel)


def _role(text: str) -> Role:
    if text not in [one.value for one in Role]:
        raise ValueError(f"role must be one of {', '.join(Role)}, not {text!r}")
    return Role(text)


def _channel(name: str | None) -> str | None:
    if name is not None and not _CHANNEL.fullmatch(name):
        raise ValueError(f"channel must be 1 to 64 letters, digits and -_., not {name!r}")
    return name
