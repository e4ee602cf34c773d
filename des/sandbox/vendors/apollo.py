"""Apollo, as its API reference describes it (see `des.providers.dialects.apollo`, which is the other side).

Charged: a credit for each person found, every time, and eight for each mobile number that is looked for and found.
Numbers are there from the second look on; the first finds them pending. The key `wrong` is refused, and the key
`limited` may use none of these endpoints.
"""

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from des.sandbox.desk import Answer, Desk, Windows
from des.sandbox.inquiry import Inquiry
from des.sandbox.population import Person, Population

KNOWN_SHARE = 0.65
PHONE_SHARE = 0.45
BULK_MAX = 10
PENDING_LOOKS = 1
RETRY_AFTER_S = 1
RETENTION_S = 30 * 24 * 3_600.0
_FIRST_REQUEST_ID = -4_611_686_018_427_387_904
"""Request ids are signed; these begin below zero."""
_WINDOWS = {60.0: "minute", 3_600.0: "hourly", 86_400.0: "24-hour"}


class _Lookup(msgspec.Struct):
    """Phone numbers being looked for: what there will be, since when (monotonic), and how often it was looked at."""

    payload: dict[str, Any]
    since: float
    looks: int = 0


class ApolloDesk:
    """`POST /api/v1/people/match`, `POST /api/v1/people/bulk_match` and `GET /api/v1/webhook_result/{request_id}`."""

    name = "apollo"
    windows: Windows = ((20, 60.0),)

    def __init__(self, population: Population, desk: Desk) -> None:
        """Take who exists and the desk that serves."""
        self._population = population
        self._desk = desk
        self._book = desk.open_book(self)
        self._lookups: dict[int, _Lookup] = {}

    def routes(self) -> list[web.RouteDef]:
        """One person, many, and what came later."""
        return [
            web.post("/api/v1/people/match", self._match),
            web.post("/api/v1/people/bulk_match", self._bulk_match),
            web.get("/api/v1/webhook_result/{request_id}", self._webhook_result),
        ]

    def rate_limited(self, retry_after_s: float | None, /) -> Answer:
        """429, with retry-after in whole seconds where there is a hint."""
        headers = {} if retry_after_s is None else {"retry-after": str(max(1, round(retry_after_s)))}
        message = "The maximum number of api calls allowed for this endpoint has been reached"
        return Answer(429, {"message": message}, headers=headers)

    def quota_exhausted(self) -> Answer:
        """422: what a team without credits gets is documented nowhere; it reads as an input that is refused."""
        return Answer(422, {"error": "insufficient credits", "error_code": "INSUFFICIENT_CREDITS"})

    def malformed(self) -> Answer:
        """422."""
        return Answer(422, {"error": "The request cannot be read", "error_code": "INVALID_PARAMS"})

    def failing(self, status: int) -> Answer:
        """5xx."""
        return Answer(status, {"error": "Something went wrong"})

    async def _match(self, request: web.Request) -> web.StreamResponse:
        return await self._desk.serve(request, self, lambda: _refusal(request) or self._one(request.query))

    async def _bulk_match(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        return await self._desk.serve(request, self, lambda: _refusal(request) or self._many(body, request.query))

    async def _webhook_result(self, request: web.Request) -> web.StreamResponse:
        text = request.match_info["request_id"]
        return await self._desk.serve(request, self, lambda: _refusal(request) or self._look(text))

    def _one(self, query: Mapping[str, str]) -> Answer:
        inquiry = _inquiry(query)
        if not inquiry.is_enough:
            return Answer(200, {"person": None})
        person = self._known(inquiry)
        document: dict[str, Any] = {"person": person and _person(person)}
        if _wants_phone(query):
            document["request_id"] = self._look_for([person])
        return Answer(200, document, (_charge(inquiry, person, query),), self._headers())

    def _many(self, body: bytes, query: Mapping[str, str]) -> Answer:
        try:
            details = msgspec.json.decode(body)["details"]
        except (msgspec.DecodeError, KeyError, TypeError):
            details = None
        if not isinstance(details, list) or not 1 <= len(details) <= BULK_MAX:
            return Answer(422, {"error": f"details is a list of 1 to {BULK_MAX}", "error_code": "INVALID_PARAMS"})
        inquiries = [_inquiry(detail) for detail in details]
        people = [self._known(inquiry) for inquiry in inquiries]
        found = [person for person in people if person is not None]
        document = {
            "status": "success",
            "error_code": None,
            "error_message": None,
            "total_requested_enrichments": len(details),
            "unique_enriched_records": len({person.number for person in found}),
            "missing_records": len(details) - len(found),
            "credits_consumed": len(found),
            "matches": [person and _person(person) for person in people],
        }
        if _wants_phone(query):
            document["request_id"] = self._look_for(people)
        charges = tuple(_charge(inquiry, person, query) for inquiry, person in zip(inquiries, people, strict=True))
        return Answer(200, document, charges, self._headers(), items="matches")

    def _known(self, inquiry: Inquiry) -> Person | None:
        person = inquiry.person(self._population) if inquiry.is_enough else None
        return person if person and not person.erased and person.known_to(self.name, KNOWN_SHARE) else None

    def _look_for(self, people: list[Person | None]) -> int:
        request_id = _FIRST_REQUEST_ID + len(self._lookups)
        numbers = [
            {"id": _id(person), "phone_numbers": [{"sanitized_number": person.phone}] if _has_phone(person) else []}
            for person in {person.number: person for person in people if person}.values()
        ]
        self._lookups[request_id] = _Lookup({"status": "success", "people": numbers}, time.monotonic())
        return request_id

    def _look(self, text: str) -> Answer:
        if not text.removeprefix("-").isdecimal():
            return Answer(400, {"error_code": "invalid_request_id"})
        lookup = self._lookups.get(int(text))
        if lookup is None:
            return Answer(404, {"error_code": "request_id_unknown"})
        if time.monotonic() - lookup.since > RETENTION_S:
            return Answer(410, {"error_code": "request_id_expired"})
        lookup.looks += 1
        if lookup.looks <= PENDING_LOOKS:
            return Answer(404, {"error_code": "result_pending", "retry_after_seconds": RETRY_AFTER_S})
        return Answer(200, lookup.payload)

    def _headers(self) -> dict[str, str]:
        now = time.monotonic()
        standings = {name: self._book.standing(per_s, now) for per_s, name in _WINDOWS.items()}
        return {f"x-{name}-requests-left": str(standing[0]) for name, standing in standings.items() if standing}


def _inquiry(details: Mapping[str, Any]) -> Inquiry:
    name = details.get("name") or f"{details.get('first_name', '')} {details.get('last_name', '')}".strip()
    company = details.get("domain") or details.get("organization_name", "")
    return Inquiry(name, company, details.get("linkedin_url", ""))


def _wants_phone(query: Mapping[str, str]) -> bool:
    return query.get("reveal_phone_number") == "true"


def _has_phone(person: Person) -> bool:
    return person.famous or person.known_to("apollo phone", PHONE_SHARE)


def _charge(inquiry: Inquiry, person: Person | None, query: Mapping[str, str]) -> tuple[str, float]:
    """What a question costs, the phone number included: that it will be found is certain here."""
    if person is None:
        return inquiry.key, 0.0
    return inquiry.key, 9.0 if _wants_phone(query) and _has_phone(person) else 1.0


def _id(person: Person) -> str:
    return f"a{person.number:023d}"


def _person(person: Person) -> dict[str, Any]:
    company = person.company
    return {
        "id": _id(person),
        "first_name": person.first_name,
        "last_name": person.last_name,
        "name": f"{person.first_name} {person.last_name}",
        "email": person.email,
        "email_status": "guessed" if company.catch_all else "verified",
        "title": person.title,
        "linkedin_url": person.linkedin_url.replace("https:", "http:"),
        "organization": {"name": company.name, "primary_domain": company.domain},
        "employment_history": [],
    }


def _refusal(request: web.Request) -> Answer | None:
    match request.headers.get("x-api-key", ""):
        case "" | "wrong":
            return Answer(401, "Invalid access credentials.")
        case "limited":
            return Answer(403, {"error": "not accessible with this api_key", "error_code": "API_INACCESSIBLE"})
        case _:
            return None
