"""FullEnrich, as its API reference describes it (see `des.providers.dialects.fullenrich`, which is the other side).

Charged when an enrichment is finished, `ready_after_s` of the account after it was started: one credit for a
professional address, three for a personal one, ten for a phone number, where they are found. What was paid for
before an enrichment was started is free in it for three months, or until the book is cleared: not what stands in it
twice, nor what another one is finding at the same time. When the credits run out the rest is not looked for.
`job_status` of the account ends enrichments in another way: then nothing is found and nothing charged. The key
`wrong` is refused.
"""

import asyncio
import hmac
import time
from typing import Any
from uuid import uuid4

import msgspec
from aiohttp import web

from des.sandbox.desk import Answer, Desk, Windows
from des.sandbox.inquiry import Inquiry
from des.sandbox.population import Person, Population

KNOWN_SHARE = 0.75
PERSONAL_SHARE = 0.3
PHONE_SHARE = 0.5
BULK_MAX = 100
CUSTOM_KEYS_MAX = 10
CUSTOM_CHARS_MAX = 100
FREE_S = 90 * 86_400.0
EMAIL, PERSONAL, PHONE = "contact.work_emails", "contact.personal_emails", "contact.phones"
PRICES = {EMAIL: 1.0, PERSONAL: 3.0, PHONE: 10.0}

Entry = dict[str, Any]


class _Job(msgspec.Struct):
    """An enrichment: what was asked, what was paid for already when it was started, how far it is."""

    id: str
    name: str
    entries: list[Entry]
    free: frozenset[tuple[str, str]]
    key: str
    webhook_url: str = ""
    contact_finished_url: str = ""
    status: str = "IN_PROGRESS"
    cost: float = 0.0
    people: list[dict[str, Any]] = []

    def document(self) -> dict[str, Any]:
        """The result so far."""
        cost = {"credits": self.cost}
        return {"id": self.id, "name": self.name, "status": self.status, "cost": cost, "data": self.people}


