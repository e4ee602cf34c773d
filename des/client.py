"""The Python client of DES, on gRPC: push batches, read the object, its results as they come, and its progress.

    async with Client("127.0.0.1:7700") as des:
        await des.push([contact_batch])
        async for enrichment in des.watch(erid):
            print(enrichment.progress.contacts_done)
        async for contact in des.results(erid):
            print(contact.enriched["professional_email"].value)

Values are the messages of `des.v1`. What DES refuses is raised as `RemoteError` with the same reason code and the same
wrong places that it has inside DES. Nothing is tried again behind the caller's back: sending a batch again is always
harmless, and `retryable` says when it helps.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from des.errors import DesError, Violation
from des.limits import GRPC_MESSAGE_BYTES_MAX
from des.v1 import contact_pb2, enrichment_pb2, enrichment_pb2_grpc, ingest_pb2, ingest_pb2_grpc

Batches = AsyncIterable[contact_pb2.ContactBatch] | Iterable[contact_pb2.ContactBatch]

_RETRYABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED)
_BUSY = "Concurrent RPC limit exceeded!"
"""What gRPC's own server says to a call more than it serves; to a message that is too large it gives the same code."""


class RemoteError(DesError):
    """DES did not do what was asked: the reason code, the wrong places, and when to try again.

    `reason` is DES's own code, or the name of the gRPC status where DES could not be reached. `retryable` says that
    sending the same again may work, after `retry_after_s` seconds.
    """

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        """Read the error's details."""
        super().__init__(error.details() or error.code().name)
        self.reason = error.code().name
        self.retryable = error.code() in _RETRYABLE or error.details() == _BUSY
        self.retry_after_s = 1.0
        self.violations: tuple[Violation, ...] = ()
        self._read_details(error)

    def _read_details(self, error: grpc.aio.AioRpcError) -> None:
        status = rpc_status.from_call(error)
        info = error_details_pb2.ErrorInfo()
        bad_request = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        for detail in status.details if status is not None else ():
            if detail.Unpack(info):
                self.reason = info.reason
            elif detail.Unpack(bad_request):
                places = bad_request.field_violations
                self.violations = tuple(Violation(place.field, place.description) for place in places)
            elif detail.Unpack(retry):
                self.retryable = True
                self.retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()


