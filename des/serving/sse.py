"""Server-sent events of one enrichment: `progress` at every change and `ended` after the last one.

An event's id is the object's fingerprint, so a client that comes back with it (Last-Event-ID) is told only what it has
not seen. Where all was seen and nothing will follow, the answer is 204, which tells an EventSource not to come again.
"""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from des.errors import DesError
from des.limits import HEARTBEAT_S
from des.serving.document import enrichment_document
from des.serving.stream import Stream, streaming
from des.serving.watcher import Watch, Watcher
from des.store.reading import Enrichment

CONTENT_TYPE = "text/event-stream"
_RECONNECT = b"retry: 1000\n\n"  # milliseconds
_HEARTBEAT = b":\n\n"


class EventDocument(msgspec.Struct, frozen=True):
    """One event, as an EventSource shows it."""

    id: str
    event: Literal["progress", "ended"]
    data: Annotated[str, msgspec.Meta(description="JSON: the object without its contacts")]


async def answer_events(
    request: web.Request, watcher: Watcher, tenant: str, erid: UUID, heartbeat_s: float = HEARTBEAT_S
) -> web.StreamResponse:
    """Answer with the events of an enrichment until it has ended. Raises NotFound, and TransientError at a stop."""
    seen = request.headers.get("Last-Event-ID", "")
    async with watcher.watch(tenant, erid) as watch:
        if watch.enrichment.ended and watch.enrichment.fingerprint == seen:
            return web.Response(status=204)
        # nginx would gather events otherwise
        stream = Stream(request, {"Content-Type": CONTENT_TYPE, "X-Accel-Buffering": "no"})
        async with streaming(stream):
            await stream.write(_RECONNECT)
            await _write_events(stream, watch, seen, heartbeat_s)
    return stream.response


async def _write_events(stream: Stream, watch: Watch, seen: str, heartbeat_s: float) -> None:
    if watch.enrichment.fingerprint != seen:
        await stream.write(event(watch.enrichment))
    while not watch.enrichment.ended:
        try:
            change = await watch.change(heartbeat_s)
        except DesError:  # stopped, or gone: the client comes again and is told so by the status
            return
        await stream.write(event(change) if change else _HEARTBEAT)


def event(enrichment: Enrichment) -> bytes:
    """Write one event; JSON has no line breaks, so its data is one line."""
    name = "ended" if enrichment.ended else "progress"
    data = msgspec.json.encode(enrichment_document(enrichment))
    return f"id: {enrichment.fingerprint}\nevent: {name}\ndata: ".encode() + data + b"\n\n"
