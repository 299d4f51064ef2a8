"""Admission: which new peers are let in, and why the others are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastserver.access.addresses import Addresses, origin
from fastserver.config.config import Config
from fastserver.config.networks import IP, Networks, ip_of
from fastserver.errors import CloseReason

if TYPE_CHECKING:
    from fastserver.peers.peer import Peer


class Admission:
    """What `config` says on who may connect. Raises `ConfigError` for a file of networks that is none any more."""

    def __init__(self, config: Config) -> None:
        self.addresses = Addresses(config.max_peers_per_address, config.max_connects_per_second)
        self._allow = Networks(config.allow) if config.allow else None
        self._deny = Networks(config.deny)
        self._max_peers = config.max_peers
        self._limit_loopback = config.limit_loopback
        self._ipv6_prefix = config.ipv6_prefix

    def refusal(self, peer: Peer, host: str | None, peers: int, now: float) -> CloseReason | None:
        """Why `peer` is refused; None if it is not. `max_peers` comes last, and `max_peers_per_address` before it, so
        that for whoever is refused for one of them there is no other reason, once a place is free.

        `host` is the IP address it comes from; None if it came by a Unix socket, or broke before it could be asked.
        `peers` is how many are connected, `now` in seconds.
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

    def admitted(self, peer: Peer, now: float) -> None:
        """`peer`, which was not refused, is connected."""
        if peer.origin is not None:
            self.addresses.add(peer.origin, now)

    def parted(self, peer: Peer) -> None:
        """`peer`, which was admitted, is gone."""
        if peer.origin is not None:
            self.addresses.remove(peer.origin)

    def _allows(self, ip: IP) -> bool:
        return ip not in self._deny and (self._allow is None or ip in self._allow)