class Client:
    """One connection to DES, shared by as many calls at once as you like. Use it as an async context manager.

    Every call raises RemoteError. Close a stream that you leave early (`contextlib.aclosing`).
    """

    def __init__(self, address: str) -> None:
        """Take `host:port` of DES's gRPC door."""
        self._address = address
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        """Open the channel; it connects when it is used first."""
        options = (
            ("grpc.max_send_message_length", GRPC_MESSAGE_BYTES_MAX),
            ("grpc.max_receive_message_length", GRPC_MESSAGE_BYTES_MAX),
        )
        self._channel = grpc.aio.insecure_channel(self._address, options=options)
        self._ingest = ingest_pb2_grpc.IngestServiceStub(self._channel)
        self._enrichments = enrichment_pb2_grpc.EnrichmentServiceStub(self._channel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the channel; calls still running are cancelled."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def push(self, batches: Batches) -> ingest_pb2.PushContactsResponse:
        """Send batches, no faster than DES takes them; returns when all are confirmed, with what became of them."""
        with _remote_errors():
            response: ingest_pb2.PushContactsResponse = await self._ingest.PushContacts(_requests(batches))
        return response

    async def create(
        self, erid: UUID | str, options: contact_pb2.EnrichmentOptions | None = None
    ) -> enrichment_pb2.Enrichment:
        """Open an enrichment before its first batch, with these options."""
        request = enrichment_pb2.CreateEnrichmentRequest(erid=str(erid), options=options)
        with _remote_errors():
            return (await self._enrichments.CreateEnrichment(request)).enrichment

    async def get(
        self, erid: UUID | str, *, page_size: int = 0, page_token: str = ""
    ) -> enrichment_pb2.GetEnrichmentResponse:
        """Return the object with one page of its contacts, finished or not; 0 is as many as a page takes."""
        request = enrichment_pb2.GetEnrichmentRequest(erid=str(erid), page_size=page_size, page_token=page_token)
        with _remote_errors():
            response: enrichment_pb2.GetEnrichmentResponse = await self._enrichments.GetEnrichment(request)
        return response

    async def contacts(self, erid: UUID | str) -> AsyncGenerator[enrichment_pb2.EnrichedContact, None]:
        """Yield every contact of the object, finished or not, page by page."""
        page = await self.get(erid)
        while True:
            for contact in page.contact_list:
                yield contact
            if not page.next_page_token:
                return
            page = await self.get(erid, page_token=page.next_page_token)

    async def enrichments(self) -> AsyncGenerator[enrichment_pb2.Enrichment, None]:
        """Yield the enrichments, newest first, page by page."""
        request = enrichment_pb2.ListEnrichmentsRequest()
        while True:
            with _remote_errors():
                page = await self._enrichments.ListEnrichments(request)
            for enrichment in page.enrichments:
                yield enrichment
            if not page.next_page_token:
                return
            request = enrichment_pb2.ListEnrichmentsRequest(page_token=page.next_page_token)

    async def update(
        self,
        erid: UUID | str,
        options: contact_pb2.EnrichmentOptions | None = None,
        clear: Iterable[str] = (),
        *,
        resume: bool = False,
    ) -> enrichment_pb2.UpdateEnrichmentResponse:
        """Change what `options` sets and take away what `clear` names (`budget.credits`, …).

        A raised budget resumes what the cap had ended; `resume` does so after a tenant's or provider's was raised.
        """
        options = options or contact_pb2.EnrichmentOptions()
        request = enrichment_pb2.UpdateEnrichmentRequest(erid=str(erid), options=options, resume=resume)
        if cleared := list(clear):
            request.update_mask.paths.extend([*cleared, *_paths_of(options)])
        with _remote_errors():
            response: enrichment_pb2.UpdateEnrichmentResponse = await self._enrichments.UpdateEnrichment(request)
        return response

    async def quote(self, batch: contact_pb2.ContactBatch) -> enrichment_pb2.QuoteEnrichmentResponse:
        """Ask what a batch would cost; nothing is spent, sent or written."""
        request = enrichment_pb2.QuoteEnrichmentRequest(batch=batch)
        with _remote_errors():
            response: enrichment_pb2.QuoteEnrichmentResponse = await self._enrichments.QuoteEnrichment(request)
        return response

    async def seal(self, erid: UUID | str) -> enrichment_pb2.Enrichment:
        """Say that no more batches come."""
        request = enrichment_pb2.SealEnrichmentRequest(erid=str(erid))
        with _remote_errors():
            return (await self._enrichments.SealEnrichment(request)).enrichment

    async def cancel(self, erid: UUID | str) -> enrichment_pb2.Enrichment:
        """End what is not finished; what was found stays."""
        request = enrichment_pb2.CancelEnrichmentRequest(erid=str(erid))
        with _remote_errors():
            return (await self._enrichments.CancelEnrichment(request)).enrichment

    async def watch(self, erid: UUID | str) -> AsyncGenerator[enrichment_pb2.Enrichment, None]:
        """Yield the object without contacts, now and at every change, until it is completed or cancelled."""
        call = self._enrichments.WatchEnrichment(enrichment_pb2.WatchEnrichmentRequest(erid=str(erid)))
        with _remote_errors(), _cancelled_at_the_end(call):
            async for response in call:
                yield response.enrichment

    async def results(
        self, erid: UUID | str, *, follow: bool = False
    ) -> AsyncGenerator[enrichment_pb2.EnrichedContact, None]:
        """Yield every finished contact once; with `follow` also what finishes later, until the enrichment has ended."""
        request = enrichment_pb2.StreamResultsRequest(erid=str(erid), follow=follow)
        call = self._enrichments.StreamResults(request)
        with _remote_errors(), _cancelled_at_the_end(call):
            async for response in call:
                for contact in response.contacts:
                    yield contact


@contextlib.contextmanager
def _remote_errors() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise RemoteError(error) from error


@contextlib.contextmanager
def _cancelled_at_the_end(call: Any) -> Iterator[None]:
    """End a stream that is left early; harmless where it has ended."""
    try:
        yield
    finally:
        call.cancel()


def _paths_of(options: contact_pb2.EnrichmentOptions) -> list[str]:
    """What the options set, as paths of a field mask."""
    paths = [field.name for field, _ in options.ListFields() if field.name != "budget"]
    return [*paths, *(f"budget.{field.name}" for field, _ in options.budget.ListFields())]


async def _requests(batches: Batches) -> AsyncIterator[ingest_pb2.PushContactsRequest]:
    if isinstance(batches, AsyncIterable):
        async for batch in batches:
            yield ingest_pb2.PushContactsRequest(batch=batch)
        return
    for batch in batches:
        yield ingest_pb2.PushContactsRequest(batch=batch)
