"""gRPC `des.v1.EnrichmentService`: the object of each ERID, read, steered, streamed and watched."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc

from des.limits import (
    PAGE_BYTES_MAX,
    PAGE_CONTACTS_MAX,
    PAGE_ENRICHMENTS_DEFAULT,
    PAGE_ENRICHMENTS_MAX,
)
from des.serving.message import contact_message, enrichment_message, quote_message, within
from des.serving.paging import contact_place, contact_token, enrichment_place, enrichment_token, page_size
from des.serving.query import erid_of
from des.serving.quote import Quoter
from des.serving.results import Results
from des.serving.watcher import Watcher
from des.store.reading import ObjectPage, Place, ReadingStore
from des.tenancy import tenant_of
from des.v1 import enrichment_pb2 as pb
from des.v1 import enrichment_pb2_grpc
from des.wire import decode_proto
from des.wire.options import change_in_message, checked, checked_change, stated_in_message

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["EnrichmentService"].full_name

Context = grpc.aio.ServicerContext[Any, Any]


class EnrichmentServicer(enrichment_pb2_grpc.EnrichmentServiceServicer):
    """Answers from the store; what it raises leaves with its reason and details (`des.ingest.answers`)."""

    service_name = SERVICE_NAME

    def __init__(self, store: ReadingStore, results: Results, watcher: Watcher, quoter: Quoter) -> None:
        """Take what it reads from, and who makes quotes."""
        self._store = store
        self._results = results
        self._watcher = watcher
        self._quoter = quoter

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register the service."""
        enrichment_pb2_grpc.add_EnrichmentServiceServicer_to_server(self, server)

    def drain(self) -> None:
        """End watches and followed results with UNAVAILABLE; the client asks again."""
        self._watcher.release()

    async def CreateEnrichment(  # noqa: N802 - the name in the proto
        self, request: pb.CreateEnrichmentRequest, context: Context
    ) -> pb.CreateEnrichmentResponse:
        """Open an ERID; harmless where it is open."""
        erid = erid_of(request.erid)
        options = checked(stated_in_message(request.options), request.erid)
        enrichment = await self._store.create(tenant_of(context), erid, options)
        return pb.CreateEnrichmentResponse(enrichment=enrichment_message(enrichment))

    async def GetEnrichment(  # noqa: N802 - the name in the proto
        self, request: pb.GetEnrichmentRequest, context: Context
    ) -> pb.GetEnrichmentResponse:
        """Return the object with a page of contacts."""
        erid = erid_of(request.erid)
        contacts_max = page_size(request.page_size, PAGE_CONTACTS_MAX, PAGE_CONTACTS_MAX)
        after = contact_place(request.page_token, erid)
        page = await self._store.page(tenant_of(context), erid, after, contacts_max)
        return _page_message(page)

    async def ListEnrichments(  # noqa: N802 - the name in the proto
        self, request: pb.ListEnrichmentsRequest, context: Context
    ) -> pb.ListEnrichmentsResponse:
        """Return a page of the tenant's objects."""
        size = page_size(request.page_size, PAGE_ENRICHMENTS_DEFAULT, PAGE_ENRICHMENTS_MAX)
        after = enrichment_place(request.page_token)
        found = await self._store.enrichments(tenant_of(context), after, size + 1)
        shown = found[:size]
        return pb.ListEnrichmentsResponse(
            enrichments=map(enrichment_message, shown),
            next_page_token=enrichment_token(shown[-1]) if len(found) > size else "",
        )

    async def UpdateEnrichment(  # noqa: N802 - the name in the proto
        self, request: pb.UpdateEnrichmentRequest, context: Context
    ) -> pb.UpdateEnrichmentResponse:
        """Change the options, and resume what a raised budget allows."""
        tenant, erid = tenant_of(context), erid_of(request.erid)
        change = change_in_message(request.options, request.update_mask.paths, request.erid)
        change = checked_change(change, request.erid)
        enrichment, resumed = await self._store.update(tenant, erid, change, resume=request.resume)
        self._watcher.notify(tenant, erid)
        return pb.UpdateEnrichmentResponse(enrichment=enrichment_message(enrichment), resumed_contacts=resumed)

    async def QuoteEnrichment(  # noqa: N802 - the name in the proto
        self, request: pb.QuoteEnrichmentRequest, context: Context
    ) -> pb.QuoteEnrichmentResponse:
        """Say what a batch would cost."""
        batch = await asyncio.to_thread(decode_proto, request.batch, tenant_of(context), self._quoter.fields)
        quote = await self._quoter.quote(batch)
        return quote_message(quote)

    async def SealEnrichment(  # noqa: N802 - the name in the proto
        self, request: pb.SealEnrichmentRequest, context: Context
    ) -> pb.SealEnrichmentResponse:
        """Take no more batches."""
        tenant, erid = tenant_of(context), erid_of(request.erid)
        enrichment = await self._store.seal(tenant, erid)
        self._watcher.notify(tenant, erid)
        return pb.SealEnrichmentResponse(enrichment=enrichment_message(enrichment))

    async def CancelEnrichment(  # noqa: N802 - the name in the proto
        self, request: pb.CancelEnrichmentRequest, context: Context
    ) -> pb.CancelEnrichmentResponse:
        """End what is outstanding."""
        tenant, erid = tenant_of(context), erid_of(request.erid)
        enrichment = await self._store.cancel(tenant, erid)
        self._watcher.notify(tenant, erid)
        return pb.CancelEnrichmentResponse(enrichment=enrichment_message(enrichment))

    async def StreamResults(  # noqa: N802 - the name in the proto
        self, request: pb.StreamResultsRequest, context: Context
    ) -> AsyncIterator[pb.StreamResultsResponse]:
        """Yield finished contacts; gRPC's flow control holds the next read back until the client has taken these."""
        groups = self._results.groups(tenant_of(context), erid_of(request.erid), follow=request.follow)
        async with contextlib.aclosing(groups):
            async for group in groups:
                for contacts in within(group, PAGE_BYTES_MAX):
                    yield pb.StreamResultsResponse(contacts=contacts)

    async def WatchEnrichment(  # noqa: N802 - the name in the proto
        self, request: pb.WatchEnrichmentRequest, context: Context
    ) -> AsyncIterator[pb.WatchEnrichmentResponse]:
        """Yield the object now and after every change, until it has ended."""
        async with self._watcher.watch(tenant_of(context), erid_of(request.erid)) as watch:
            yield pb.WatchEnrichmentResponse(enrichment=enrichment_message(watch.enrichment))
            while not watch.enrichment.ended:
                if await watch.change() is not None:
                    yield pb.WatchEnrichmentResponse(enrichment=enrichment_message(watch.enrichment))


def _page_message(page: ObjectPage) -> pb.GetEnrichmentResponse:
    """Return the page, cut where its bytes would pass what a client takes."""
    response = pb.GetEnrichmentResponse(enrichment=enrichment_message(page.enrichment))
    last = page.last
    size = 0
    for contact, after in zip(page.contacts, [*page.contacts[1:], None], strict=True):
        message = contact_message(contact)
        response.contact_list.append(message)
        size += message.ByteSize()
        if after is not None and size > PAGE_BYTES_MAX:
            last = Place(contact.seq, contact.position)
            break
    if last is not None:
        response.next_page_token = contact_token(page.enrichment.erid, last)
    return response
