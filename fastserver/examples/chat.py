"""Chat with names and rooms. `python -m fastserver.examples.chat`, then `nc localhost 3000` in a few terminals."""

import argparse
import re

from fastserver import CloseReason, Config, Message, Peer, Server

HELP = b"* /name NAME (letters and digits, nobody else's), /join ROOM, /who, /quit; all else is said to the room"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,19}")


def chat(port: int) -> Server:
    # A peer that ended its stream still receives for a while by default; here, it has left the chat.
    server = Server(Config(port=port, max_message=4096, half_close_timeout=0))
    names: set[str] = set()  # names that are taken; nobody can choose one like `guest-1`

    def enter(peer: Peer, room: str) -> None:
        peer.data["room"] = server.channel(room)  # the channel is made when it is first asked for
        peer.join(peer.data["room"])
        peer.data["room"].broadcast(f"* {peer.data['name']} came to {room}".encode())

    def leave(peer: Peer) -> None:
        peer.data["room"].broadcast(f"* {peer.data['name']} left".encode(), exclude=peer)
        peer.leave(peer.data["room"])

    @server.on_connect
    def welcome(peer: Peer) -> None:
        peer.data = {"name": f"guest-{peer.id}"}  # `data` is yours, for anything you want to keep about a peer
        peer.send(HELP)
        enter(peer, "lobby")

    @server.on_disconnect
    def part(peer: Peer, reason: CloseReason) -> None:
        names.discard(peer.data["name"])
        leave(peer)

    @server.on_message
    def hear(message: Message) -> None:
        peer, text = message.peer, message.payload.decode("utf-8", "replace")[:500]
        text = "".join(char if char.isprintable() else "?" for char in text)  # nothing in it can act on a terminal
        name, room = peer.data["name"], peer.data["room"]
        match text.split():
            case ["/name", new] if NAME.fullmatch(new) and new not in names:
                names.discard(name)
                names.add(new)
                peer.data["name"] = new
                room.broadcast(f"* {name} is now {new}".encode())
            case ["/join", new] if NAME.fullmatch(new):
                leave(peer)
                enter(peer, new)
            case ["/who"]:
                here = [other.data["name"] for other in room.peers]
                peer.send(f"* {len(here)} here: {', '.join(here[:50])}".encode())  # a room has no limit, a message has
            case ["/quit"]:
                peer.close()  # messages sent before still arrive
            case [word, *_] if word.startswith("/"):
                peer.send(HELP)
            case [_, *_]:
                room.broadcast(f"{name}: {text}".encode(), exclude=peer)

    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3000)
    chat(parser.parse_args().port).run()
