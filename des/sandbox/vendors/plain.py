"""A vendor of the kind that the described provider (`kind = "http"`) is for: one path, plain statuses, no key.

`GET /lookup?first_name=&last_name=&company=` answers `{"id", "data": {"email", "phone", "score"}}`, or 404. Free.
"""

from aiohttp import web

from des.sandbox.desk import Answer, Desk, Windows
from des.sandbox.population import Population, fold

KNOWN_SHARE = 0.6


class PlainDesk:
    """`GET /lookup`."""

    name = "plain"
    windows: Windows = ()

    def __init__(self, population: Population, desk: Desk) -> None:
        """Take who exists and the desk that serves."""
        self._population = population
        self._desk = desk
        desk.open_book(self)

    def routes(self) -> list[web.RouteDef]:
        """The one path."""
        return [web.get("/lookup", self._lookup)]

    def rate_limited(self, retry_after_s: float | None, /) -> Answer:
        """429, with Retry-After in whole seconds where there is a hint."""
        headers = {} if retry_after_s is None else {"retry-after": str(max(1, round(retry_after_s)))}
        return Answer(429, {"error": "too many requests"}, headers=headers)

    def quota_exhausted(self) -> Answer:
        """402."""
        return Answer(402, {"error": "no credits left"})

    def malformed(self) -> Answer:
        """400."""
        return Answer(400, {"error": "the request cannot be read"})

    def failing(self, status: int) -> Answer:
        """5xx."""
        return Answer(status, {"error": "internal error"})

    async def _lookup(self, request: web.Request) -> web.StreamResponse:
        return await self._desk.serve(request, self, lambda: self._find(dict(request.query)))

    def _find(self, query: dict[str, str]) -> Answer:
        first, last, company = (query.get(name, "") for name in ("first_name", "last_name", "company"))
        if not (first and last and company):
            return Answer(400, {"error": "first_name, last_name and company are needed"})
        charges = ((f"{fold(first + last)}|{company.lower()}", 0.0),)
        person = self._population.find(first + last, company)
        if person is None or not person.known_to(self.name, KNOWN_SHARE):
            return Answer(404, {"error": "nobody found"}, charges)
        if person.erased:
            return Answer(451, {"error": "the person asked not to be processed"}, charges)
        data = {"email": person.email, "phone": person.phone, "score": 60 if person.company.catch_all else 95}
        return Answer(200, {"id": f"p{person.number}", "data": data}, charges)
