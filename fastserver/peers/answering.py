"""Answers: what the splitter of a peer has to say to the peer itself, such as that an option of telnet is refused.

An answer is no message: it is written past the channels, to a peer that has taken everything it was given and so has
got whole messages alone. Until then it waits with the splitter, where its size has a bound. In the books its bytes
count, as offered and then as delivered, pending or dropped, and no message does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from fastserver.fanout.way import condemn
from fastserver.peers.books import Account
from fastserver.peers.stages import OFFERED

if TYPE_CHECKING:
    from fastserver.framing.framing import AnsweringSplitter, Splitter
    from fastserver.peers.hub import Hub


class Answered(Account, Protocol):
    """A peer, as far as its answers depend on it."""

    hub: Hub[Any]
    splitter: Splitter
    stage: int

    def offer(self, messages: int, size: int) -> None: ...


def answer(peer: Answered) -> None:
    """Write what the splitter of `peer`, whose framing `answers`, has to say, if it takes everything now."""
    link = peer.link
    if peer.stage not in OFFERED or link.error or link.stuck or peer in peer.hub.behind:
        return
    frame = cast("AnsweringSplitter", peer.splitter).answer()
    if not frame:
        return
    peer.offer(0, len(frame))
    try:
        link.write([frame])
        if link.stuck:
            peer.hub.behind.add(peer, [frame], 0, 0)
    except BaseException:
        condemn(link)
        peer.write_failed()
        raise
    if link.error:
        peer.write_failed()
