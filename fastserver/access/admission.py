"""Admission: decides which new peers are let in, and why the others are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastserver.access.addresses import Addresses, origin
from fastserver.config.config import Config
from fastserver.config.networks import IP, Networks, ip_of
from fastserver.errors import CloseReason

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer


class Admission:
    """Decides as `config` says. Raises `ConfigError` if an @FILE of networks has become unreadable or invalid."""

    def __init__(self, config: Config) -> None:
        self.addresses = Addresses(config.max_peers_per_address, config.max_connects_per_second)
        self._allow = Networks(config.allow) if config.allow else None
        self._deny = Networks(config.deny)
        self._max_peers = config.max_peers
        self._limit_loopback = config.limit_loopback
        self._ipv6_prefix = config.ipv6_prefix

    def refusal(self, peer: Peer, host: str | None, peers: int, now: float) -> CloseReason | None:
        """The reason why `peer` is refused; None if it is not. `max_peers` comes last, and `max_peers_per_address`
        before it, so that a peer that is refused for one of them can come in as soon as a place is free.

        `host` is its IP address; None if it came by a Unix socket, or broke before it could be asked. `peers` is the
        number that is connected, `now` in seconds.
        """
        ip = None if host is None else ip_of(host)
        unix = peer.address.startswith("unix:")
        if not unix and (self._allow is not None or self._deny) and (ip is None or not self._allows(ip)):
            return CloseReason.DENIED
        near = unix or (ip is not None and ip.is_loopback)
        if self._limit_loopback or not near:
            peer.origin = peer.address if ip is None else origin(ip, self._ipv6_prefix)
            reason = self.addresses.refusal(peer.origin, now)
            if reason is not None:
                return reason
        return CloseReason.MAX_PEERS if self._max_peers is not None and peers >= self._max_peers else None

    def add(self, peer: Peer, now: float) -> None:
        """Count `peer`, which is let in."""
        if peer.origin is not None:
            self.addresses.add(peer.origin, now)

    def remove(self, peer: Peer) -> None:
        """Count `peer` no more, which was let in and is gone."""
        if peer.origin is not None:
            self.addresses.remove(peer.origin)

    def _allows(self, ip: IP) -> bool:
        return ip not in self._deny and (self._allow is None or ip in self._allow)