class FullEnrichDesk:
    """`POST /api/v2/contact/enrich/bulk` and `GET /api/v2/contact/enrich/bulk/{enrichment_id}`."""

    name = "fullenrich"
    windows: Windows = ((60, 60.0),)

    def __init__(self, population: Population, desk: Desk) -> None:
        """Take who exists and the desk that serves."""
        self._population = population
        self._desk = desk
        self._book = desk.open_book(self)
        self._jobs: dict[str, _Job] = {}
        self._paid_at: dict[tuple[str, str], float] = {}

    def routes(self) -> list[web.RouteDef]:
        """Start, and look."""
        path = "/api/v2/contact/enrich/bulk"
        return [web.post(path, self._start), web.get(path + "/{enrichment_id}", self._collect)]

    def rate_limited(self, _: float | None, /) -> Answer:
        """429, which never hints at anything in a header."""
        return _error(429, "error.rate.limit", "Too many requests. Try again in 1m")

    def quota_exhausted(self) -> Answer:
        """402, with the form of a result."""
        return Answer(402, {"id": "", "name": "", "status": "CREDITS_INSUFFICIENT", "cost": {"credits": 0}, "data": []})

    def malformed(self) -> Answer:
        """400."""
        return _error(400, "error.request.invalid", "The request cannot be read")

    def failing(self, status: int) -> Answer:
        """5xx."""
        return _error(status, "error.internal", "Internal error")

    async def _start(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        return await self._desk.serve(request, self, lambda: _key_refusal(request) or self._accept(request, body))

    async def _collect(self, request: web.Request) -> web.StreamResponse:
        enrichment_id = request.match_info["enrichment_id"]
        return await self._desk.serve(request, self, lambda: _key_refusal(request) or self._look(enrichment_id))

    def _accept(self, request: web.Request, body: bytes) -> Answer:
        try:
            document = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            document = {}
        entries = document.get("data") or []
        if request.query.get("silentFail") == "true":
            entries = [entry for entry in entries if not _wrong(entry)]
        code = _wrong_whole(document, entries) or next(filter(None, map(_wrong, entries)), "")
        if code:
            return _error(400, code, "The request cannot be read")
        events = document.get("webhook_events") or {}
        job = _Job(
            str(uuid4()), document["name"], entries, self._free(entries), _key(request),
            document.get("webhook_url") or "", events.get("contact_finished") or "",
        )  # fmt: skip
        self._jobs[job.id] = job
        asyncio.get_running_loop().call_later(self._book.ready_after_s, self._finish, job)
        return Answer(200, {"enrichment_id": job.id})

    def _free(self, entries: list[Entry]) -> frozenset[tuple[str, str]]:
        keys = {_inquiry(entry).key for entry in entries} & self._book.people.keys()
        since = time.monotonic() - FREE_S
        return frozenset(paid for paid, at in self._paid_at.items() if paid[0] in keys and at >= since)

    def _finish(self, job: _Job) -> None:
        job.status = self._book.job_status or "FINISHED"
        job.people = [{"input": _input(entry), "custom": entry.get("custom", {})} for entry in job.entries]
        if job.status == "FINISHED":
            for entry, answer in zip(job.entries, job.people, strict=True):
                if not self._enrich(job, entry, answer):
                    job.status = "CREDITS_INSUFFICIENT"
                    break
        self._tell(job)

    def _enrich(self, job: _Job, entry: Entry, answer: dict[str, Any]) -> bool:
        """Find one person and charge for them; False where the credits do not suffice."""
        inquiry = _inquiry(entry)
        person = self._known(inquiry)
        found = [field for field in entry["enrich_fields"] if person is not None and _has(person, field)]
        price = sum(PRICES[field] for field in found if (inquiry.key, field) not in job.free)
        if not self._book.can_pay(price):
            return False
        self._book.bill(inquiry.key, price)
        job.cost += price
        for field in found:
            self._paid_at.setdefault((inquiry.key, field), time.monotonic())
        if person is not None:
            answer |= {"contact_info": _info(person, found), "profile": _profile(person)}
        return True

    def _known(self, inquiry: Inquiry) -> Person | None:
        person = inquiry.person(self._population) if inquiry.is_enough else None
        return person if person and not person.erased and person.known_to(self.name, KNOWN_SHARE) else None

    def _tell(self, job: _Job) -> None:
        if job.contact_finished_url:
            for answer in job.people:
                self._send(job, job.contact_finished_url, job.document() | {"status": "IN_PROGRESS", "data": [answer]})
        if job.webhook_url and job.status in {"FINISHED", "CREDITS_INSUFFICIENT", "CANCELED"}:
            self._send(job, job.webhook_url, job.document())

    def _send(self, job: _Job, url: str, document: dict[str, Any]) -> None:
        body = msgspec.json.encode(document)
        signature = hmac.new(job.key.encode(), body, "sha1").hexdigest()
        self._desk.webhooks.send(url, body, {"content-type": "application/json", "x-signature-sha1": signature})

    def _look(self, enrichment_id: str) -> Answer:
        job = self._jobs.get(enrichment_id)
        if job is None:
            return _error(404, "error.enrichment.not_found", "Enrichment ID not found")
        if job.status == "IN_PROGRESS":
            return _error(400, "error.enrichment.in_progress", "Enrichment not ready, try again in 30 seconds")
        return Answer(402 if job.status == "CREDITS_INSUFFICIENT" else 200, job.document(), items="data")


def _inquiry(entry: Entry) -> Inquiry:
    name = f"{entry.get('first_name', '')} {entry.get('last_name', '')}".strip()
    return Inquiry(name, entry.get("domain") or entry.get("company_name", ""), entry.get("linkedin_url", ""))


def _wrong_whole(document: Entry, entries: list[Entry]) -> str:
    if not document.get("name"):
        return "error.enrichment.name.empty"
    if not 1 <= len(entries) <= BULK_MAX:
        return "error.enrichment.data.empty" if not entries else "error.enrichment.data.exceeded"
    return ""


def _wrong(entry: Entry) -> str:
    """Code of what is wrong with one person, or ""."""
    custom = entry.get("custom", {})
    if len(custom) > CUSTOM_KEYS_MAX:
        return "error.enrichment.custom.key.exceeded"
    if any(not isinstance(value, str) or len(value) > CUSTOM_CHARS_MAX for value in custom.values()):
        return "error.enrichment.custom.value.exceeded"
    if not entry.get("enrich_fields"):
        return "error.enrichment.enrich_fields.empty"
    if any(field not in PRICES for field in entry["enrich_fields"]):
        return "error.enrichment.enrich_field.value"
    if entry.get("linkedin_url"):
        return ""
    missing = [name for name in ("first_name", "last_name") if not entry.get(name)]
    if not entry.get("domain") and not entry.get("company_name"):
        missing.append("domain")
    return f"error.enrichment.{missing[0]}.empty" if missing else ""


def _has(person: Person, field: str) -> bool:
    share = {EMAIL: 1.0, PERSONAL: PERSONAL_SHARE, PHONE: PHONE_SHARE}[field]
    return person.famous or person.known_to(f"fullenrich {field}", share)


def _input(entry: Entry) -> Entry:
    renamed = {"domain": "company_domain", "linkedin_url": "professional_network_url"}
    return {renamed.get(key, key): value for key, value in entry.items() if key not in {"enrich_fields", "custom"}}


def _info(person: Person, found: list[str]) -> dict[str, Any]:
    info: dict[str, Any] = {}
    if EMAIL in found:
        status = "HIGH_PROBABILITY" if person.company.catch_all else "DELIVERABLE"
        info["most_probable_work_email"] = {"email": person.email, "status": status}
    if PERSONAL in found:
        address = f"{person.handle}@mail.example"
        info["most_probable_personal_email"] = {"email": address, "status": "DELIVERABLE"}
    if PHONE in found:
        info["most_probable_phone"] = {"number": person.phone, "region": person.company.region.country}
    return info


def _profile(person: Person) -> dict[str, Any]:
    name = f"{person.first_name} {person.last_name}"
    return {
        "id": f"fullenrich{person.number}",
        "full_name": name,
        "first_name": person.first_name,
        "last_name": person.last_name,
    }


def _key(request: web.Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _key_refusal(request: web.Request) -> Answer | None:
    key = _key(request)
    return _error(401, "error.api.key", "Unknown api key") if not key or key == "wrong" else None


def _error(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"code": code, "message": message})
