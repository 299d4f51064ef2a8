"""An event bus in msgpack: ["subscribe", TOPIC], ["unsubscribe", TOPIC], ["publish", TOPIC, EVENT]. Subscribers of a
topic receive what was published just as it came. `bus_client.js`, beside this file, speaks to it from Node.
"""

import argparse
from typing import Any

from fastserver import Config, Message, Peer, Server

LONGEST = 100  # characters of a topic
MOST = 100  # topics of one peer


def command(message: Message) -> Any:
    """What it says, None where Python cannot hold it: msgpack has maps whose keys are arrays."""
    try:
        return message.value
    except (TypeError, ValueError):
        return None


def bus(port: int) -> Server:
    # No prefix before a message: what any language's streaming unpacker reads and its packer writes.
    server = Server(Config(mode="msgpack-stream", port=port))

    @server.on_connect
    def connect(peer: Peer) -> None:
        peer.data = set()  # the topics it subscribes to

    @server.on_message
    def obey(message: Message) -> None:
        peer = message.peer
        match command(message):
            case ["publish", str(topic), _]:
                # A channel is there while somebody is in it; one that nobody is in costs nothing.
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
