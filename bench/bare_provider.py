"""A provider process that costs as little as Python allows: what a call out is measured against.

    python -m bench.bare_provider [--port 0] [--delay-ms 0]

Prints one line of JSON (`{"url": …}`) when it listens. `GET /…?first_name=john&last_name=doe&company=sayprimer.com`
answers `{"data":{"email":"john.doe@sayprimer.com","score":97}}`: the values of the query's first three parameters, in
that order and as they came (percent-encoded), so that whoever asks can check that the answer is their own. HTTP/1.1,
keep-alive and pipelining; requests have no body. With a delay, every answer is sent that much later.

On uvloop, as the service: asyncio's own loop maps and unmaps 256 KiB of memory for each read, and what the provider
takes of the two cores is missing to whoever calls it.
"""

import argparse
import asyncio
import json
import signal
from typing import cast

from des.lifecycle import run

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_BODY = b'{"data":{"email":"%b.%b@%b","score":97}}'
_END = b"\r\n\r\n"


def answer(request: bytes) -> bytes:
    """Response bytes for one request head."""
    target = request[: request.index(b"\r\n")].split(b" ", 2)[1]
    values = [part.partition(b"=")[2] for part in target.partition(b"?")[2].split(b"&")]
    first, last, company = (*values, b"", b"", b"")[:3]
    body = _BODY % (first, last, company)
    return _HEAD % (len(body), body)


class BareProvider(asyncio.Protocol):
    """One connection."""

    def __init__(self, delay_s: float) -> None:
        """Take the seconds by which each answer is delayed."""
        self._delay_s = delay_s
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # what a stream server hands over

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        *requests, self._rest = (self._rest + data).split(_END)
        if not requests or self._transport is None:
            return
        answers = b"".join(map(answer, requests))
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, answers)
        else:
            self._transport.write(answers)


async def serve(port: int, delay_s: float) -> None:
    """Listen on loopback until SIGTERM or SIGINT; port 0 takes a free one."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BareProvider(delay_s), "127.0.0.1", port, backlog=1024)
    print(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}), flush=True)
    await until_stopped()
    server.close()


async def until_stopped() -> None:
    """Wait for SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    options = parser.parse_args()
    run(serve(options.port, options.delay_ms / 1000))


if __name__ == "__main__":
    main()
