"""A TCP proxy between the service and a server: loses replies, cuts connections. A Service: `start`, `stop`."""

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from des.lifecycle import TaskOwner

COMMIT: Final = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
"""What asyncpg sends to commit, as a whole message (Postgres protocol 3.0, simple query)."""
_CHUNK_BYTES = 65_536


class Proxy:
    """Forwards everything, until somebody says that it loses something.

    `loses` sees each chunk a client sends; where it answers True, the chunk is forwarded, the server's next reply is
    swallowed, and both connections are cut: the client never learns what became of it.
    """

    name = "proxy"

    def __init__(self, server_url: str) -> None:
        """Take the URL of the server behind."""
        self._server_url = server_url
        self._server: asyncio.Server | None = None
        self._tasks = TaskOwner(self.name)
        self._writers: set[asyncio.StreamWriter] = set()
        self.loses: Callable[[bytes], bool] = lambda _: False
        self.lost = 0

    @property
    def url(self) -> str:
        """The server's URL, by way of the proxy."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        parts = urlsplit(self._server_url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition(":")[0] + f":{port}"))

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Cut everything."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await self._tasks.close()

    def cut(self) -> None:
        """Cut every connection, as a firewall that forgets them does."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        where = urlsplit(self._server_url)
        try:
            server_reader, server_writer = await asyncio.open_connection(where.hostname, where.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, server_writer}
        losing = asyncio.Event()
        self._tasks.spawn(self._requests(reader, server_writer, losing), "requests")
        self._tasks.spawn(self._replies(server_reader, writer, server_writer, losing), "replies")

    async def _requests(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        while chunk := await _read(reader):
            if not losing.is_set() and self.loses(chunk):
                losing.set()
                self.lost += 1
            server.write(chunk)
        server.close()
        self._writers.discard(server)

    async def _replies(
        self,
        reader: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
        losing: asyncio.Event,
    ) -> None:
        while (chunk := await _read(reader)) and not losing.is_set():
            client.write(chunk)
        for writer in (client, server):
            writer.transport.abort()
            self._writers.discard(writer)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(_CHUNK_BYTES)
    except OSError:
        return b""
