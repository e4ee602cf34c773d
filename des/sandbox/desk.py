"""What happens to every request, whoever it is for.

key ▸ windows ▸ latency ▸ poison ▸ fault before billing ▸ answer ▸ credits ▸ bill ▸ fault after billing ▸ send
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol, assert_never
from urllib.parse import unquote_plus

import msgspec
from aiohttp import web

from des.sandbox.book import Book
from des.sandbox.faults import Fault, FaultDraw, FaultPlan
from des.sandbox.webhooks import Webhooks

FAULT_HEADER = "x-sandbox-fault"
HANG_S = 3600.0
"""A request that hangs is let go after this long at the latest; the caller has given up by then."""
_SLOW_STEPS = 10
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends RST


class Answer(msgspec.Struct, frozen=True):
    """What a vendor says: the status, a document, and the credits it takes per person key.

    A document is JSON, or plain text where it is a `str`. `items`: key of its list with an item for each question of a
    bulk call; "" where the document is that list, None where there is none.
    """

    status: int
    document: Any
    charges: tuple[tuple[str, float], ...] = ()
    headers: dict[str, str] = {}
    items: str | None = None

    @property
    def price(self) -> float:
        """Credits of all charges."""
        return sum(price for _, price in self.charges)


Windows = tuple[tuple[int, float], ...]
"""Permitted requests: (count, seconds)."""


class Vendor(Protocol):
    """One vendor: its routes, and how it words what the desk decides."""

    name: str
    windows: Windows

    def routes(self) -> list[web.RouteDef]:
        """The paths it answers; each handler hands its request to `Desk.serve`."""

    def rate_limited(self, retry_after_s: float | None, /) -> Answer:
        """What it says to a request above the permitted rate."""

    def quota_exhausted(self) -> Answer:
        """What it says when the credits do not suffice."""

    def malformed(self) -> Answer:
        """What it says to a request that it will not read, as a whole."""

    def failing(self, status: int) -> Answer:
        """What it says when it fails itself (5xx)."""


class Desk:
    """Serves requests of all vendors by one plan of faults, and keeps their books."""

    def __init__(self) -> None:
        """Open with empty books and without faults."""
        self.books: dict[str, Book] = {}
        self.faults = FaultDraw()
        self.webhooks = Webhooks()

    def open_book(self, vendor: Vendor) -> Book:
        """A book for a vendor, with its documented windows."""
        return self.books.setdefault(vendor.name, Book(vendor.windows))

    def plan(self, plan: FaultPlan) -> None:
        """Faults from now on."""
        self.faults = FaultDraw(plan)

    async def serve(self, request: web.Request, vendor: Vendor, answer: Callable[[], Answer]) -> web.StreamResponse:
        """Answer one request; `answer` is asked once, when nothing before it went wrong."""
        book = self.books[vendor.name]
        plan = self.faults.plan
        delay_s, fault = self.faults.draw(vendor.name)
        if FAULT_HEADER in request.headers:
            fault = _named(request.headers[FAULT_HEADER])
        wait_s = book.permit(time.monotonic())
        if wait_s > 0 or fault is Fault.RATE_LIMIT:
            book.refused += 1
            return _response(vendor.rate_limited(plan.retry_after_s or (wait_s or None)))
        if delay_s:
            await asyncio.sleep(delay_s)
        if plan.poison and await _is_poisoned(request, plan.poison):
            return _response(vendor.malformed())
        early = await self._fail_before(request, vendor, fault)
        if early is not None:
            return early
        said = answer()
        if not book.can_pay(said.price):
            return _response(vendor.quota_exhausted())
        book.requests += 1
        for person_key, price in said.charges:
            book.bill(person_key, price)
        return await self._send(request, said, fault)

    async def _fail_before(
        self, request: web.Request, vendor: Vendor, fault: Fault | None
    ) -> web.StreamResponse | None:
        match fault:
            case Fault.QUOTA:
                return _response(vendor.quota_exhausted())
            case Fault.SERVER_ERROR:
                return _response(vendor.failing(500))
            case Fault.UNAVAILABLE:
                return _response(vendor.failing(503))
            case Fault.RESET_BEFORE:
                return _reset(request)
            case Fault.HANG:
                return await _hang(request)
            case _:
                return None

    async def _send(self, request: web.Request, said: Answer, fault: Fault | None) -> web.StreamResponse:
        body = _body(said)
        match fault:
            case Fault.RESET_AFTER:
                return _reset(request)
            case Fault.HANG_AFTER:
                return await _hang(request)
            case Fault.TRUNCATED_JSON:
                return web.Response(status=said.status, body=body[: len(body) // 2], content_type="application/json")
            case Fault.CUT_BODY:
                head = f"HTTP/1.1 {said.status} OK\r\ncontent-length: {len(body)}\r\n\r\n".encode()
                return _raw(request, head + body[: len(body) // 2])
            case Fault.NOT_HTTP:
                return _raw(request, b"\x00\x01 this is not HTTP\r\n\r\n")
            case Fault.SLOW_BODY:
                return await _slowly(request, said, body, self.faults.plan.slow_body_s)
            case Fault.WRONG_ORDER | Fault.DUPLICATES | Fault.MISSING:
                return _response(_scrambled(said, fault))
            case None:
                return _response(said)
            case (
                Fault.RATE_LIMIT
                | Fault.QUOTA
                | Fault.SERVER_ERROR
                | Fault.UNAVAILABLE
                | Fault.RESET_BEFORE
                | Fault.HANG
            ):
                raise RuntimeError(f"{fault} ends a request before it is answered")
            case _:
                assert_never(fault)


async def _is_poisoned(request: web.Request, words: Collection[str]) -> bool:
    said = unquote_plus(request.query_string) + await request.text()
    return any(word in said for word in words)


def _named(name: str) -> Fault | None:
    try:
        return Fault(name) if name != "none" else None
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{FAULT_HEADER}: {name!r} is none of {', '.join(Fault)} and none") from error


def _body(answer: Answer) -> bytes:
    return answer.document.encode() if isinstance(answer.document, str) else msgspec.json.encode(answer.document)


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=_body(answer),
        headers=answer.headers or None,
        content_type="text/plain" if isinstance(answer.document, str) else "application/json",
    )


def _scrambled(said: Answer, fault: Fault) -> Answer:
    """The answer with its items turned round, with the first of them once more at the end, or without it."""
    if said.items is None:
        return said
    items = said.document[said.items] if said.items else said.document
    match fault:
        case Fault.WRONG_ORDER:
            items = items[::-1]
        case Fault.DUPLICATES:
            items = [*items, *items[:1]]
        case _:
            items = items[1:]
    return msgspec.structs.replace(said, document={**said.document, said.items: items} if said.items else items)


def _reset(request: web.Request) -> web.StreamResponse:
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    return web.Response()


def _raw(request: web.Request, data: bytes) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.write(data)
        request.transport.close()
    return web.Response()


async def _hang(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(HANG_S)  # cancelled when the caller leaves
    return _reset(request)


async def _slowly(request: web.Request, said: Answer, body: bytes, over_s: float) -> web.StreamResponse:
    response = web.StreamResponse(status=said.status, headers={"content-type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    step = max(1, len(body) // _SLOW_STEPS)
    with contextlib.suppress(ConnectionError):  # the caller may have lost patience
        for at in range(0, len(body), step):
            await response.write(body[at : at + step])
            await asyncio.sleep(over_s / _SLOW_STEPS)
        await response.write_eof()
    return response
