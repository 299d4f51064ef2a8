"""A line broadcast with asyncio streams, as it is usually written: `python streams.py PORT [uvloop]`.

Each line goes to all others with one `write`. Nobody waits for `drain()`: it would cost more for each delivery, and
one reader that is stuck would stop the server for all.
"""

from __future__ import annotations

import asyncio
import sys

LIMIT = 1024 * 1024
writers: set[asyncio.StreamWriter] = set()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writers.add(writer)
    try:
        while line := await reader.readline():
            for other in writers:
                if other is not writer:
                    other.write(line)
    except ConnectionError:
        pass
    finally:
        writers.discard(writer)
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), limit=LIMIT, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    if "uvloop" in sys.argv:
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
