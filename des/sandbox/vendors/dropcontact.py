"""Dropcontact, as its documentation describes it (see `des.providers.dialects.dropcontact`, which is the other side).

Charged: a credit for every person when the request is taken, given back where no address is found when the answer is
ready, which is `ready_after_s` of the account later. A request for which the credits do not suffice is refused as a
whole. People who asked not to be processed do not exist. The key `wrong` is refused.
"""

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
from aiohttp import web

from des.sandbox.desk import Answer, Desk, Windows
from des.sandbox.inquiry import Inquiry
from des.sandbox.population import Person, Population

KNOWN_SHARE = 0.7
MOBILE_SHARE = 0.2
BULK_MAX = 250
PRICE = 1.0
CREDITS_WITHOUT_END = 999_999
NOT_READY = {"success": False, "error": False, "reason": "Request not ready yet, try again in 30 seconds"}

Record = dict[str, Any]


class DropcontactDesk:
    """`POST /v1/enrich/all` and `GET /v1/enrich/all/{request_id}`."""

    name = "dropcontact"
    windows: Windows = ((60, 1.0),)

    def __init__(self, population: Population, desk: Desk) -> None:
        """Take who exists and the desk that serves."""
        self._population = population
        self._desk = desk
        self._book = desk.open_book(self)
        self._ready: dict[str, list[Record]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Submit, and collect."""
        return [
            web.post("/v1/enrich/all", self._submit),
            web.get("/v1/enrich/all/{request_id}", self._collect),
        ]

    def rate_limited(self, _: float | None, /) -> Answer:
        """429, which never hints at anything."""
        return _error(429, "Too many requests, you can only do 60 requests per second")

    def quota_exhausted(self) -> Answer:
        """403, for the whole request."""
        return _error(403, "You don't have enough credits to process this request")

    def malformed(self) -> Answer:
        """400."""
        return _error(400, "Invalid JSON")

    def failing(self, status: int) -> Answer:
        """5xx."""
        return Answer(status, {"detail": "Internal Server Error"})

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        return await self._desk.serve(request, self, lambda: _key_refusal(request) or self._accept(body))

    async def _collect(self, request: web.Request) -> web.StreamResponse:
        request_id = request.match_info["request_id"]
        return await self._desk.serve(request, self, lambda: _key_refusal(request) or self._look(request_id))

    def _accept(self, body: bytes) -> Answer:
        try:
            records = msgspec.json.decode(body)["data"]
        except (msgspec.DecodeError, KeyError, TypeError):
            records = None
        if not isinstance(records, list) or not records:
            return _error(400, "Missing data in JSON")
        if len(records) > BULK_MAX:
            return _error(400, f"Too many records, you can only submit up to {BULK_MAX} records")
        if not self._book.can_pay(PRICE * len(records)):
            return self.quota_exhausted()
        request_id = uuid4().hex[:15]
        # Called when this answer has been written to the book, however soon that is.
        asyncio.get_running_loop().call_later(self._book.ready_after_s, self._finish, request_id, records)
        charges = tuple((_inquiry(record).key, PRICE) for record in records)
        said = {"request_id": request_id, "error": False, "success": True}
        return Answer(200, said | {"credits_left": self._credits_left(PRICE * len(records))}, charges)

    def _finish(self, request_id: str, records: list[Record]) -> None:
        answers = []
        for record in records:
            inquiry = _inquiry(record)
            person = self._known(inquiry)
            if person is None:
                self._book.refund(inquiry.key, PRICE)
            answers.append(_answer(record, person))
        self._ready[request_id] = answers

    def _known(self, inquiry: Inquiry) -> Person | None:
        person = inquiry.person(self._population) if inquiry.is_enough else None
        return person if person and not person.erased and person.known_to(self.name, KNOWN_SHARE) else None

    def _look(self, request_id: str) -> Answer:
        people = self._ready.get(request_id)
        if people is None:
            return Answer(200, NOT_READY)
        said = {"success": True, "error": False, "credits_left": self._credits_left(), "data": people}
        return Answer(200, said, items="data")

    def _credits_left(self, taken: float = 0.0) -> int:
        return int(CREDITS_WITHOUT_END if self._book.credits is None else self._book.credits - taken)


def _inquiry(record: Record) -> Inquiry:
    name = record.get("full_name") or f"{record.get('first_name', '')} {record.get('last_name', '')}".strip()
    return Inquiry(name, record.get("website") or record.get("company", ""), record.get("linkedin", ""))


def _answer(record: Record, person: Person | None) -> Record:
    """What there is of one person, without the keys that have no value; what was sent of one who is not found."""
    if person is None:
        return record
    company = person.company
    kind = "catch_all" if company.catch_all else "nominative"
    has_mobile = person.famous or person.known_to("dropcontact mobile", MOBILE_SHARE)
    answer = {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "full_name": f"{person.first_name} {person.last_name}",
        "email": [{"email": person.email, "qualification": f"{kind}@pro"}],
        "mobile_phone": person.phone if has_mobile else "",
        "linkedin": person.linkedin_url.removeprefix("https://"),
        "company": company.name,
        "website": f"www.{company.domain}",
        "custom_fields": record.get("custom_fields"),
    }
    return {key: value for key, value in answer.items() if value}


def _key_refusal(request: web.Request) -> Answer | None:
    key = request.headers.get("x-access-token", "")
    return _error(401, "Access denied, please check your API key") if not key or key == "wrong" else None


def _error(status: int, reason: str) -> Answer:
    return Answer(status, {"error": True, "success": False, "reason": reason})
