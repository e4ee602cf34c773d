"""Prospeo, as its API reference describes it (see `des.providers.dialects.prospeo`, which is the other side).

Charged: one credit for a match, ten for one with a mobile number, once for the life of the account; which lasts until
the book is cleared. A number asked for after the address was paid for costs the difference. People who asked not to be
processed do not exist. The key `wrong` is refused.
"""

import time
from typing import Any

import msgspec
from aiohttp import web

from des.sandbox.desk import Answer, Desk, Windows
from des.sandbox.inquiry import Inquiry
from des.sandbox.population import Person, Population

KNOWN_SHARE = 0.65
PHONE_SHARE = 0.4
BULK_MAX = 50
PRICE = 1.0
PRICE_MOBILE = 10.0
_WINDOWS = {60.0: "minute", 86_400.0: "daily"}

Charge = tuple[str, float]


class ProspeoDesk:
    """`POST /enrich-person` and `POST /bulk-enrich-person`."""

    name = "prospeo"
    windows: Windows = ((5, 1.0), (300, 60.0))

    def __init__(self, population: Population, desk: Desk) -> None:
        """Take who exists and the desk that serves."""
        self._population = population
        self._desk = desk
        self._book = desk.open_book(self)

    def routes(self) -> list[web.RouteDef]:
        """One person, and many."""
        return [web.post("/enrich-person", self._enrich), web.post("/bulk-enrich-person", self._bulk)]

    def rate_limited(self, retry_after_s: float | None, /) -> Answer:
        """429; when the minute ends is told by a header, and only where there is a hint."""
        headers = {}
        if retry_after_s is not None:
            headers = {"x-minute-request-left": "0", "x-minute-reset-seconds": f"{retry_after_s:.3f}"}
        return _error(429, "RATE_LIMIT_EXCEEDED", headers)

    def quota_exhausted(self) -> Answer:
        """400, as for everything else that is wrong."""
        return _error(400, "INSUFFICIENT_CREDITS")

    def malformed(self) -> Answer:
        """400."""
        return _error(400, "INVALID_REQUEST")

    def failing(self, status: int) -> Answer:
        """5xx."""
        return _error(status, "INTERNAL_ERROR")

    async def _enrich(self, request: web.Request) -> web.StreamResponse:
        document = await _document(request)
        return await self._desk.serve(request, self, lambda: _key_refusal(request) or self._one(document))

    async def _bulk(self, request: web.Request) -> web.StreamResponse:
        document = await _document(request)
        return await self._desk.serve(request, self, lambda: _key_refusal(request) or self._many(document))

    def _one(self, document: dict[str, Any]) -> Answer:
        data = document.get("data")
        if not isinstance(data, dict):
            return _error(400, "INVALID_REQUEST")
        inquiry = _inquiry(data)
        if not inquiry.is_enough:
            return _error(400, "INVALID_DATAPOINTS")
        person = self._known(inquiry, document)
        if person is None:
            return Answer(400, {"error": True, "error_code": "NO_MATCH"}, ((inquiry.key, 0.0),), self._headers())
        match, price = self._match(inquiry, person, document, {})
        return Answer(200, {"error": False} | match, ((inquiry.key, price),), self._headers())

    def _many(self, document: dict[str, Any]) -> Answer:
        data = document.get("data")
        if not isinstance(data, list) or not 1 <= len(data) <= BULK_MAX:
            return _error(400, "INVALID_REQUEST")
        matched: list[dict[str, Any]] = []
        not_matched: list[str] = []
        invalid: list[str] = []
        charges: list[Charge] = []
        paid_now: dict[str, float] = {}
        for item in data:
            inquiry = _inquiry(item)
            person = self._known(inquiry, document) if inquiry.is_enough else None
            if not inquiry.is_enough:
                invalid.append(item["identifier"])
                continue
            if person is None:
                not_matched.append(item["identifier"])
                charges.append((inquiry.key, 0.0))
                continue
            match, price = self._match(inquiry, person, document, paid_now)
            matched.append({"identifier": item["identifier"]} | match)
            charges.append((inquiry.key, price))
        said = {
            "error": False,
            "total_cost": sum(price for _, price in charges),
            "matched": matched,
            "not_matched": not_matched,
            "invalid_datapoints": invalid,
        }
        return Answer(200, said, tuple(charges), self._headers(), items="matched")

    def _known(self, inquiry: Inquiry, flags: dict[str, Any]) -> Person | None:
        person = inquiry.person(self._population)
        if person is None or person.erased or not person.known_to(self.name, KNOWN_SHARE):
            return None
        if flags.get("only_verified_email") and person.company.catch_all:
            return None
        return None if flags.get("only_verified_mobile") and not _has_mobile(person) else person

    def _match(
        self, inquiry: Inquiry, person: Person, flags: dict[str, Any], paid_now: dict[str, float]
    ) -> tuple[dict[str, Any], float]:
        """What is given for a match, and what it costs after all that was paid for this person before."""
        with_mobile = bool(flags.get("enrich_mobile")) and _has_mobile(person)
        before = self._book.people.get(inquiry.key)
        paid = (before.charged if before else 0.0) + paid_now.get(inquiry.key, 0.0)
        price = max(0.0, (PRICE_MOBILE if with_mobile else PRICE) - paid)
        paid_now[inquiry.key] = paid_now.get(inquiry.key, 0.0) + price
        given = {"free_enrichment": price == 0.0, "person": _person(person, with_mobile), "company": _company(person)}
        return given, price

    def _headers(self) -> dict[str, str]:
        headers = {}
        for per_s, name in _WINDOWS.items():
            standing = self._book.standing(per_s, time.monotonic())
            if standing is not None:
                headers[f"x-{name}-request-left"] = str(standing[0])
                headers[f"x-{name}-reset-seconds"] = f"{standing[1]:.3f}"
        return headers


def _inquiry(data: dict[str, Any]) -> Inquiry:
    name = data.get("full_name") or f"{data.get('first_name', '')} {data.get('last_name', '')}".strip()
    return Inquiry(name, data.get("company_website") or data.get("company_name", ""), data.get("linkedin_url", ""))


def _has_mobile(person: Person) -> bool:
    return person.famous or person.known_to("prospeo mobile", PHONE_SHARE)


def _person(person: Person, with_mobile: bool) -> dict[str, Any]:
    return {
        "person_id": f"prospeo{person.number}",
        "first_name": person.first_name,
        "last_name": person.last_name,
        "linkedin_url": person.linkedin_url,
        "email": {
            "status": "UNVERIFIED" if person.company.catch_all else "VERIFIED",
            "revealed": True,
            "email": person.email,
            "verification_method": "SMTP",
            "email_mx_provider": "Google",
        },
        "mobile": {
            "status": "VERIFIED" if _has_mobile(person) else None,
            "revealed": with_mobile,
            "mobile": person.phone if with_mobile else None,
            "mobile_international": person.phone if with_mobile else None,
        },
        "job_history": [],
        "last_job_change_detected_at": None,
    }


def _company(person: Person) -> dict[str, Any]:
    return {"name": person.company.name, "domain": person.company.domain}


async def _document(request: web.Request) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(await request.read())
    except msgspec.DecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _key_refusal(request: web.Request) -> Answer | None:
    key = request.headers.get("x-key", "")
    return _error(401, "INVALID_API_KEY") if not key or key == "wrong" else None


def _error(status: int, code: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, {"error": True, "error_code": code}, headers=headers or {})
