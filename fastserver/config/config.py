"""Every setting once: name, default, unit, bounds and help. The command line, the environment
(`FASTSERVER_…`) and the manual's tables are made from what stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, get_args

from fastserver.config.headroom import least_memory
from fastserver.config.listener import Listener
from fastserver.config.networks import Networks
from fastserver.config.setting import GIB, KIB, MIB, Setting
from fastserver.errors import ConfigError
from fastserver.framing.arguments import INVALID_TEXT, InvalidText
from fastserver.framing.registry import DEFAULT_MODE, FRAMINGS, Mode

T = TypeVar("T")

Policy = Literal["disconnect", "drop-oldest", "drop-newest", "latest", "block"]
HandlerErrors = Literal["close", "keep"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

POLICIES: Final = get_args(Policy)
DEFAULT_HOST: Final = "127.0.0.1"  # loopback: who wants to be reachable says so
DEFAULT_PORT: Final = 3000

# Groups of settings: the sections of `--help` and of the manual, in this order.
ADDRESSES: Final = "Addresses"
ACCESS: Final = "Who may connect"
MESSAGES: Final = "Messages"
LIMITS: Final = "Limits"
SLOW: Final = "Slow consumers"
TIMEOUTS: Final = "Timeouts"
LOG: Final = "Log"
LIBRARY: Final = "Library"


class Written(Generic[T]):
    """For type checkers: a setting for which text stands too, as in the environment: `64KiB`, `5s`, `off`."""

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: Any = None) -> T: ...

        def __set__(self, instance: object, value: T | str) -> None: ...


def _setting(
    group: str, default: Any, help: str, *, kind: type | None = None, stands_for: Any = None, **more: Any
) -> Any:
    """A dataclass field that knows its `Setting`. `stands_for` is what a default of None comes to."""
    known = {"group": group, "help": help, "type": kind or type(default)}
    return field(default=default, metadata=known | {"default": default if stands_for is None else stands_for} | more)


def _networks(help: str) -> Any:
    return _setting(
        ACCESS,
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
        ADDRESSES,
        None,
        "Framing: how messages lie in the byte stream.",
        kind=str,
        stands_for=DEFAULT_MODE,
        choices=tuple(FRAMINGS),
    )
    host: str | None = _setting(
        ADDRESSES, None, "Address or name to listen on; '::' serves IPv6 and IPv4.", kind=str, stands_for=DEFAULT_HOST
    )
    port: int | None = _setting(
        ADDRESSES,
        None,
        "TCP port to listen on; with 0 the system chooses a free one, which the log names.",
        kind=int,
        stands_for=DEFAULT_PORT,
        low=0,
        high=65535,
    )
    unix: str | None = _setting(
        ADDRESSES,
        None,
        "Unix socket to listen on; replaces TCP unless --host or --port is given too.",
        kind=str,
        unit="path",
    )
    listen: tuple[str, ...] = _setting(
        ADDRESSES,
        (),
        "Address to listen on besides --host, --port and --unix, or alone without them; can be given several times.",
        unit="URL",
        entry=lambda url: Listener.parse(url, FRAMINGS),
        form="MODE://HOST:PORT or MODE+unix:///PATH, with ?role=send or ?role=receive behind it or not",
    )
    # None: everyone, as in nginx (allow, deny) and sshd.
    allow: tuple[str, ...] = _networks(
        "Accept peers from this network only, and by Unix sockets; can be given several times."
    )
    deny: tuple[str, ...] = _networks(
        "Refuse peers from this network, whatever --allow says; can be given several times."
    )
    # 64 Ki as in NATS (max_connections).
    max_peers: Written[int | None] = _setting(
        ACCESS,
        65_536,
        "Maximum number of connected peers; further connections are refused.",
        unit="peers",
        low=1,
        high=10_000_000,
        off=True,
    )
    # Off as in nginx (limit_conn) and HAProxy: all who come through one proxy or NAT have one address.
    max_peers_per_address: Written[int | None] = _setting(
        ACCESS,
        None,
        "Maximum number of connected peers from one address; further connections are refused.",
        kind=int,
        unit="peers",
        low=1,
        high=10_000_000,
        off=True,
    )
    max_connects_per_second: Written[int | None] = _setting(
        ACCESS,
        None,
        "Maximum number of connections accepted from one address in a second; further ones are refused.",
        kind=int,
        unit="peers",
        low=1,
        high=10_000_000,
        off=True,
    )
    # A provider gives a household or a host at least a /64 (RFC 6177), of which it can have every address.
    ipv6_prefix: int = _setting(
        ACCESS,
        64,
        "IPv6 addresses that share this many bits count as one address; each link-local address counts alone.",
        unit="bits",
        low=16,
        high=128,
    )
    # Off as in Postfix (smtpd_client_event_limit_exceptions): who is on this machine has other ways to harm it.
    limit_loopback: Written[bool] = _setting(
        ACCESS, False, "Apply the limits per address to loopback and Unix sockets too."
    )
    # Off: any page in a browser on this machine can post lines to a port of its loopback address.
    allow_http_lines: Written[bool] = _setting(
        ACCESS, False, "Accept peers that begin as HTTP does, with a line that ends in HTTP/1.0 or HTTP/1.1."
    )
    # As it always was, and as NATS closes a client that breaks the protocol.
    invalid_text: InvalidText = _setting(
        MESSAGES,
        "close",
        "Treatment of a msgpack message with text that is not UTF-8: close its sender, skip the message, "
        "or pass it on.",
        choices=INVALID_TEXT,
    )
    # Off: it costs latency at rest too.
    flush_interval: Written[float | None] = _setting(
        MESSAGES,
        None,
        "Collect messages for this long before they are sent: fewer, larger writes, for as much latency.",
        kind=float,
        unit="seconds",
        low=0.001,  # the clock of libuv has no finer ones
        high=1,
        off=True,
    )
    echo: Written[bool] = _setting(MESSAGES, False, "Send every message back to its sender too.")
    # Off: nothing is put into a stream that no peer sent.
    heartbeat: Written[float | None] = _setting(
        MESSAGES,
        None,
        "Send a message to each peer that was sent nothing for this long, or up to a quarter longer.",
        kind=float,
        unit="seconds",
        low=0.001,
        high=31_536_000,
        off=True,
    )
    heartbeat_message: str = _setting(
        MESSAGES,
        "",
        "Content of a heartbeat: a line, or in the msgpack modes JSON; the default is an empty line, or nil.",
        unit="text",
        empty=True,
    )
    last_word: Written[bool] = _setting(MESSAGES, False, "Tell a peer that is closed the reason, by a last message.")
    # 1 MiB as in NATS (max_payload).
    max_message: Written[int] = _setting(
        LIMITS,
        MIB,
        "Maximum payload of one message; a peer that sends a longer one is closed.",
        unit="bytes",
        low=1,
        high=GIB,
    )
    # 64 peers at the limit of --max-pending, each with a stream of its own; what they share counts once.
    max_memory: Written[int | None] = _setting(
        LIMITS,
        GIB,
        "Maximum held for all peers together; beyond it, peers that hold much and take little are closed.",
        unit="bytes",
        low=MIB,
        high=1024 * GIB,
        off=True,
    )
    # Off: what a sender may send is for who runs the feed to say; others are protected from it by --max-pending.
    max_messages_per_second: Written[int | None] = _setting(
        LIMITS,
        None,
        "Maximum number of messages a second from one address, all its peers together; faster senders are read "
        "more slowly.",
        kind=int,
        unit="messages",
        low=1,
        high=1_000_000_000,
        off=True,
    )
    max_bytes_per_second: Written[int | None] = _setting(
        LIMITS,
        None,
        "Maximum number of bytes a second from one address, all its peers together; faster senders are read "
        "more slowly.",
        kind=int,
        unit="bytes",
        low=1,
        high=64 * GIB,
        off=True,
    )
    # A second's worth is let through at once: what a rate per second says, and no more.
    burst: Written[float] = _setting(
        LIMITS,
        1.0,
        "A peer that was quiet may send as much at once as its rates allow in this time.",
        unit="seconds",
        low=0.001,
        high=3600,
    )
    # Between Redis' soft limit of 8 MB and its hard limit of 32 MB for subscribers.
    max_pending: Written[int] = _setting(
        SLOW,
        16 * MIB,
        "Maximum pending for one peer; beyond it --slow-consumer applies.",
        unit="bytes",
        low=64 * KIB,
        high=64 * GIB,
    )
    # As NATS, Redis and Centrifugo do: who cannot miss anything had better know that it did.
    slow_consumer: Policy = _setting(
        SLOW,
        "disconnect",
        "Policy for a peer beyond --max-pending: close it, drop its oldest or newest messages or all but the latest, "
        "or make senders wait.",
        choices=POLICIES,
    )
    # As long as block waits for one; the others are slowed, not stopped.
    pace_timeout: float = _setting(
        SLOW,
        10.0,
        "Maximum time in any minute that senders are slowed for one peer that takes less than --max-pending "
        "in a second.",
        unit="seconds",
        low=0.001,
        high=60,
    )
    # Long enough for a reader to send 100 MB before it takes any; no longer than a sender's own timeouts (30 s) last.
    block_timeout: Written[float] = _setting(
        SLOW,
        10.0,
        "Under --slow-consumer block, maximum time in any minute that senders wait for one peer that takes nothing; "
        "then that peer is closed.",
        unit="seconds",
        low=0.001,
        high=60,
    )
    # Off: while senders are paced, a reader that is slower than them may be that far behind for long, and be well.
    slow_after: Written[float | None] = _setting(
        SLOW,
        None,
        "A peer that is over a quarter of --max-pending behind for this long is closed under disconnect, "
        "else marked as slow and logged.",
        kind=float,
        unit="seconds",
        low=0.001,
        high=31_536_000,
        off=True,
    )
    notify_drops: Written[bool] = _setting(
        SLOW, False, "Tell a peer that missed messages how many, by a message at the place where they are missing."
    )
    # Off: the system's own limit (net.ipv4.tcp_wmem, 4 MB), up to which it gives each connection what its speed needs.
    send_buffer: Written[int | None] = _setting(
        SLOW,
        None,
        "Maximum that the kernel buffers for one peer (SO_SNDBUF); off is the system's own limit, 4 MB on most Linux.",
        kind=int,
        unit="bytes",
        low=4 * KIB,
        high=GIB,
        off=True,
    )
    # As Postfix gives a line of SMTP (smtpd_timeout); the longest message then takes 28 kbit/s.
    message_timeout: Written[float | None] = _setting(
        TIMEOUTS,
        300.0,
        "A peer that takes longer than this to finish a message is closed.",
        unit="seconds",
        low=0.001,
        high=31_536_000,
        off=True,
    )
    # Off as in Redis (timeout): who only listens to a quiet feed is no burden. TCP keepalive finds the dead.
    idle_timeout: Written[float | None] = _setting(
        TIMEOUTS,
        None,
        "A peer that sends nothing and takes nothing for this long is closed.",
        kind=float,
        unit="seconds",
        low=0.001,
        high=31_536_000,
        off=True,
    )
    idle_after: Written[float] = _setting(
        TIMEOUTS,
        60.0,
        "A peer that sent nothing for this long is shown as idle.",
        unit="seconds",
        low=0.001,
        high=31_536_000,
    )
    # Below the 4 and 6 minutes after which load balancers of Azure and AWS forget a silent connection.
    keepalive: Written[int | None] = _setting(
        TIMEOUTS,
        60,
        "TCP probes a connection that is silent for this long; a peer that leaves three probes unanswered is closed.",
        unit="seconds",
        low=1,
        high=32_767,
        off=True,
    )
    # Twice the keepalive, so that a vanished peer is found as soon while data is under way as without.
    tcp_user_timeout: Written[float | None] = _setting(
        TIMEOUTS,
        120.0,
        "A peer whose system acknowledges nothing for this long, while data is under way to it, is closed (on Linux).",
        unit="seconds",
        low=0.001,
        high=2_000_000,
        off=True,
    )
    # As long as Linux keeps an orphaned half-closed connection (tcp_fin_timeout).
    half_close_timeout: Written[float] = _setting(
        TIMEOUTS,
        60.0,
        "A peer that ended its stream still receives for this long.",
        unit="seconds",
        low=0,
        high=31_536_000,
    )
    drain_timeout: Written[float] = _setting(
        TIMEOUTS, 5.0, "At shutdown, peers have this long to take what is pending.", unit="seconds", low=0, high=3600
    )
    log_messages: Written[int] = _setting(
        LOG,
        20,
        "Maximum number of messages logged in a second, and of lines of any other kind (at least 1); the rest "
        "is counted.",
        unit="lines",
        low=0,
        high=1_000_000,
    )
    quiet: Written[bool] = _setting(LOG, False, "Log warnings and errors only.")
    log_level: LogLevel = _setting(LOG, "info", "Lowest level that is logged.", choices=get_args(LogLevel))
    log_format: LogFormat = _setting(LOG, "text", "Format of the log's lines.", choices=get_args(LogFormat))
    max_waiting: Written[int] = _setting(
        LIBRARY,
        256 * KIB,
        "A peer of which more than this waits for async handlers is not read until they have caught up.",
        unit="bytes",
        low=1,
        high=GIB,
        command=False,
    )
    handler_errors: HandlerErrors = _setting(
        LIBRARY,
        "close",
        "Treatment of a peer whose handler raises: close it, or keep it.",
        choices=get_args(HandlerErrors),
        command=False,
    )

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
            said = Listener.parse(url, FRAMINGS).mode
            if said != (mode := mode or said):
                raise ConfigError(f"--listen: {url!r} is not allowed; all listeners have one mode, and that is {mode}")
        object.__setattr__(self, "mode", mode or DEFAULT_MODE)

    @property
    def listeners(self) -> list[Listener]:
        """All there is to listen on."""
        listeners = [] if self.unix is None else [Listener(self.mode, path=self.unix)]
        if self.tcp is not None:
            listeners.append(Listener(self.mode, *self.tcp))
        return listeners + [Listener.parse(url, FRAMINGS) for url in self.listen]

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
    help="How long to receive after the end of the input; the default is 1 s, or 0 s if the input is a terminal.",
    unit="seconds",
    low=0,
    high=31_536_000,
)
"""The one setting of `fastserver connect` alone."""
