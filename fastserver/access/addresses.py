"""Addresses: the number of peers that each has, and of connections that it made within the last second.

Memory is bounded by the peers there are and those let in within one second: an address without a peer is forgotten at
once, and a connection after a second.
"""

from __future__ import annotations

from collections import Counter, deque
from ipaddress import IPv4Address, IPv6Address

from fastserver.config.networks import IP
from fastserver.errors import CloseReason


class Addresses:
    """Peers and new connections by origin (see `origin`).

    An origin may have `max_peers` peers, of whom `max_connects` are let in within a second; None is no limit.
    """

    def __init__(self, max_peers: int | None, max_connects: int | None) -> None:
        self._max_peers = max_peers
        self._max_connects = max_connects
        self._peers: Counter[str] = Counter()
        self._connects: Counter[str] = Counter()  # in the last second
        self._recent: deque[tuple[float, str]] = deque()  # each of them: loop time, and origin

    def __len__(self) -> int:
        """Origins that are remembered."""
        return len(self._peers.keys() | self._connects.keys())

    def refusal(self, origin: str, now: float) -> CloseReason | None:
        """The reason why one more peer from `origin` is refused, None if it is not. `now` is in seconds."""
        self._forget(now)
        if self._max_connects is not None and self._connects[origin] >= self._max_connects:
            return CloseReason.MAX_CONNECTS_PER_SECOND
        if self._max_peers is not None and self._peers[origin] >= self._max_peers:
            return CloseReason.MAX_PEERS_PER_ADDRESS
        return None

    def add(self, origin: str, now: float) -> None:
        """Count a peer from `origin`, which is let in."""
        self._peers[origin] += 1
        self._forget(now)
        if self._max_connects is not None:
            self._connects[origin] += 1
            self._recent.append((now, origin))

    def remove(self, origin: str) -> None:
        """Count a peer from `origin` no more, which is gone."""
        self._peers[origin] -= 1
        if not self._peers[origin]:
            del self._peers[origin]

    def _forget(self, now: float) -> None:
        recent = self._recent
        while recent and now - recent[0][0] >= 1.0:
            _, origin = recent.popleft()
            self._connects[origin] -= 1
            if not self._connects[origin]:
                del self._connects[origin]


def origin(ip: IP, ipv6_prefix: int) -> str:
    """The origin that `ip` counts as: an IPv6 address as its network of that many bits, of which one host can have each
    address. A link-local address counts alone, with its zone: all hosts of a link are in one network.
    """
    if isinstance(ip, IPv4Address) or ip.is_link_local:
        return str(ip)
    behind = 128 - ipv6_prefix
    return f"{IPv6Address(int(ip) >> behind << behind)}/{ipv6_prefix}"
