"""A server within another asyncio program: its clock ticks to everyone, and so does a worker thread's measurement.
Messages of peers are broadcast, since there is no message handler.
"""

import argparse
import asyncio
import shutil
import threading
from contextlib import suppress

from fastserver import Config, Server


async def clock(server: Server) -> None:
    """Your program: anything that runs in the event loop."""
    ticks = 0
    while True:
        ticks += 1
        server.everyone.broadcast(f"tick {ticks}".encode())
        await asyncio.sleep(1)


def measure(server: Server, done: threading.Event) -> None:
    """Work that would block the loop, in a thread of its own, where only methods named threadsafe may be called."""
    while not done.is_set():
        free = shutil.disk_usage(".").free
        server.everyone.broadcast_threadsafe(f"free {free}".encode())
        done.wait(1)


async def main(port: int) -> None:
    done = threading.Event()
    # The server listens within the block. At the end, peers receive what is pending before their connections close.
    async with Server(Config(port=port)) as server:
        print("listening on", *server.addresses, flush=True)  # the log goes to `logging`, which is yours to set up
        worker = threading.Thread(target=measure, args=(server, done))
        worker.start()
        try:
            await clock(server)
        finally:
            done.set()
            worker.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3000)
    with suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args().port))
