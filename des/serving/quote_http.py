"""`POST /v1/enrichments:quote`: the JSON of a batch in, what it would cost out."""

import asyncio
from typing import Final

import msgspec
from aiohttp import web

from des.bodies import Bodies, unreadable
from des.limits import HTTP_BODY_BYTES_MAX, MIB
from des.routes import JSON, Body, Route
from des.serving.quote import Quote, Quoter
from des.tenancy import tenant_of
from des.wire import ContactBatchDocument, decode_json

_THREAD_BYTES_MIN: Final = 1 * MIB
"""Bodies from this size are decoded in a thread: 1 MiB holds the event loop for some 20 ms."""


class QuoteRoutes:
    """The handler, and the table that says where it answers and what."""

    def __init__(self, quoter: Quoter, *, body_bytes_max: int = HTTP_BODY_BYTES_MAX) -> None:
        """Take who makes quotes, and the most bytes of one body."""
        self._quoter = quoter
        self._bodies = Bodies(body_bytes_max)

    def routes(self) -> tuple[Route, ...]:
        """Return the route table."""
        return (
            Route(
                "POST",
                "/v1/enrichments:quote",
                self.quote,
                "quoteEnrichment",
                "What a batch would cost; nothing is spent, sent or written",
                {200: Body("the quote", {JSON: Quote})},
                (400, 413, 415, 422),
                body=Body("the batch, as it would be sent", {JSON: ContactBatchDocument}),
            ),
        )

    async def quote(self, request: web.Request) -> web.Response:
        """Quote a batch. Raises InvalidInput, Overloaded and StoreUnavailable."""
        self._bodies.check(request)
        tenant, fields = tenant_of(request), self._quoter.fields
        try:
            async with self._bodies.read(request) as body:
                if len(body) < _THREAD_BYTES_MIN:
                    batch = decode_json(body, tenant, fields)
                else:
                    batch = await asyncio.to_thread(decode_json, body, tenant, fields)
        except web.RequestPayloadError as error:
            return unreadable(request, error)
        quote = await self._quoter.quote(batch)
        return web.Response(body=msgspec.json.encode(quote), content_type=JSON)
