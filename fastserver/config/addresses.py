"""Settings of where a server listens."""

from __future__ import annotations

from typing import Final

from fastserver.config.field import setting
from fastserver.config.listener import Listener
from fastserver.framing.registry import DEFAULT_MODE, FRAMINGS, framing

DEFAULT_HOST: Final = "127.0.0.1"  # loopback: a server is reachable from elsewhere only if its settings say so
DEFAULT_PORT: Final = 3000

GROUP: Final = "Addresses"
"""The section of the help and of the manual."""

MODE: Final = setting(
    GROUP,
    None,
    "Framing: how messages lie in the byte stream; some take parameters, as in 'length?bytes=2'.",
    kind=str,
    stands_for=DEFAULT_MODE,
    choices=tuple(FRAMINGS),
    entry=framing,
    form="one of " + ", ".join(FRAMINGS),
)
HOST: Final = setting(
    GROUP, None, "Address or name to listen on; '::' serves IPv6 and IPv4.", kind=str, stands_for=DEFAULT_HOST
)
PORT: Final = setting(
    GROUP,
    None,
    "TCP port to listen on; with 0 the system chooses a free one, which the log names.",
    kind=int,
    stands_for=DEFAULT_PORT,
    low=0,
    high=65535,
)
UNIX: Final = setting(
    GROUP,
    None,
    "Unix socket to listen on; replaces TCP unless --host or --port is given too.",
    kind=str,
    unit="path",
)
LISTEN: Final = setting(
    GROUP,
    (),
    "Address to listen on besides --host, --port and --unix, or alone without them; can be given several times.",
    unit="URL",
    entry=Listener.parse,
    form="MODE://HOST:PORT or MODE+unix:///PATH, with parameters behind it or not, as in ?role=send&channel=NAME",
)
