"""`POST /v1/enrichments`: the JSON of a batch in, 202 once the broker has confirmed it."""

import asyncio
from typing import Final

import msgspec
from aiohttp import web

from des.bodies import Bodies, unreadable
from des.ingest.intake import Intake
from des.limits import HTTP_BODY_BYTES_MAX, MIB
from des.routes import JSON, Body, Route
from des.tenancy import tenant_of
from des.wire import ContactBatchDocument, EncodedBatch, encode_json

_PATH: Final = "/v1/enrichments"
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
        self._bodies = Bodies(body_bytes_max)

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
        self._bodies.check(request)
        await self._intake.room()
        try:
            async with self._bodies.read(request) as body:
                batch = await self._decoded(body, tenant_of(request))
        except web.RequestPayloadError as error:
            return unreadable(request, error)
        await self._intake.push(batch)
        return _accepted(batch)

    async def _decoded(self, body: bytes, tenant: str) -> EncodedBatch:
        if len(body) < _THREAD_BYTES_MIN:
            return encode_json(body, tenant, self._fields)
        return await asyncio.to_thread(encode_json, body, tenant, self._fields)


def _accepted(batch: EncodedBatch) -> web.Response:
    location = f"{_PATH}/{batch.erid}"
    document = AcceptedDocument(str(batch.erid), str(batch.batch_id), batch.contacts, batch.fields, location)
    return web.Response(
        status=202, body=msgspec.json.encode(document), content_type=JSON, headers={"Location": location}
    )
