"""Settings of who may connect."""

from __future__ import annotations

from typing import Any, Final

from fastserver.config.field import setting
from fastserver.config.networks import Networks

GROUP: Final = "Who may connect"
"""The section of the help and of the manual."""


def _networks(help: str) -> Any:
    return setting(
        GROUP,
        (),
        help,
        unit="NETWORK",
        entry=lambda text: Networks([text]),
        form="an address, a network such as 10.0.0.0/8, or @FILE with one on each line",
    )


# None: everyone, as in nginx (allow, deny) and sshd.
ALLOW: Final = _networks("Accept peers from this network only, and by Unix sockets; can be given several times.")
DENY: Final = _networks("Refuse peers from this network, whatever --allow says; can be given several times.")
# 64 Ki as in NATS (max_connections).
MAX_PEERS: Final = setting(
    GROUP,
    65_536,
    "Maximum number of connected peers; further connections are refused.",
    unit="peers",
    low=1,
    high=10_000_000,
    off=True,
)
# Off as in nginx (limit_conn) and HAProxy: all who come through one proxy or NAT have one address.
MAX_PEERS_PER_ADDRESS: Final = setting(
    GROUP,
    None,
    "Maximum number of connected peers from one address; further connections are refused.",
    kind=int,
    unit="peers",
    low=1,
    high=10_000_000,
    off=True,
)
MAX_CONNECTS_PER_SECOND: Final = setting(
    GROUP,
    None,
    "Maximum number of connections accepted from one address in a second; further ones are refused.",
    kind=int,
    unit="peers",
    low=1,
    high=10_000_000,
    off=True,
)
# A provider gives a household or a host at least a /64 (RFC 6177), of which it can have every address.
IPV6_PREFIX: Final = setting(
    GROUP,
    64,
    "IPv6 addresses that share this many bits count as one address; each link-local address counts alone.",
    unit="bits",
    low=16,
    high=128,
)
# Off as in Postfix (smtpd_client_event_limit_exceptions): who is on this machine has other ways to harm it.
LIMIT_LOOPBACK: Final = setting(GROUP, False, "Apply the limits per address to loopback and Unix sockets too.")
# Off: any page in a browser on this machine can post lines to a port of its loopback address.
ALLOW_HTTP_LINES: Final = setting(
    GROUP, False, "Accept peers that begin as HTTP does, with a line that ends in HTTP/1.0 or HTTP/1.1."
)
