"""Many connections that read what they hear and say nothing: `python crowd.py HOST PORT MEMBERS`.

Says `connected` when it has all of them, then ends when it is killed, or when the server has ended all of them.
"""

from __future__ import annotations

import select
import socket
import sys

host, port, members = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
poll = select.epoll()
crowd: dict[int, socket.socket] = {}


def read(timeout: float) -> None:
    """Read what has arrived."""
    for number, _ in poll.poll(timeout):
        try:
            data = crowd[number].recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            crowd.pop(number).close()


for member in range(members):
    one = socket.create_connection((host, port))
    one.setblocking(False)
    crowd[one.fileno()] = one
    poll.register(one, select.EPOLLIN)
    if member % 500 == 499:
        read(0)
print("connected", flush=True)
while crowd:
    read(-1)
