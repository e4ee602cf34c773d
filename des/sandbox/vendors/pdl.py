"""People Data Labs, as its API reference describes it (see `des.providers.dialects.pdl`, which is the other side).

Charged: one credit for each record that is given, every time. A person without any of the `required` fields is not
given. People who asked not to be processed do not exist. The key `wrong` is refused.
"""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiohttp import hdrs, web

from des.sandbox.desk import Answer, Desk, Windows
from des.sandbox.inquiry import Inquiry
from des.sandbox.population import Person, Population

KNOWN_SHARE = 0.6
PHONE_SHARE = 0.5
BULK_MAX = 100
_WINDOW_S = 60.0


class PdlDesk:
    """`GET` and `POST /v5/person/enrich`, `POST /v5/person/bulk`."""

    name = "pdl"
    windows: Windows = ((100, _WINDOW_S),)

    def __init__(self, population: Population, desk: Desk) -> None:
        """Take who exists and the desk that serves."""
        self._population = population
        self._desk = desk
        self._book = desk.open_book(self)

    def routes(self) -> list[web.RouteDef]:
        """One person, by both methods, and many."""
        return [
            web.get("/v5/person/enrich", self._enrich),
            web.post("/v5/person/enrich", self._enrich),
            web.post("/v5/person/bulk", self._bulk),
        ]

    def rate_limited(self, retry_after_s: float | None, /) -> Answer:
        """429; when the window ends is told by a header, and only where there is a hint."""
        headers = {} if retry_after_s is None else {"x-ratelimit-reset": _at(retry_after_s)}
        return _error(429, "rate_limit_error", "You have exceeded your rate limit", headers)

    def quota_exhausted(self) -> Answer:
        """402."""
        return _error(402, "payment_required", "You have hit your account maximum")

    def malformed(self) -> Answer:
        """400."""
        return _error(400, "invalid_request_error", "The request cannot be read")

    def failing(self, status: int) -> Answer:
        """5xx."""
        return _error(status, "api_error", "Something went wrong on our side")

    async def _enrich(self, request: web.Request) -> web.StreamResponse:
        params = dict(request.query) if request.method == hdrs.METH_GET else await _document(request)
        return await self._serve(request, lambda: self._one(params))

    async def _bulk(self, request: web.Request) -> web.StreamResponse:
        document = await _document(request)
        return await self._serve(request, lambda: self._many(document))

    async def _serve(self, request: web.Request, answer: Callable[[], Answer]) -> web.StreamResponse:
        response = await self._desk.serve(request, self, lambda: _key_refusal(request) or answer())
        if isinstance(response, web.Response) and not response.prepared:
            response.enable_compression(web.ContentCoding.gzip)  # where the caller accepts it
        return response

    def _one(self, params: Any) -> Answer:
        if not isinstance(params, dict):
            return _error(400, "invalid_request_error", "The request is not a JSON object")
        item, charge = self._item(params)
        charges = () if charge is None else (charge,)
        return Answer(item["status"], item, charges, self._headers(sum(price for _, price in charges)))

    def _many(self, document: Any) -> Answer:
        requests = document.get("requests") if isinstance(document, dict) else None
        if not isinstance(requests, list) or not 1 <= len(requests) <= BULK_MAX:
            return _error(400, "invalid_request_error", f"requests is a list of 1 to {BULK_MAX}")
        items, charges = [], []
        for asked in requests:
            item, charge = self._item(asked.get("params") or {})
            items.append(item | {"metadata": asked["metadata"]} if "metadata" in asked else item)
            charges += [] if charge is None else [charge]
        return Answer(200, items, tuple(charges), self._headers(sum(price for _, price in charges)), items="")

    def _item(self, params: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, float] | None]:
        name = params.get("name") or f"{params.get('first_name', '')} {params.get('last_name', '')}".strip()
        inquiry = Inquiry(name, params.get("company", ""), params.get("profile", ""))
        if not inquiry.is_enough:
            message = "Request must contain a profile, or a name and a company"
            return {"status": 400, "error": {"type": "invalid_request_error", "message": message}}, None
        person = inquiry.person(self._population)
        data = None
        if person is not None and not person.erased and person.known_to(self.name, KNOWN_SHARE):
            data = _data(person)
            required = re.split(r"\s+OR\s+", params["required"]) if params.get("required") else []
            sure = 10 if inquiry.handle else 8
            if (not required or any(data.get(key) for key in required)) and sure >= int(
                params.get("min_likelihood", 2)
            ):
                return {"status": 200, "likelihood": sure, "data": _included(data, params)}, (inquiry.key, 1.0)
        error = {"type": "not_found", "message": "No records were found matching your request"}
        return {"status": 404, "error": error}, (inquiry.key, 0.0)

    def _headers(self, spent: float) -> dict[str, str]:
        headers = {"x-call-credits-spent": f"{spent:g}", "x-call-credits-type": "enrich"}
        standing = self._book.standing(_WINDOW_S, time.monotonic())
        if standing is not None:
            left, reset_s = standing
            headers |= {"x-ratelimit-remaining.minute": str(left), "x-ratelimit-reset": _at(reset_s)}
        if self._book.credits is not None:
            headers["x-totallimit-remaining"] = f"{self._book.credits - spent:g}"
        return headers


def _data(person: Person) -> dict[str, Any]:
    phone = person.phone if person.famous or person.known_to("pdl phone", PHONE_SHARE) else None
    return {
        "id": f"pdl_{person.number}_0000",
        "full_name": f"{person.first_name} {person.last_name}".lower(),
        "work_email": person.email,
        "mobile_phone": phone,
        "phone_numbers": [phone] if phone else [],
        "linkedin_url": f"linkedin.com/in/{person.handle}",
        "job_title": person.title.lower(),
        "job_company_name": person.company.name.lower(),
    }


def _included(data: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """The keys that `data_include` names, where it names any."""
    keys = [key for key in str(params.get("data_include", "")).split(",") if key]
    return {key: data.get(key) for key in keys} if keys else data


async def _document(request: web.Request) -> Any:
    try:
        return msgspec.json.decode(await request.read())
    except msgspec.DecodeError:
        return None


def _at(in_s: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=in_s)).isoformat(timespec="milliseconds")


def _key_refusal(request: web.Request) -> Answer | None:
    key = request.headers.get("x-api-key") or request.query.get("api_key", "")
    if not key or key == "wrong":
        return _error(401, "authentication_error", "Your API key is invalid")
    return None


def _error(status: int, error_type: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, {"status": status, "error": {"type": error_type, "message": message}}, headers=headers or {})
