"""Settings of how long peers may take."""

from __future__ import annotations

from typing import Final

from fastserver.config.field import setting

GROUP: Final = "Timeouts"
"""The section of the help and of the manual."""

# As Postfix gives a line of SMTP (smtpd_timeout); the longest message then takes 28 kbit/s.
MESSAGE_TIMEOUT: Final = setting(
    GROUP,
    300.0,
    "A peer that takes longer than this to finish a message is closed.",
    unit="seconds",
    low=0.001,
    high=31_536_000,
    off=True,
)
# Off as in Redis (timeout): who only listens to a quiet feed is no burden. TCP keepalive finds the dead.
IDLE_TIMEOUT: Final = setting(
    GROUP,
    None,
    "A peer that sends nothing and takes nothing for this long is closed.",
    kind=float,
    unit="seconds",
    low=0.001,
    high=31_536_000,
    off=True,
)
IDLE_AFTER: Final = setting(
    GROUP,
    60.0,
    "A peer that sent nothing for this long is shown as idle.",
    unit="seconds",
    low=0.001,
    high=31_536_000,
)
# Below the 4 and 6 minutes after which load balancers of Azure and AWS forget a silent connection.
KEEPALIVE: Final = setting(
    GROUP,
    60,
    "TCP probes a connection that is silent for this long; a peer that leaves three probes unanswered is closed.",
    unit="seconds",
    low=1,
    high=32_767,
    off=True,
)
# Twice the keepalive, so that a vanished peer is found as soon while data is under way as without.
TCP_USER_TIMEOUT: Final = setting(
    GROUP,
    120.0,
    "A peer whose system acknowledges nothing for this long, while data is under way to it, is closed (on Linux).",
    unit="seconds",
    low=0.001,
    high=2_000_000,
    off=True,
)
# As long as Linux keeps an orphaned half-closed connection (tcp_fin_timeout).
HALF_CLOSE_TIMEOUT: Final = setting(
    GROUP,
    60.0,
    "A peer that ended its stream still receives for this long.",
    unit="seconds",
    low=0,
    high=31_536_000,
)
DRAIN_TIMEOUT: Final = setting(
    GROUP, 5.0, "At shutdown, peers have this long to take what is pending.", unit="seconds", low=0, high=3600
)
