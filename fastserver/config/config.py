"""Every setting once: name, default, unit, bounds and help. The command line, the environment
(`FASTSERVER_…`) and the README's table are made from what stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, get_args

from fastserver.access.networks import Networks
from fastserver.config.listener import Listener
from fastserver.config.setting import GIB, KIB, MIB, Setting
from fastserver.errors import ConfigError
from fastserver.limits.memory import least as least_memory

T = TypeVar("T")

Mode = Literal["lines", "msgpack", "msgpack-stream"]
Policy = Literal["disconnect", "drop-oldest", "drop-newest", "latest", "block"]
InvalidText = Literal["close", "skip", "pass"]
HandlerErrors = Literal["close", "keep"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

MODES: Final = get_args(Mode)
DEFAULT_MODE: Final = "lines"
DEFAULT_HOST: Final = "127.0.0.1"  # loopback: who wants to be reachable says so
DEFAULT_PORT: Final = 3000


class Written(Generic[T]):
    """For type checkers: a setting for which text stands too, as in the environment: `64KiB`, `5s`, `off`."""

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: Any = None) -> T: ...

        def __set__(self, instance: object, value: T | str) -> None: ...


def _setting(default: Any, help: str, *, kind: type | None = None, stands_for: Any = None, **more: Any) -> Any:
    """A dataclass field that knows its `Setting`. `stands_for` is what a default of None comes to."""
    known = {"help": help, "type": kind or type(default), "default": default if stands_for is None else stands_for}
    return field(default=default, metadata=known | more)


def _networks(help: str) -> Any:
    return _setting(
        (),
        help,
        unit="NETWORK",
        entry=lambda text: Networks([text]),
        form="an address, a network such as 10.0.0.0/8, or @FILE with one on each line",
    )


@dataclass(frozen=True)
class Config:
    """The settings of one server. Raises `ConfigError` for a value that is not allowed.

    Numbers with a unit, limits and switches can be written as text, as in the environment: `"64KiB"`, `"5s"`, `"off"`.
    """

    mode: Mode = _setting(
        None, "How messages lie in the byte stream.", kind=str, stands_for=DEFAULT_MODE, choices=MODES
    )
    host: str | None = _setting(
        None, "Address or name to listen on; '::' serves IPv6 and IPv4.", kind=str, stands_for=DEFAULT_HOST
    )
    port: int | None = _setting(
        None, "TCP port; 0 takes a free one and shows it.", kind=int, stands_for=DEFAULT_PORT, low=0, high=65535
    )
    unix: str | None = _setting(
        None, "Listen on this Unix socket; replaces TCP unless --host or --port is given too.", kind=str
    )
    listen: tuple[str, ...] = _setting(
        (),
        "Listen here too, or, without --host, --port and --unix, here alone; can be given several times.",
        unit="URL",
        entry=lambda url: Listener.parse(url, MODES),
        form="MODE://HOST:PORT or MODE+unix:///PATH, with ?role=send or ?role=receive behind it or not",
    )
    # None: everyone, as in nginx (allow, deny) and sshd.
    allow: tuple[str, ...] = _networks("Let in peers from here alone, and by Unix sockets; can be given several times.")
    deny: tuple[str, ...] = _networks("Let in no peers from here, --allow or not; can be given several times.")
    # 64 Ki as in NATS (max_connections).
    max_peers: Written[int | None] = _setting(
        65_536, "Most peers connected at a time; more are refused.", unit="peers", low=1, high=10_000_000, off=True
    )
    # Off as in nginx (limit_conn) and HAProxy: all who come through one proxy or NAT have one address.
    max_peers_per_address: Written[int | None] = _setting(
        None,
        "Most of them from one address; more are refused.",
        kind=int,
        unit="peers",
        low=1,
        high=10_000_000,
        off=True,
    )
    max_connects_per_second: Written[int | None] = _setting(
        None,
        "Most peers let in within a second from one address; more are refused.",
        kind=int,
        unit="peers",
        low=1,
        high=10_000_000,
        off=True,
    )
    # A provider gives a household or a host at least a /64 (RFC 6177), of which it can have every address.
    ipv6_prefix: int = _setting(
        64, "IPv6 addresses that share so many bits count as one, but link-local ones.", unit="bits", low=16, high=128
    )
    # Off as in Postfix (smtpd_client_event_limit_exceptions): who is on this machine has other ways to harm it.
    limit_loopback: Written[bool] = _setting(False, "What counts by address does so for loopback and Unix sockets too.")
    # Off: what a sender may send is for who runs the feed to say; others are protected from it by --max-pending.
    max_messages_per_second: Written[int | None] = _setting(
        None,
        "Messages a peer, or all of one address, may send in a second; beyond, they are read slower.",
        kind=int,
        unit="messages",
        low=1,
        high=1_000_000_000,
        off=True,
    )
    max_bytes_per_second: Written[int | None] = _setting(
        None,
        "Bytes a peer, or all of one address, may send in a second; beyond, they are read slower.",
        kind=int,
        unit="bytes",
        low=1,
        high=64 * GIB,
        off=True,
    )
    # A second's worth is let through at once: what a rate per second says, and no more.
    burst: Written[float] = _setting(
        1.0, "How much of its rate who was quiet may send at once.", unit="seconds", low=0.001, high=3600
    )
    # As Postfix gives a line of SMTP (smtpd_timeout); the longest message then takes 28 kbit/s.
    message_timeout: Written[float | None] = _setting(
        300.0,
        "A peer that takes longer to finish a message is closed.",
        unit="seconds",
        low=0.001,
        high=31_536_000,
        off=True,
    )
    # Off as in Redis (timeout): who only listens to a quiet feed is no burden. TCP keepalive finds the dead.
    idle_timeout: Written[float | None] = _setting(
        None,
        "A peer on which nothing moved for so long, either way, is closed.",
        kind=float,
        unit="seconds",
        low=0.001,
        high=31_536_000,
        off=True,
    )
    # Below the 4 and 6 minutes after which load balancers of Azure and AWS forget a silent connection.
    keepalive: Written[int | None] = _setting(
        60,
        "TCP asks a peer that is silent for so long whether it is there; three times more, and it is closed.",
        unit="seconds",
        low=1,
        high=32_767,
        off=True,
    )
    # Twice the keepalive, so that a vanished peer is found as soon while data is under way as without.
    tcp_user_timeout: Written[float | None] = _setting(
        120.0,
        "A peer whose system answers nothing for so long, while something is under way to it, is closed (on Linux).",
        unit="seconds",
        low=0.001,
        high=2_000_000,
        off=True,
    )
    # Off: nothing is put into a stream that no peer sent.
    heartbeat: Written[float | None] = _setting(
        None,
        "Send a message to each peer that was sent nothing for so long, or up to a quarter longer.",
        kind=float,
        unit="seconds",
        low=0.001,
        high=31_536_000,
        off=True,
    )
    heartbeat_message: str = _setting(
        "", "That message: a line, or JSON for a msgpack value; nothing is an empty line, or nil.", empty=True
    )
    # 1 MiB as in NATS (max_payload).
    max_message: Written[int] = _setting(
        MIB, "Longest payload of one message; a peer that exceeds it is closed.", unit="bytes", low=1, high=GIB
    )
    # As it always was, and as NATS closes a client that breaks the protocol.
    invalid_text: InvalidText = _setting(
        "close",
        "What becomes of a msgpack message with a str that is not UTF-8: its sender is closed; it is skipped; or it is "
        "passed on as it is.",
        choices=get_args(InvalidText),
    )
    # Off: any page in a browser on this machine can post lines to a port of its loopback address.
    allow_http_lines: Written[bool] = _setting(
        False, "Hear also a peer that begins as HTTP does: with a line that ends in HTTP/1.0 or HTTP/1.1."
    )
    # Off: it costs latency at rest too.
    flush_interval: Written[float | None] = _setting(
        None,
        "Collect messages for so long before they are passed on: fewer, larger writes, for as much latency.",
        kind=float,
        unit="seconds",
        low=0.001,  # the clock of libuv has no finer ones
        high=1,
        off=True,
    )
    echo: Written[bool] = _setting(False, "Send every message back to its sender too.")
    # Between Redis' soft limit of 8 MB and its hard limit of 32 MB for subscribers.
    max_pending: Written[int] = _setting(
        16 * MIB, "How far behind a peer may be.", unit="bytes", low=64 * KIB, high=64 * GIB
    )
    # Off: the system's own limit (net.ipv4.tcp_wmem, 4 MB), up to which it gives each connection what its speed needs.
    send_buffer: Written[int | None] = _setting(
        None,
        "Most that the kernel holds for a peer (SO_SNDBUF); off is the system's own limit, 4 MB on most Linux.",
        kind=int,
        unit="bytes",
        low=4 * KIB,
        high=GIB,
        off=True,
    )
    # As NATS, Redis and Centrifugo do: who cannot miss anything had better know that it did.
    slow_consumer: Policy = _setting(
        "disconnect",
        "What becomes of a peer further behind: it is closed; it misses the oldest or the newest messages, or all but "
        "the latest; or senders wait for it.",
        choices=get_args(Policy),
    )
    # As long as block waits for one; the others are slowed, not stopped.
    pace_timeout: float = _setting(
        10.0,
        "How long in any minute senders are slowed for one peer that takes less than its limit in a second.",
        unit="seconds",
        low=0.001,
        high=60,
    )
    # Long enough for a reader to send 100 MB before it takes any; no longer than a sender's own timeouts (30 s) last.
    block_timeout: Written[float] = _setting(
        10.0,
        "Under block, how long in any minute senders wait for one peer that takes nothing; then it is closed.",
        unit="seconds",
        low=0.001,
        high=60,
    )
    # Off: while senders are paced, a reader that is slower than them may be that far behind for long, and be well.
    slow_after: Written[float | None] = _setting(
        None,
        "A peer over a quarter of its limit behind for so long is closed under disconnect, else marked and logged.",
        kind=float,
        unit="seconds",
        low=0.001,
        high=31_536_000,
        off=True,
    )
    notify_drops: Written[bool] = _setting(
        False, "Tell a peer, by a message, how many messages it missed at the place where they are missing."
    )
    last_word: Written[bool] = _setting(False, "Tell a peer, by a last message, why it is closed.")
    # 64 peers at the limit of --max-pending, each with a stream of its own; what they share counts once.
    max_memory: Written[int | None] = _setting(
        GIB,
        "What is held for all peers; beyond, those that hold most by address and move least are closed.",
        unit="bytes",
        low=MIB,
        high=1024 * GIB,
        off=True,
    )
    idle_after: Written[float] = _setting(
        60.0, "A peer that sent nothing for so long is shown as idle.", unit="seconds", low=0.001, high=31_536_000
    )
    max_waiting: Written[int] = _setting(
        256 * KIB,
        "A peer of which more waits for async handlers is read no further.",
        unit="bytes",
        low=1,
        high=GIB,
        command=False,
    )
    handler_errors: HandlerErrors = _setting(
        "close", "What becomes of a peer when a handler for it fails.", choices=get_args(HandlerErrors), command=False
    )
    # As long as Linux keeps an orphaned half-closed connection (tcp_fin_timeout).
    half_close_timeout: Written[float] = _setting(
        60.0, "How long a peer that ended its stream still receives.", unit="seconds", low=0, high=31_536_000
    )
    drain_timeout: Written[float] = _setting(
        5.0, "At shutdown, how long peers have to take what is pending.", unit="seconds", low=0, high=3600
    )
    log_messages: Written[int] = _setting(
        20,
        "Most messages shown in a second, and lines of any other kind (1 at least); the rest is counted.",
        unit="lines",
        low=0,
        high=1_000_000,
    )
    quiet: Written[bool] = _setting(False, "Log warnings and errors only.")
    log_level: LogLevel = _setting("info", "Least level logged.", choices=get_args(LogLevel))
    log_format: LogFormat = _setting("text", "How log lines look.", choices=get_args(LogFormat))

    def __post_init__(self) -> None:
        for setting in SETTINGS:
            value = getattr(self, setting.name)
            if value is not None or setting.name not in _OPTIONAL:
                written = isinstance(value, str) and setting.written
                object.__setattr__(self, setting.name, setting.parse(value) if written else setting.check(value))
        self._settle_mode()
        self._settle_memory()

    def _settle_memory(self) -> None:
        most, least = self.max_memory, least_memory(self.max_message)
        if most is not None and most < least:
            memory, message = _BY_NAME["max_memory"], _BY_NAME["max_message"]
            raise ConfigError(
                f"{memory.option}: {memory.show(most)} is not allowed with {message.option} "
                f"{message.show(self.max_message)}, of which one message would be too much; allowed is "
                f"{memory.show(least)} or more, or off"
            )

    def _settle_mode(self) -> None:
        mode: str | None = self.mode
        for url in self.listen:
            said = Listener.parse(url, MODES).mode
            if said != (mode := mode or said):
                raise ConfigError(f"--listen: {url!r} is not allowed; all listeners have one mode, and that is {mode}")
        object.__setattr__(self, "mode", mode or DEFAULT_MODE)

    @property
    def listeners(self) -> list[Listener]:
        """All there is to listen on."""
        listeners = [] if self.unix is None else [Listener(self.mode, path=self.unix)]
        if self.tcp is not None:
            listeners.append(Listener(self.mode, *self.tcp))
        return listeners + [Listener.parse(url, MODES) for url in self.listen]

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

WAIT: Final = Setting(
    name="wait",
    type=float,
    default=None,
    help="After the end of the input, how long to go on receiving: 1 s if nothing is said, 0 s from a terminal.",
    unit="seconds",
    low=0,
    high=31_536_000,
)
"""The one setting of `fastserver connect` alone."""
