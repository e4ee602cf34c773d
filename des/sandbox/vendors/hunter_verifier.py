"""Hunter's e-mail verifier, as its API reference describes it (see `des.providers.dialects.hunter_verifier`).

Charged: one credit for each address that it can tell of, once until the book is cleared. Of addresses in domains that
nobody of the population is in it cannot tell. Some it has to look at for a moment: 202, and the same request again.
"""

import time
from typing import Any

from aiohttp import web

from des.sandbox.desk import Answer, Desk, Windows
from des.sandbox.population import Population
from des.sandbox.vendors.hunter import error, key_refusal

SLOW_SHARE = 0.1
"""Of the people, those at whose address it looks for `ready_after_s`."""


class HunterVerifierDesk:
    """`GET /v2/email-verifier`."""

    name = "hunter_verifier"
    windows: Windows = ((10, 1.0), (300, 60.0))

    def __init__(self, population: Population, desk: Desk) -> None:
        """Take who exists and the desk that serves."""
        self._desk = desk
        self._book = desk.open_book(self)
        # Of several with one address whoever asked not to be processed counts.
        self._people = {one.email.lower(): one for one in sorted(population.people, key=lambda one: one.erased)}
        self._companies = {person.company.domain: person.company for person in population.people}
        self._looking_since: dict[str, float] = {}

    def routes(self) -> list[web.RouteDef]:
        """The one path."""
        return [web.get("/v2/email-verifier", self._email_verifier)]

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

    async def _email_verifier(self, request: web.Request) -> web.StreamResponse:
        refusal = key_refusal(request)
        if refusal is None and "@" not in request.query.get("email", ""):
            refusal = error(400, "wrong_params", "You are missing the email parameter.")
        if refusal is not None:
            refused = refusal
            return await self._desk.serve(request, self, lambda: refused)
        return await self._desk.serve(request, self, lambda: self._verify(request.query["email"].lower()))

    def _verify(self, address: str) -> Answer:
        person = self._people.get(address)
        if person is not None and person.erased:
            return error(451, "claimed_email", "The person asked us not to process their data.", ((address, 0.0),))
        if person is not None and person.known_to("hunter verifier, slowly", SLOW_SHARE) and self._is_looking(address):
            return Answer(202, {"data": {"status": None}, "meta": {"params": {"email": address}}})
        company = self._companies.get(address.rpartition("@")[2])
        if company is None:
            return Answer(200, _document(address, "unknown", None), ((address, 0.0),))
        status = "accept_all" if company.catch_all else "valid" if person is not None else "invalid"
        paid_before = address in self._book.people and self._book.people[address].charged > 0
        score = {"accept_all": 62, "valid": 98, "invalid": 2}[status]
        return Answer(200, _document(address, status, score), ((address, 0.0 if paid_before else 1.0),))

    def _is_looking(self, address: str) -> bool:
        now = time.monotonic()
        return now - self._looking_since.setdefault(address, now) < self._book.ready_after_s


def _document(address: str, status: str, score: int | None) -> dict[str, Any]:
    return {"data": {"status": status, "score": score, "email": address}, "meta": {"params": {"email": address}}}
