"""JSON bodies of HTTP requests: refused before they are read where they can be, bounded while they are read.

Bodies may be compressed (gzip, deflate); every bound is on what they unpack to, counted while it is read.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from des.errors import InvalidInput, Overloaded
from des.limits import HTTP_BODIES_BYTES_MAX
from des.routes import JSON
from des.surface import problem_json

_ENCODINGS: Final = frozenset({"", "identity", "gzip", "deflate"})
"""What aiohttp unpacks by itself, without a library that may be missing."""


class Bodies:
    """Reads the bodies of one kind of request, and knows how much of them is in hand."""

    def __init__(self, body_bytes_max: int) -> None:
        """Take the most bytes of one body."""
        self.body_bytes_max = body_bytes_max
        self._bytes_in_hand = 0

    def check(self, request: web.Request) -> None:
        """Refuse what cannot be read before reading it. Raises InvalidInput."""
        if request.content_type != JSON or (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
            given = request.headers.get("Content-Type", "")[:100]
            raise InvalidInput("UNKNOWN_CONTENT_TYPE", f"the content type is {given!r}; send {JSON} in UTF-8")
        encoding = request.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            what = f"the content encoding is {encoding[:100]!r}; send gzip, deflate, or none"
            raise InvalidInput("UNKNOWN_CONTENT_ENCODING", what)
        if not encoding and (request.content_length or 0) > self.body_bytes_max:
            raise self._too_large()

    @contextlib.asynccontextmanager
    async def read(self, request: web.Request) -> AsyncIterator[bytes]:
        """Read a body and hold it for the length of the block.

        Raises InvalidInput TOO_LARGE, Overloaded, and web.RequestPayloadError where it cannot be unpacked.
        """
        body = bytearray()
        try:
            async for chunk in request.content.iter_any():
                body += chunk
                self._bytes_in_hand += len(chunk)
                if len(body) > self.body_bytes_max:
                    raise self._too_large()
                if self._bytes_in_hand > HTTP_BODIES_BYTES_MAX:
                    raise Overloaded("too many large bodies at once; send again in a moment")
            yield bytes(body)
        finally:
            self._bytes_in_hand -= len(body)

    def _too_large(self) -> InvalidInput:
        return InvalidInput("TOO_LARGE", f"a body has at most {self.body_bytes_max:,} bytes; send smaller batches")


def unreadable(request: web.Request, error: web.RequestPayloadError) -> web.Response:
    """Answer a body that cannot be unpacked. The connection ends: aiohttp has lost its place in it."""
    what = " ".join(str(error).split())  # aiohttp's message has several lines
    status, headers, body = problem_json(InvalidInput("MALFORMED_ENCODING", f"the body cannot be read: {what}"))
    request.content.feed_eof()  # or aiohttp reads on after the answer, and fails again
    response = web.Response(status=status, headers=headers, body=body)
    response.force_close()
    return response
