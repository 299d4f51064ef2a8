"""An event bus in msgpack: ["subscribe", TOPIC], ["unsubscribe", TOPIC], ["publish", TOPIC, EVENT]. Subscribers of a
topic receive each event exactly as it was published. `bus_client.js`, beside this file, speaks to it from Node.
"""

import argparse
from typing import Any

from fastserver import Config, Message, Peer, Server

LONGEST = 100  # characters of a topic
MOST = 100  # topics of one peer


def command(message: Message) -> Any:
    """The value of `message`; None if Python cannot hold it, such as a map whose keys are arrays."""
    try:
        return message.value
    except (TypeError, ValueError):
        return None


def bus(port: int) -> Server:
    # Messages have no prefix, as streaming packers and unpackers of any language write and read them.
    server = Server(Config(mode="msgpack-stream", port=port))

    @server.on_connect
    def connect(peer: Peer) -> None:
        peer.data = set()  # the topics it subscribes to

    @server.on_message
    def obey(message: Message) -> None:
        peer = message.peer
        match command(message):
            case ["publish", str(topic), _]:
                # A channel exists while a peer is in it; an empty one costs nothing.
                server.channel(topic).broadcast_packed(message.payload, exclude=peer)
            case ["subscribe", str(topic)] if len(topic) <= LONGEST and len(peer.data | {topic}) <= MOST:
                peer.data.add(topic)
                peer.join(server.channel(topic))
                peer.send(["subscribed", topic])
            case ["unsubscribe", str(topic)]:
                peer.data.discard(topic)
                peer.leave(server.channel(topic))
                peer.send(["unsubscribed", topic])
            case _:
                peer.send(["error", f"not understood, or more than {MOST} topics or {LONGEST} characters"])

    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3000)
    bus(parser.parse_args().port).run()
