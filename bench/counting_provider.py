"""The bare provider (`bare_provider.py`) with a memory: what came when, and a refusal for what passes a rate.

    python -m bench.counting_provider [--delay-ms 0] [--windows '[[20, 1.0], [80, 5.0]]']

A line of numbers on its input is answered by a line of JSON: `{"requests", "refused", "at", "marked"}`. `at`: when the
requests of these numbers came, counted from 0, by the monotonic clock, which all processes of a machine share.
`marked`: when each first name that begins with `Alone` was asked for first. A request above one of the windows, which
slide, is answered with 429 and does not count.
"""

import argparse
import asyncio
import json
import sys
import time
from array import array
from collections import deque
from collections.abc import Sequence

from bench.bare_provider import answer, until_stopped

MARK = "Alone"
_END = b"\r\n\r\n"
_REFUSAL = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"


class Counts:
    """What has come so far."""

    def __init__(self, windows: Sequence[tuple[int, float]]) -> None:
        """Take the windows as (requests, seconds)."""
        self._windows = [(count, per_s, deque[float]()) for count, per_s in windows]
        self.times = array("d")
        self.refused = 0
        self.marked: dict[str, float] = {}

    def answer(self, request: bytes, now: float) -> bytes:
        """Count a request and answer it."""
        name = request.partition(b"first_name=")[2].partition(b"&")[0].decode()
        if name.startswith(MARK):
            self.marked.setdefault(name, now)
        for count, per_s, recent in self._windows:
            while recent and recent[0] <= now - per_s:
                recent.popleft()
            if len(recent) >= count:
                self.refused += 1
                return _REFUSAL
        for _, _, recent in self._windows:
            recent.append(now)
        self.times.append(now)
        return answer(request)

    def report(self, numbers: Sequence[int]) -> str:
        """The counts as a line of JSON, with when the requests of these numbers came."""
        at = [self.times[number] for number in numbers]
        return json.dumps({"requests": len(self.times), "refused": self.refused, "at": at, "marked": self.marked})


class CountingProvider(asyncio.Protocol):
    """One connection."""

    def __init__(self, counts: Counts, delay_s: float) -> None:
        """Take what counts, and the seconds by which each answer is delayed."""
        self._counts = counts
        self._delay_s = delay_s
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (what a stream server hands over)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        *requests, self._rest = (self._rest + data).split(_END)
        if not requests or self._transport is None:
            return
        now = time.monotonic()
        answers = b"".join([self._counts.answer(request, now) for request in requests])
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, answers)
        else:
            self._transport.write(answers)


async def serve(counts: Counts, delay_s: float) -> None:
    """Listen on loopback until SIGTERM or SIGINT; tell the counts to whoever writes a line."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    server = await loop.create_server(lambda: CountingProvider(counts, delay_s), "127.0.0.1", 0, backlog=1024)
    print(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}), flush=True)
    telling = asyncio.create_task(_tell(lines, counts))
    await until_stopped()
    telling.cancel()
    server.close()


async def _tell(lines: asyncio.StreamReader, counts: Counts) -> None:
    while line := await lines.readline():
        print(counts.report([int(number) for number in line.split()]), flush=True)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--windows", type=json.loads, default=[])
    options = parser.parse_args()
    asyncio.run(serve(Counts(options.windows), options.delay_ms / 1000))


if __name__ == "__main__":
    main()
