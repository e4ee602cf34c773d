"""Hunter, as its API reference describes it (see `des.providers.dialects.hunter`, which is the other side).

Charged: one credit for each person whose address is found, once in a billing period; which lasts until the book is
cleared. The key `wrong` is refused.
"""

from typing import Any

from aiohttp import web

from des.sandbox.desk import Answer, Desk, Windows
from des.sandbox.population import Person, Population, fold

KNOWN_SHARE = 0.7
PHONE_SHARE = 0.4
_PARAMETERS = ("domain", "company", "first_name", "last_name", "full_name", "linkedin_handle", "max_duration")


class HunterDesk:
    """`GET /v2/email-finder` and `GET /v2/account`."""

    name = "hunter"
    windows: Windows = ((15, 1.0), (500, 60.0))

    def __init__(self, population: Population, desk: Desk) -> None:
        """Take who exists and the desk that serves."""
        self._population = population
        self._desk = desk
        self._book = desk.open_book(self)

    def routes(self) -> list[web.RouteDef]:
        """The two paths."""
        return [web.get("/v2/email-finder", self._email_finder), web.get("/v2/account", self._account)]

    def rate_limited(self, _: float | None, /) -> Answer:
        """403, and no header that says when."""
        return error(403, "rate_limit", "You have reached the rate limit. Please slow down.")

    def quota_exhausted(self) -> Answer:
        """429 means that the credits are gone."""
        return error(429, "usage_exceeded", "You've reached the monthly limit of your plan.")

    def malformed(self) -> Answer:
        """400."""
        return error(400, "wrong_params", "The request cannot be read.")

    def failing(self, status: int) -> Answer:
        """5xx."""
        return error(status, "internal_error", "Something went wrong on our side.")

    async def _email_finder(self, request: web.Request) -> web.StreamResponse:
        refusal = _refusal(request)
        if refusal is not None:
            return await self._desk.serve(request, self, lambda: refusal)
        return await self._desk.serve(request, self, lambda: self._find(dict(request.query)))

    async def _account(self, request: web.Request) -> web.StreamResponse:
        refusal = key_refusal(request)
        if refusal is not None:
            return web.json_response(refusal.document, status=refusal.status)
        left, used = self._book.credits, self._book.charged
        available = None if left is None else left + used
        return web.json_response({"data": {"requests": {"credits": {"used": used, "available": available}}}})

    def _find(self, query: dict[str, str]) -> Answer:
        name = query.get("full_name") or f"{query.get('first_name', '')} {query.get('last_name', '')}".strip()
        company = query.get("domain") or query.get("company", "")
        handle = query.get("linkedin_handle", "")
        if handle and not (name and company):
            key, person = f"linkedin|{handle.lower()}", self._population.by_handle(handle)
        else:
            key, person = f"{fold(name)}|{company.lower()}", self._population.find(name, company)
        if person is not None and person.erased:
            return error(451, "claimed_email", "The person asked us not to process their data.", charges=((key, 0.0),))
        known = person if person is not None and person.known_to(self.name, KNOWN_SHARE) else None
        paid_before = key in self._book.people and self._book.people[key].charged > 0
        price = 1.0 if known is not None and not paid_before else 0.0
        return Answer(200, {"data": _data(known, query), "meta": {"params": _params(query)}}, ((key, price),))


def _params(query: dict[str, str]) -> dict[str, str | None]:
    return {name: query.get(name) for name in _PARAMETERS}


def _data(person: Person | None, query: dict[str, str]) -> dict[str, Any]:
    if person is None:
        return {
            "first_name": query.get("first_name"),
            "last_name": query.get("last_name"),
            "email": None,
            "score": None,
            "domain": query.get("domain"),
            "position": None,
            "company": query.get("company"),
            "phone_number": None,
            "verification": {"date": None, "status": None},
            "sources": [],
        }
    company = person.company
    phone = person.phone if person.famous or person.known_to("hunter phone", PHONE_SHARE) else None
    return {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "score": 62 if company.catch_all else 97,
        "domain": company.domain,
        "accept_all": company.catch_all,
        "position": person.title,
        "twitter": None,
        "linkedin_url": person.linkedin_url,
        "phone_number": phone,
        "company": company.name,
        "verification": {"date": "2026-10-05", "status": "accept_all" if company.catch_all else "valid"},
        "sources": [
            {
                "domain": company.domain,
                "uri": f"https://{company.domain}/team",
                "extracted_on": "2026-03-01",
                "last_seen_on": "2026-10-05",
                "still_on_page": True,
            }
        ],
    }


def _refusal(request: web.Request) -> Answer | None:
    """What is wrong with the request, if anything is."""
    refusal = key_refusal(request)
    if refusal is not None:
        return refusal
    query = request.query
    if query.get("linkedin_handle"):
        return None
    if not (query.get("domain") or query.get("company")):
        return error(400, "wrong_params", "You are missing the domain or the company parameter.")
    if not (query.get("full_name") or (query.get("first_name") and query.get("last_name"))):
        return error(400, "wrong_params", "You are missing the name of the person.")
    duration = query.get("max_duration", "10")
    if not (duration.isascii() and duration.isdigit() and 3 <= int(duration) <= 20):
        return error(400, "wrong_params", "max_duration is a number from 3 to 20.")
    return None


def key_refusal(request: web.Request) -> Answer | None:
    """What the vendor says to a request without a key that it knows."""
    key = (
        request.headers.get("x-api-key")
        or request.headers.get("authorization", "").removeprefix("Bearer ")
        or request.query.get("api_key", "")
    )
    if not key or key == "wrong":
        return error(401, "authentication_failed", "No user found for the API key supplied.")
    return None


def error(status: int, error_id: str, details: str, charges: tuple[tuple[str, float], ...] = ()) -> Answer:
    """An error in the vendor's form."""
    return Answer(status, {"errors": [{"id": error_id, "code": status, "details": details}]}, charges)
