"""The sandbox in a process of its own: prints one line of JSON with its address, and serves until SIGTERM."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence

from des.sandbox.server import Sandbox


async def serve(sandbox: Sandbox) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with sandbox:
        sys.stdout.write(json.dumps({"url": sandbox.url}) + "\n")
        sys.stdout.flush()
        await stopped.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m des.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument("--seed", type=int, default=1, help="seed of the population")
    parser.add_argument("--people", type=int, default=10_000, help="how many people exist")
    options = parser.parse_args(arguments)
    asyncio.run(serve(Sandbox(host=options.host, port=options.port, seed=options.seed, people=options.people)))


if __name__ == "__main__":
    main()
