"""The settings of a server: an index of the groups, with the types. The command line, the environment
(`FASTSERVER_…`) and the tables of the manual are made from it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from fastserver.config import access, addresses, library, limits, logs, messages, slowconsumers, timeouts
from fastserver.config.addresses import DEFAULT_HOST, DEFAULT_PORT
from fastserver.config.field import Written
from fastserver.config.headroom import least_memory
from fastserver.config.library import HandlerErrors
from fastserver.config.listener import Listener
from fastserver.config.logs import LogFormat, LogLevel
from fastserver.config.setting import Setting
from fastserver.config.slowconsumers import Policy
from fastserver.errors import ConfigError
from fastserver.framing.arguments import InvalidText, Oversize
from fastserver.framing.framing import Framing
from fastserver.framing.registry import DEFAULT_MODE, Mode, framing


@dataclass(frozen=True)
class Config:
    """The settings of one server. Raises `ConfigError` for a value that is not allowed.

    Numbers with a unit, limits and switches can be written as text, as in the environment: `"64KiB"`, `"5s"`, `"off"`.
    """

    mode: Mode = addresses.MODE
    host: str | None = addresses.HOST
    port: int | None = addresses.PORT
    unix: str | None = addresses.UNIX
    listen: tuple[str, ...] = addresses.LISTEN

    allow: tuple[str, ...] = access.ALLOW
    deny: tuple[str, ...] = access.DENY
    max_peers: Written[int | None] = access.MAX_PEERS
    max_peers_per_address: Written[int | None] = access.MAX_PEERS_PER_ADDRESS
    max_connects_per_second: Written[int | None] = access.MAX_CONNECTS_PER_SECOND
    ipv6_prefix: int = access.IPV6_PREFIX
    limit_loopback: Written[bool] = access.LIMIT_LOOPBACK
    allow_http_lines: Written[bool] = access.ALLOW_HTTP_LINES

    invalid_text: InvalidText = messages.INVALID_TEXT
    oversize: Oversize = messages.OVERSIZE
    flush_interval: Written[float | None] = messages.FLUSH_INTERVAL
    echo: Written[bool] = messages.ECHO
    heartbeat: Written[float | None] = messages.HEARTBEAT
    heartbeat_message: str = messages.HEARTBEAT_MESSAGE
    last_word: Written[bool] = messages.LAST_WORD

    max_message: Written[int] = limits.MAX_MESSAGE
    max_memory: Written[int | None] = limits.MAX_MEMORY
    max_messages_per_second: Written[int | None] = limits.MAX_MESSAGES_PER_SECOND
    max_bytes_per_second: Written[int | None] = limits.MAX_BYTES_PER_SECOND
    burst: Written[float] = limits.BURST

    max_pending: Written[int] = slowconsumers.MAX_PENDING
    slow_consumer: Policy = slowconsumers.SLOW_CONSUMER
    pace_timeout: float = slowconsumers.PACE_TIMEOUT
    block_timeout: Written[float] = slowconsumers.BLOCK_TIMEOUT
    slow_after: Written[float | None] = slowconsumers.SLOW_AFTER
    notify_drops: Written[bool] = slowconsumers.NOTIFY_DROPS
    send_buffer: Written[int | None] = slowconsumers.SEND_BUFFER

    message_timeout: Written[float | None] = timeouts.MESSAGE_TIMEOUT
    idle_timeout: Written[float | None] = timeouts.IDLE_TIMEOUT
    idle_after: Written[float] = timeouts.IDLE_AFTER
    keepalive: Written[int | None] = timeouts.KEEPALIVE
    tcp_user_timeout: Written[float | None] = timeouts.TCP_USER_TIMEOUT
    half_close_timeout: Written[float] = timeouts.HALF_CLOSE_TIMEOUT
    drain_timeout: Written[float] = timeouts.DRAIN_TIMEOUT

    log_messages: Written[int] = logs.LOG_MESSAGES
    quiet: Written[bool] = logs.QUIET
    log_level: LogLevel = logs.LOG_LEVEL
    log_format: LogFormat = logs.LOG_FORMAT

    max_waiting: Written[int] = library.MAX_WAITING
    handler_errors: HandlerErrors = library.HANDLER_ERRORS

    def __post_init__(self) -> None:
        for setting in SETTINGS:
            value = getattr(self, setting.name)
            if value is not None or setting.name not in _OPTIONAL:
                written = isinstance(value, str) and setting.written
                object.__setattr__(self, setting.name, setting.parse(value) if written else setting.check(value))
        self._choose_mode()
        self._check_memory()

    def _check_memory(self) -> None:
        most, least = self.max_memory, least_memory(self.max_message)
        if most is not None and most < least:
            memory, message = _BY_NAME["max_memory"], _BY_NAME["max_message"]
            raise ConfigError(
                f"{memory.option}: {memory.show(most)} is not allowed with {message.option} "
                f"{message.show(self.max_message)}, of which one message would be too much; allowed is "
                f"{memory.show(least)} or more, or off"
            )

    def _choose_mode(self) -> None:
        modes = [Listener.parse(url).mode for url in self.listen]
        mode = self.mode or (modes[0] if modes else DEFAULT_MODE)
        object.__setattr__(self, "mode", framing(mode).name)

    @property
    def modes(self) -> list[str]:
        """The framings in use by their words, that of `mode` first."""
        return list(dict.fromkeys([self.mode, *[listener.mode for listener in self.listeners]]))

    @property
    def framings(self) -> list[Framing]:
        """The framings in use, that of `mode` first."""
        return [framing(mode) for mode in self.modes]

    @property
    def listeners(self) -> list[Listener]:
        """All there is to listen on."""
        listeners = [] if self.unix is None else [Listener(self.mode, path=self.unix)]
        if self.tcp is not None:
            listeners.append(Listener(self.mode, *self.tcp))
        return listeners + [Listener.parse(url) for url in self.listen]

    @property
    def channels(self) -> list[str]:
        """The channels that listeners name."""
        return list(dict.fromkeys([one.channel for one in self.listeners if one.channel is not None]))

    @property
    def tcp(self) -> tuple[str, int] | None:
        """Host and port to listen on, None where a Unix socket or `listen` replaces them."""
        if (self.unix is not None or self.listen) and self.host is None and self.port is None:
            return None
        host = DEFAULT_HOST if self.host is None else self.host
        return host, DEFAULT_PORT if self.port is None else self.port


SETTINGS: Final = tuple(Setting(name=item.name, **item.metadata) for item in fields(Config))
_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
_OPTIONAL: Final = frozenset(item.name for item in fields(Config) if item.default is None)
