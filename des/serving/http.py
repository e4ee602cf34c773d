"""HTTP `/v1/enrichments…`: the object of each ERID, read, steered, streamed and watched."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from aiohttp import web

from des.bodies import Bodies, unreadable
from des.errors import DesError, InvalidInput, Violation
from des.limits import KIB, PAGE_CONTACTS_MAX, PAGE_ENRICHMENTS_DEFAULT, PAGE_ENRICHMENTS_MAX
from des.routes import JSON, Body, Route
from des.serving.document import (
    ContactDocument,
    EnrichmentDocument,
    ListDocument,
    ObjectDocument,
    UpdatedDocument,
    enrichment_document,
    list_document,
    object_document,
    updated_document,
)
from des.serving.formats import Csv, Ndjson, ResultFormat
from des.serving.paging import contact_place, enrichment_place, page_size
from des.serving.query import path_erid, query_of
from des.serving.results import Group, Results
from des.serving.sse import CONTENT_TYPE as EVENT_STREAM
from des.serving.sse import EventDocument, answer_events
from des.serving.stream import Stream, streaming
from des.serving.watcher import Watcher
from des.store.reading import Enrichment, ReadingStore
from des.tenancy import tenant_of
from des.wire.steering import CreateDocument, UpdateDocument, decode_create, decode_update

_PATH = "/v1/enrichments/{erid}"
OPTIONS_BYTES_MAX = 16 * KIB
"""A body that holds options; theirs are a few hundred bytes."""


class PageQuery(msgspec.Struct, frozen=True):
    """Which page."""

    page_size: Annotated[int, msgspec.Meta(ge=0, description="entries on a page; 0: as many as usual")] = 0
    page_token: Annotated[str, msgspec.Meta(description="next_page_token of the page before")] = ""


class ResultsQuery(msgspec.Struct, frozen=True):
    """How results come."""

    format: ResultFormat = ResultFormat.NDJSON
    follow: Annotated[
        bool, msgspec.Meta(description="stay for what finishes later, until the enrichment has ended (ndjson)")
    ] = False


class EnrichmentRoutes:
    """The handlers, and the table that says where they answer and what."""

    def __init__(self, store: ReadingStore, results: Results, watcher: Watcher) -> None:
        """Take what they read from."""
        self._store = store
        self._results = results
        self._watcher = watcher
        self._bodies = Bodies(OPTIONS_BYTES_MAX)

    def routes(self) -> tuple[Route, ...]:
        """Return the route table."""
        one = {200: _json("the object without its contacts", EnrichmentDocument)}
        return (
            Route(
                "GET", "/v1/enrichments", self.list, "listEnrichments", "The enrichments, newest first",
                {200: _json("a page of them", ListDocument)}, (422,), PageQuery,
            ),
            Route(
                "GET", _PATH, self.get, "getEnrichment", "The object with a page of its contacts",
                {
                    200: _json("the object; `ETag` names its state", ObjectDocument),
                    304: Body("it is as `If-None-Match` says"),
                },
                (404, 422), PageQuery, {"If-None-Match": "ETag of the state that is known"},
            ),
            Route(
                "PUT", _PATH, self.create, "createEnrichment", "Open the ERID, or find it open",
                one, (400, 404, 409, 413, 415, 422), body=Body("options; may be left out", {JSON: CreateDocument}),
                body_required=False,
            ),
            Route(
                "PATCH", _PATH, self.update, "updateEnrichment", "Change its options; a raised budget resumes",
                {200: _json("the object without its contacts", UpdatedDocument)}, (400, 404, 409, 413, 415, 422),
                body=Body("what becomes of the options", {JSON: UpdateDocument}),
            ),
            Route("POST", _PATH + ":seal", self.seal, "sealEnrichment", "Take no more batches", one, (404, 422)),
            Route(
                "POST", _PATH + ":cancel", self.cancel, "cancelEnrichment", "End what is not finished",
                one, (404, 422),
            ),
            Route(
                "GET", _PATH + "/results", self.results, "streamResults", "Every finished contact",
                {
                    200: Body(
                        "one a line; cut off rather than ended where it is not whole",
                        {"application/x-ndjson": ContactDocument, "text/csv": None},
                    )
                },
                (404, 422), ResultsQuery, streams=True,
            ),
            Route(
                "GET", _PATH + "/events", self.events, "watchEnrichment", "The object again at every change",
                {
                    200: Body("an event at every change", {EVENT_STREAM: EventDocument}),
                    204: Body("it has ended and `Last-Event-ID` says that this is known"),
                },
                (404, 422), request_headers={"Last-Event-ID": "id of the last event that was seen"}, streams=True,
            ),
        )  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        """Answer with a page of the tenant's objects."""
        query = query_of(request, PageQuery)
        size = page_size(query.page_size, PAGE_ENRICHMENTS_DEFAULT, PAGE_ENRICHMENTS_MAX)
        found = await self._store.enrichments(tenant_of(request), enrichment_place(query.page_token), size + 1)
        return _answer(list_document(found[:size], more=len(found) > size))

    async def get(self, request: web.Request) -> web.Response:
        """Answer with the object and a page, or with 304 where the client knows it."""
        query, erid, tenant = query_of(request, PageQuery), path_erid(request), tenant_of(request)
        contacts_max = page_size(query.page_size, PAGE_CONTACTS_MAX, PAGE_CONTACTS_MAX)
        after = contact_place(query.page_token, erid)
        if request.if_none_match:
            enrichment = await self._store.enrichment(tenant, erid)
            if any(tag.value in {enrichment.fingerprint, "*"} for tag in request.if_none_match):
                return web.Response(status=304, headers=_validator(enrichment))
        page = await self._store.page(tenant, erid, after, contacts_max)
        return _answer(object_document(page), _validator(page.enrichment))

    async def create(self, request: web.Request) -> web.Response:
        """Open an ERID; harmless where it is open."""
        erid, options = path_erid(request), None
        if request.body_exists:
            self._bodies.check(request)
            try:
                async with self._bodies.read(request) as body:
                    options = decode_create(body, str(erid))
            except web.RequestPayloadError as error:
                return unreadable(request, error)
        return _object(await self._store.create(tenant_of(request), erid, options))

    async def update(self, request: web.Request) -> web.Response:
        """Change the options."""
        tenant, erid = tenant_of(request), path_erid(request)
        self._bodies.check(request)
        try:
            async with self._bodies.read(request) as body:
                change, resume = decode_update(body, str(erid))
        except web.RequestPayloadError as error:
            return unreadable(request, error)
        enrichment, resumed = await self._store.update(tenant, erid, change, resume=resume)
        self._watcher.notify(tenant, erid)
        return _answer(updated_document(enrichment, resumed), _validator(enrichment))

    async def seal(self, request: web.Request) -> web.Response:
        """Take no more batches."""
        tenant, erid = tenant_of(request), path_erid(request)
        enrichment = await self._store.seal(tenant, erid)
        self._watcher.notify(tenant, erid)
        return _object(enrichment)

    async def cancel(self, request: web.Request) -> web.Response:
        """End what is outstanding."""
        tenant, erid = tenant_of(request), path_erid(request)
        enrichment = await self._store.cancel(tenant, erid)
        self._watcher.notify(tenant, erid)
        return _object(enrichment)

    async def results(self, request: web.Request) -> web.StreamResponse:
        """Stream finished contacts; each group is read when the one before has been taken."""
        query, erid, tenant = query_of(request, ResultsQuery), path_erid(request), tenant_of(request)
        if query.follow and query.format is not ResultFormat.NDJSON:
            violation = Violation("follow", "is only for format=ndjson")
            raise InvalidInput("INVALID_PARAMETER", f"follow {violation.description}", (violation,))
        enrichment = await self._store.enrichment(tenant, erid)
        writer = Ndjson() if query.format is ResultFormat.NDJSON else Csv(enrichment.fields)
        groups = self._results.groups(tenant, erid, follow=query.follow)
        return await _stream(request, writer, groups)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream the object's changes."""
        return await answer_events(request, self._watcher, tenant_of(request), path_erid(request))


async def _stream(
    request: web.Request, writer: Ndjson | Csv, groups: AsyncGenerator[Group, None]
) -> web.StreamResponse:
    stream = Stream(request, {"Content-Type": writer.content_type})
    async with contextlib.aclosing(groups), streaming(stream):
        try:
            await stream.write(writer.head())
            async for group in groups:
                await stream.write(writer.group(group))
        except DesError:  # the head is out, so the status cannot say it any more
            stream.cut()
    return stream.response


def _json(description: str, type_: Any) -> Body:
    return Body(description, {JSON: type_})


def _validator(enrichment: Enrichment) -> dict[str, str]:
    return {"ETag": f'"{enrichment.fingerprint}"', "Cache-Control": "no-cache"}


def _object(enrichment: Enrichment) -> web.Response:
    return _answer(enrichment_document(enrichment), _validator(enrichment))


def _answer(document: msgspec.Struct, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), content_type=JSON, headers=headers)
