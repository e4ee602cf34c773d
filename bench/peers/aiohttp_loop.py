"""Nothing but calls: 64 loops of aiohttp over one provider, without queue, database or meaning.

    python -m bench.peers.aiohttp_loop --url URL [--concurrency 64]

Reads one number of calls a line, makes them, answers with one line of JSON (`{"calls_per_s": …}`); so the process is
warm when it is measured. The first line it writes says that it is ready.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator

import aiohttp


async def calls_per_s(session: aiohttp.ClientSession, url: str, calls: int, concurrency: int) -> float:
    """Make the calls and return their rate. Raises ClientError where one is not answered with 200."""
    numbers = iter(range(calls))
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(_loop(session, url, numbers))
    return calls / (time.monotonic() - started)


async def _loop(session: aiohttp.ClientSession, url: str, numbers: Iterator[int]) -> None:
    for number in numbers:
        query = {"first_name": "Mara", "last_name": f"Bolenn{number}", "company": "company1.example"}
        async with session.get(url, params=query) as response:
            response.raise_for_status()
            await response.read()


async def run(url: str, concurrency: int) -> None:
    """Answer until there is no further line."""
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:
        print(json.dumps({"ready": True}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            rate = await calls_per_s(session, f"{url}/v1/find", int(line), concurrency)
            print(json.dumps({"calls_per_s": rate}), flush=True)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    asyncio.run(run(options.url, options.concurrency))


if __name__ == "__main__":
    main()
