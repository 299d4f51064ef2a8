"""Heartbeat: a message on connections that are quiet, so that NATs and firewalls keep them open, and peers know that
they live.

Strategy: no timer is set when something is sent. All peers are checked four times in the interval; one that was offered
nothing since an earlier check has been quiet since then at least.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastserver.errors import ConfigError
from fastserver.peers.rounds import Rounds

if TYPE_CHECKING:
    from fastserver.clock import Clock
    from fastserver.config.config import Config
    from fastserver.framing.framing import Framing
    from fastserver.peers.peer import Peer
    from fastserver.peers.peermap import PeerMap

CHECKS: Final = 4
"""Peers are checked so often within the interval."""


class Heartbeat:
    """Sends the heartbeat of `config` to quiet peers. Raises `ConfigError` if that cannot be a message in each
    of its modes.
    """

    def __init__(self, config: Config, *, clock: Clock, peers: PeerMap) -> None:
        self._clock = clock
        self._interval = config.heartbeat
        self._config = config
        self._frames: dict[Framing, bytes] = {}
        if self._interval is not None:
            for framing in config.framings:
                self._frame(framing)
        self._offered: dict[Peer, tuple[int, float]] = {}  # bytes, and since when it was no more (loop time, seconds)
        self._rounds = None if self._interval is None else Rounds(clock, peers, self._interval / CHECKS, self._check)

    def watch(self, peer: Peer) -> None:
        """Check `peer`, which has come, now and then."""
        if self._rounds is not None:
            self._rounds.begin()

    def forget(self, peer: Peer) -> None:
        """Know nothing more of `peer`, which is gone."""
        self._offered.pop(peer, None)

    def _check(self, peer: Peer) -> None:
        # To a peer that is behind something is under way.
        if peer.reason is None and peer.role.receives and not peer.link.stuck and self._is_quiet(peer):
            peer.tell(self._frame(peer.framing))

    def _is_quiet(self, peer: Peer) -> bool:
        """True if `peer` was offered nothing for the interval; then the heartbeat that it gets is noted."""
        now = self._clock.time()
        size = peer.offered()[1]
        offered, since = self._offered.get(peer, (-1, now))
        if offered != size:
            self._offered[peer] = size, now
            return False
        if self._interval is None or now - since < self._interval:
            return False
        self._offered[peer] = size + len(self._frame(peer.framing)), now
        return True

    def _frame(self, framing: Framing) -> bytes:
        """The heartbeat for peers of `framing`."""
        frame = self._frames.get(framing)
        if frame is None:
            text = self._config.heartbeat_message
            try:
                payload = framing.pack(framing.parse(text))
                frame = self._frames[framing] = framing.written(self._config.max_message).frame(payload)
            except ValueError as error:
                raise ConfigError(
                    f"--heartbeat-message: {text!r} is not allowed: {error}; allowed is one message"
                ) from None
        return frame
