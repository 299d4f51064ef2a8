"""A key-value store with a protocol of lines: PING, SET KEY VALUE, GET KEY, DEL KEY, KEYS, and WAIT KEY, which
answers once the key exists. Each request has one reply, OK or ERR; before that of KEYS comes a KEY line for each key.
"""

import argparse
import asyncio

from fastserver import Config, Message, Server

MOST = 1000  # keys
LONGEST = 64  # characters of a key
PATIENCE = 60.0  # seconds that WAIT waits


def commands(port: int) -> Server:
    server = Server(Config(port=port, max_message=1024))
    values: dict[str, str] = {}
    changed = asyncio.Condition()

    # An async function handles the requests of one peer one after another, those of different peers side by side.
    # When requests that wait behind a WAIT fill `Config.max_waiting`, their sender is not read until they are handled.
    @server.on_message
    async def handle(message: Message) -> None:
        if not message.peer.closed:  # a peer that is gone gets no answer: do not WAIT for it
            reply = await answer(message)
            message.peer.send(reply.encode())

    async def answer(message: Message) -> str:
        line = message.payload.decode("latin-1")
        if not (line.isascii() and line.isprintable()):
            return "ERR printable ASCII only"  # others will see what one peer sets
        match line.split(maxsplit=2):
            case ["PING"]:
                return "OK"
            case ["SET", key, value]:
                if len(key) > LONGEST or (key not in values and len(values) == MOST):
                    return "ERR key too long, or too many of them"
                values[key] = value
                async with changed:
                    changed.notify_all()
                return "OK"
            case ["GET", key]:
                return f"OK {values[key]}" if key in values else "ERR no such key"
            case ["DEL", key]:
                return "ERR no such key" if values.pop(key, None) is None else "OK"
            case ["KEYS"]:
                for key in values:
                    message.peer.send(f"KEY {key}".encode())
                return f"OK {len(values)}"
            case ["WAIT", key]:
                try:
                    async with changed:
                        value = await asyncio.wait_for(changed.wait_for(lambda: values.get(key, "")), PATIENCE)
                except asyncio.TimeoutError:
                    return "ERR still no such key"
                return f"OK {value}"
        return "ERR PING, SET KEY VALUE, GET KEY, DEL KEY, KEYS or WAIT KEY"

    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3000)
    commands(parser.parse_args().port).run()
