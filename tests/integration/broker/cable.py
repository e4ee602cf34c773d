"""A cable to the broker that a test can hold and cut."""

import asyncio
import contextlib
from urllib.parse import urlsplit

from des.lifecycle import TaskOwner


class Cable:
    """A loopback port that leads to the broker of `amqp_url`; `url` is the broker's address at this end. A Service."""

    name = "cable"

    def __init__(self, amqp_url: str) -> None:
        self._broker = urlsplit(amqp_url)
        self._tasks = TaskOwner(self.name)
        self._flows = asyncio.Event()
        self._flows.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.url = ""
        self.held = 0
        """Directions in which something waits to be carried."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._plugged_in, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user, _, _ = self._broker.netloc.rpartition("@")
        self.url = self._broker._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        await self._tasks.close()

    def hold(self) -> None:
        """Carry nothing more in either direction, without anybody being told."""
        self._flows.clear()

    def release(self) -> None:
        """Carry again."""
        self._flows.set()

    def cut(self) -> None:
        """Break every connection off; new ones can be made."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    def _plugged_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.spawn(self._carry_both(reader, writer), "connection")

    async def _carry_both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._broker.hostname, self._broker.port)
        self._ends |= {writer, far_writer}
        async with asyncio.TaskGroup() as both:
            both.create_task(self._carry(reader, far_writer))
            both.create_task(self._carry(far_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                self.held += 1
                await self._flows.wait()
                self.held -= 1
                writer.write(data)
                await writer.drain()
        writer.close()
