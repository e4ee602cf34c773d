"""An HTTP answer that is written piece by piece: no faster than its client reads, and not for ever."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from des.limits import KIB, WRITE_DEADLINE_S

SLICE_BYTES = 64 * KIB
"""What a client has to take within the deadline: a piece may have megabytes, and its connection be slow."""


class Stream:
    """Writes pieces of a body to one client."""

    def __init__(self, request: web.Request, headers: Mapping[str, str]) -> None:
        """Take the request to answer and the headers of the answer, its content type among them."""
        self._request = request
        self.response = web.StreamResponse(headers={"Cache-Control": "no-store", **headers})

    async def open(self) -> None:
        """Send the head of the answer."""
        await self.response.prepare(self._request)

    async def write(self, piece: bytes) -> None:
        """Send a piece, and wait while the client has more than a buffer of them to take.

        Raises ConnectionError when it has gone and TimeoutError when it takes nothing for WRITE_DEADLINE_S.
        """
        for start in range(0, len(piece), SLICE_BYTES):
            async with asyncio.timeout(WRITE_DEADLINE_S):
                await self.response.write(piece[start : start + SLICE_BYTES])

    def cut(self) -> None:
        """Drop the connection, so that the client cannot take what it has for the whole."""
        if self._request.transport is not None:
            self._request.transport.abort()


@contextlib.asynccontextmanager
async def streaming(stream: Stream) -> AsyncIterator[Stream]:
    """Answer with a stream for the length of the block; a client that goes, or takes nothing, ends the block."""
    try:
        await stream.open()
        yield stream
    except (ConnectionError, TimeoutError):
        stream.cut()
    except Exception:  # whatever it is, the answer must not look whole; the middleware logs it
        stream.cut()
        raise
