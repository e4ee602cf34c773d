"""A TCP server that behaves badly on purpose: what a raw socket can do to an HTTP client."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class RawServer:
    """Counts the requests whose head arrived whole; `url` is where it listens."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[bytes] = []

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """The head of the next request."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        return head


@contextlib.asynccontextmanager
async def raw_server(behave: Callable[[RawServer], Behaviour]) -> AsyncIterator[RawServer]:
    """Serve every connection as `behave` says, for as long as the context lasts."""
    connections: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        connections.append(group.create_task(_serve(behave(server), reader, writer)))

    try:
        async with asyncio.TaskGroup() as group:
            listening = await asyncio.start_server(connected, "127.0.0.1", 0)
            server = RawServer(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/")
            try:
                yield server
            finally:
                listening.close()
                for connection in connections:
                    connection.cancel()
    finally:
        for writer in writers:  # one that is closed waits until its client has read everything, which some never do
            writer.transport.abort()


async def _serve(behaviour: Behaviour, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        try:
            await behaviour(reader, writer)
        finally:
            writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, as a machine that has forgotten the connection does."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def unused_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
