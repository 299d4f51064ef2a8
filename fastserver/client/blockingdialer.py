"""The dialer of a blocking client: makes its connection, and another one when that was lost."""

from __future__ import annotations

import logging
import socket
import time
from ssl import SSLContext

from fastserver.client import blockingsocket
from fastserver.client.address import Address
from fastserver.client.delays import Delays
from fastserver.client.failure import why

logger = logging.getLogger("fastserver.client")


class BlockingDialer:
    """Connects to `address`, for as long as `reconnect` is set again and again, after `delays`.

    A connection takes at most `timeout` seconds, None for as long as the system tries. With `tls`, the server has to be
    `hostname`.
    """

    def __init__(
        self,
        address: Address,
        timeout: float | None,
        tls: SSLContext | None,
        hostname: str | None,
        delays: Delays,
        reconnect: bool,
    ) -> None:
        self.reconnect = reconnect
        self._address = address
        self._timeout = blockingsocket.limited(timeout)
        self._tls = tls
        self._hostname = hostname
        self._delays = delays
        self._made_at = self._next_try = 0.0  # as the monotonic clock has it

    def connect(self, deadline: float | None) -> socket.socket:
        """A new connection; with `reconnect` tries until there is one.

        Raises TimeoutError at the `deadline` (monotonic clock), OSError if there is no connection.
        """
        while True:
            delay, left = max(0.0, self._next_try - time.monotonic()), blockingsocket.left(deadline)
            time.sleep(delay if left is None else min(delay, left))
            blockingsocket.check(deadline)
            try:
                limit = blockingsocket.left(deadline)
                timeout = self._timeout if limit is None else min(limit, self._timeout or limit)
                made = blockingsocket.prepared(self._address, timeout, self._tls, self._hostname)
            except OSError as error:
                blockingsocket.check(deadline)
                if not self.reconnect:
                    raise
                self._put_off(f"cannot connect to {self._address}: {why(error)}")
            else:
                self._made_at = time.monotonic()
                return made

    def lost(self, error: OSError | None) -> None:
        """Puts the next try off: the connection was lost with `error`, None if the server closed it."""
        self._delays.stood(time.monotonic() - self._made_at)
        reason = why(error) if error else "closed by the server"
        self._put_off(f"connection to {self._address} lost: {reason}")

    def _put_off(self, why: str) -> None:
        delay = self._delays.next()
        logger.warning("%s; next try in %.2g s", why, delay)
        self._next_try = time.monotonic() + delay
