"""`POST /v1/enrichments`: the JSON of a batch in, 202 once the broker has confirmed it.

Bodies may be compressed (gzip, deflate); every bound is on what they unpack to, counted while it is read.
"""

import asyncio
from typing import Final

import msgspec
from aiohttp import web

from des.errors import InvalidInput, Overloaded
from des.ingest.intake import Intake
from des.limits import HTTP_BODIES_BYTES_MAX, HTTP_BODY_BYTES_MAX, MIB
from des.routes import JSON, Body, Route
from des.surface import problem_json
from des.tenancy import tenant_of
from des.wire import ContactBatchDocument, EncodedBatch, encode_json

_PATH: Final = "/v1/enrichments"
_ENCODINGS: Final = frozenset({"", "identity", "gzip", "deflate"})
"""What aiohttp unpacks by itself, without a library that may be missing."""
_THREAD_BYTES_MIN: Final = 1 * MIB
"""Bodies from this size are decoded in a thread: 1 MiB holds the event loop for some 20 ms."""


class AcceptedDocument(msgspec.Struct, frozen=True):
    """The batch is DES's now. `location` is where its enrichment is read."""

    erid: str
    batch_id: str
    contacts: int
    fields_to_be_enriched: tuple[str, ...]
    location: str


class IngestRoutes:
    """The handler, and the table that says where it answers and what."""

    def __init__(self, intake: Intake, fields: frozenset[str], *, body_bytes_max: int = HTTP_BODY_BYTES_MAX) -> None:
        """Take where batches go, the configured fields, and the most bytes of one body."""
        self._intake = intake
        self._fields = fields
        self._body_bytes_max = body_bytes_max
        self._bytes_in_hand = 0

    def routes(self) -> tuple[Route, ...]:
        """Return the route table."""
        return (
            Route(
                "POST",
                _PATH,
                self.push,
                "pushContacts",
                "Send a batch of contacts to be enriched",
                {202: Body("the broker has confirmed the batch", {JSON: AcceptedDocument})},
                (400, 413, 415, 422),
                body=Body("the batch", {JSON: ContactBatchDocument}),
            ),
        )

    async def push(self, request: web.Request) -> web.Response:
        """Take a batch. Raises InvalidInput, Overloaded and BrokerUnavailable."""
        _check_headers(request, self._body_bytes_max)
        await self._intake.room()
        try:
            batch = await self._read_batch(request)
        except web.RequestPayloadError as error:
            return _unreadable(request, error)
        await self._intake.push(batch)
        return _accepted(batch)

    async def _read_batch(self, request: web.Request) -> EncodedBatch:
        body = bytearray()
        try:
            async for chunk in request.content.iter_any():
                body += chunk
                self._bytes_in_hand += len(chunk)
                self._check_size(len(body))
            tenant = tenant_of(request)
            if len(body) < _THREAD_BYTES_MIN:
                return encode_json(bytes(body), tenant, self._fields)
            return await asyncio.to_thread(encode_json, bytes(body), tenant, self._fields)
        finally:
            self._bytes_in_hand -= len(body)

    def _check_size(self, body_bytes: int) -> None:
        if body_bytes > self._body_bytes_max:
            raise _too_large(self._body_bytes_max)
        if self._bytes_in_hand > HTTP_BODIES_BYTES_MAX:
            raise Overloaded("too many large bodies at once; send again in a moment")


def _too_large(body_bytes_max: int) -> InvalidInput:
    return InvalidInput("TOO_LARGE", f"a body has at most {body_bytes_max:,} bytes; send smaller batches")


def _check_headers(request: web.Request, body_bytes_max: int) -> None:
    """Refuse what cannot be read before reading it."""
    if request.content_type != JSON or (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        given = request.headers.get("Content-Type", "")[:100]
        raise InvalidInput("UNKNOWN_CONTENT_TYPE", f"the content type is {given!r}; send {JSON} in UTF-8")
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        what = f"the content encoding is {encoding[:100]!r}; send gzip, deflate, or none"
        raise InvalidInput("UNKNOWN_CONTENT_ENCODING", what)
    if not encoding and (request.content_length or 0) > body_bytes_max:
        raise _too_large(body_bytes_max)


def _unreadable(request: web.Request, error: web.RequestPayloadError) -> web.Response:
    """Answer a body that cannot be unpacked. The connection ends: aiohttp has lost its place in it."""
    what = " ".join(str(error).split())  # aiohttp's message has several lines
    status, headers, body = problem_json(InvalidInput("MALFORMED_ENCODING", f"the body cannot be read: {what}"))
    request.content.feed_eof()  # or aiohttp reads on after the answer, and fails again
    response = web.Response(status=status, headers=headers, body=body)
    response.force_close()
    return response


def _accepted(batch: EncodedBatch) -> web.Response:
    location = f"{_PATH}/{batch.erid}"
    document = AcceptedDocument(str(batch.erid), str(batch.batch_id), batch.contacts, batch.fields, location)
    return web.Response(
        status=202, body=msgspec.json.encode(document), content_type=JSON, headers={"Location": location}
    )
