"""A hub for readings. A peer that connects gets the last value of everything, then every update.

`python -m fastserver.examples.telemetry`, then `nc localhost 3000` to watch, and `kitchen/temperature=21.5` to report.
"""

import argparse
import re

from fastserver import Config, Message, Peer, Server

READING = re.compile(rb"([\w./-]{1,64})=([ -~]{0,200})")  # printable ASCII only: it ends up on terminals
MOST = 1000  # readings kept: strangers can add no more


def telemetry(port: int) -> Server:
    server = Server(Config(port=port, max_message=300))
    last: dict[bytes, bytes] = {}

    # No update is missed or overtaken between these and the first broadcast: a peer receives in the order of the calls.
    @server.on_connect
    def tell(peer: Peer) -> None:
        for reading in last.values():
            peer.send(reading)

    # A plain function is called at once, without a task: the fast path for a feed.
    @server.on_message
    def update(message: Message) -> None:
        match = READING.fullmatch(message.payload)
        if match is None:
            message.peer.send(b"! not understood; a reading is KEY=VALUE")
        elif match[1] not in last and len(last) == MOST:
            message.peer.send(b"! no room for another key")
        else:
            last[match[1]] = message.payload
            message.broadcast()  # to everyone but its sender, as it came

    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=3000)
    telemetry(parser.parse_args().port).run()
