"""Chat with names and rooms. `python -m fastserver.examples.chat`, then `nc localhost 3000` in a few terminals."""

import argparse
import re

from fastserver import CloseReason, Config, Message, Peer, Server

HELP = b"* /name NAME (letters and digits, nobody else's), /join ROOM, /who, /quit; all else is said to the room"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,19}")


def chat(port: int) -> Server:
    # Who ends their stream may go on receiving for a while, unless told otherwise: here, they have left.
    server = Server(Config(port=port, max_message=4096, half_close_timeout=0))
    names: set[str] = set()  # those taken; `guest-1` is none that one can choose

    def enter(peer: Peer, room: str) -> None:
        peer.data["room"] = server.channel(room)  # a channel is there as soon as somebody asks for it
        peer.join(peer.data["room"])
        peer.data["room"].broadcast(f"* {peer.data['name']} came to {room}".encode())

    def leave(peer: Peer) -> None:
        peer.data["room"].broadcast(f"* {peer.data['name']} left".encode(), exclude=peer)
        peer.leave(peer.data["room"])

    @server.on_connect
    def welcome(peer: Peer) -> None:
        peer.data = {"name": f"guest-{peer.id}"}  # `data` is yours: whatever you want to know of a peer
        peer.send(HELP)
        enter(peer, "lobby")

    @server.on_disconnect
    def part(peer: Peer, reason: CloseReason) -> None:
        names.discard(peer.data["name"])
        leave(peer)

    @server.on_message
    def hear(message: Message) -> None:
        peer, text = message.peer, message.payload.decode("utf-8", "replace")[:500]
        text = "".join(char if char.isprintable() else "?" for char in text)  # nothing that acts on a terminal
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
                peer.send(f"* {len(here)} here: {', '.join(here[:50])}".encode())  # a message has a limit, a room none
            case ["/quit"]:
                peer.close()  # what was sent before still arrives
            case [word, *_] if word.startswith("/"):
                peer.send(HELP)
            case [_, *_]:
                room.broadcast(f"{name}: {text}".encode(), exclude=peer)

    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3000)
    chat(parser.parse_args().port).run()
