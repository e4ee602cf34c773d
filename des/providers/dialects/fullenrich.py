"""FullEnrich's bulk enrichment: up to 100 people in one request, answered a minute later, by a mark of ours.

From the vendor's API reference (https://docs.fullenrich.com, v2, read in stored copies of 2026):

- A credit for a professional address, three for a personal one, ten for a phone number, each only where it is found; a
  finished enrichment tells its cost as a whole, which is shared out by these prices. The same person is free for three
  months, but not within one request nor in two at the same time.
- An enrichment that is under way is looked at in vain: 400 `error.enrichment.in_progress` as documented, 200 with the
  status `IN_PROGRESS` as observed. 404 is an id that nobody knows, or older than three months. 402 is an enrichment
  that ran out of credits, and its body is the result so far.
- Of an enrichment that ended early (`CANCELED`, `CREDITS_INSUFFICIENT`) what was found counts: it was paid for. Whom it
  did not come to is `unknown` after `CANCELED`, since somebody stopped it and nobody was missed, and
  `quota_exhausted` after `CREDITS_INSUFFICIENT`. `RATE_LIMIT` is looked at again: to ask again at the same time could
  be charged twice, to look is free. `UNKNOWN` is `unknown`.
- Every person is sent with a mark (`custom`), which comes back with the answer. A handle is `ENRICHMENT:MARK`, so that
  a delivery is assigned by what stands in it, even one that comes before the submission's reply has been kept.
- Deliveries (`webhook_url`) have the form of a result, whole or of one person each. See `des.providers.webhook`.
- Names are sent as first and last name; where there is only a whole one it is split at the first space.
- Confidence, from the bounce rates that the vendor names: `DELIVERABLE` (2 %) is 0.95, as much as any vendor's word is
  worth here; `HIGH_PROBABILITY` (9 %, at a domain that takes any mail) 0.85; `CATCH_ALL` (more) 0.6; any other 0.4.
  `INVALID` is no value. A phone number has no status: 0.7.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from des.clock import Clock
from des.config_providers import FullEnrichConfig
from des.providers.account import Account
from des.providers.contract import Outcome, OutcomeKind, Question, Replay, Traits
from des.providers.dialects.dialect import Asynchronous, Billing, ChargedOn, Correlation, Dialect, Reconcile
from des.providers.dialects.fullenrich_results import (
    EMAIL,
    MARK,
    PERSONAL,
    PHONE,
    VERIFICATIONS,
    Mark,
    Result,
    Results,
    Submitted,
    code_of,
    country_of,
    read_handle,
)
from des.providers.dialects.jobs import Waiting, collect, is_id
from des.providers.dialects.packed import Asked, Packing
from des.providers.fault import CallFailed
from des.providers.person import domain_of, linkedin_handle_of, name_of
from des.providers.transport import Reply, Transport
from des.providers.values import Values
from des.providers.verdict import StatusMap, failed_call, refused, unreadable
from des.providers.webhook import BodyUnreadable, ReplayWindow, verify

ENRICH_FIELDS: Mapping[str, str] = MappingProxyType(
    {EMAIL: "contact.work_emails", PERSONAL: "contact.personal_emails", PHONE: "contact.phones"}
)
"""What the vendor calls each of our fields."""
DIALECT = Dialect(
    gives=frozenset(ENRICH_FIELDS),
    statuses=StatusMap(
        exact={
            200: OutcomeKind.PENDING,
            400: OutcomeKind.INVALID_INPUT,
            401: OutcomeKind.UNAUTHORIZED,
            402: OutcomeKind.QUOTA_EXHAUSTED,
            403: OutcomeKind.UNAUTHORIZED,
            # The address is not that of the API: until that is mended nothing can be asked.
            404: OutcomeKind.UNAUTHORIZED,
            422: OutcomeKind.INVALID_INPUT,
            429: OutcomeKind.RATE_LIMITED,
        },
        hundreds={5: OutcomeKind.TRANSIENT},
        otherwise=OutcomeKind.UNKNOWN,
    ),
    replay=Replay.FREE_UNLESS_CONCURRENT,
    verifications=VERIFICATIONS,
    batch_max=100,
    correlation=Correlation.METADATA,
    billing=Billing(ChargedOn.VALUE, adds_up=True),
    reconcile=Reconcile.BY_JOB_ID,
    asynchronous=Asynchronous(poll_after_s=60.0, deadline_s=6 * 3_600.0, retention_s=90 * 86_400.0),
)

BODY_BYTES_MAX = 8 * 1024 * 1024
"""With LinkedIn addresses the reply holds whole profiles: some 20 kB each in the vendor's example."""
SIGNATURE_HEADER = "x-signature-sha1"

_PATH = "/api/v2/contact/enrich/bulk"
_JSON = {"content-type": "application/json"}
_UNASKABLE = Outcome(OutcomeKind.INVALID_INPUT, reason="NEEDS a first and a last name and a company, or linkedin_url")

Entry = dict[str, Any]


class _Accepted(msgspec.Struct):
    enrichment_id: str


class FullEnrich:
    """Asks FullEnrich for addresses and phone numbers, which are collected later or delivered."""

    def __init__(self, name: str, config: FullEnrichConfig, values: Values, clock: Clock) -> None:
        """Take the provider's name and settings, and who normalises values."""
        prices = {EMAIL: config.price, PERSONAL: config.price_personal_email, PHONE: config.price_phone}
        traits = DIALECT.traits(name, config, config.batch_max, prices)
        self._traits = dataclasses.replace(
            traits, prices_add_up=DIALECT.billing.adds_up, replay_after_s=config.replay_after_s
        )
        self._url = config.url.rstrip("/") + _PATH
        self._key = config.api_key.get_secret_value()
        self._webhook_url = config.webhook_url
        self._clock = clock
        self._waiting = Waiting(config.poll_after_s, config.answer_deadline_s)
        self._seen = ReplayWindow(clock)
        self._results = Results(prices, values, clock, self._waiting)
        self._packing = Packing(entry, self._submit, unaskable=_UNASKABLE, deadline_s=config.deadline_s)
        self.account = Account(clock, self._traits.rate_windows, DIALECT.windows)
        self._transport = Transport(
            slots=config.concurrency,
            deadline_s=config.deadline_s,
            headers={"authorization": f"Bearer {self._key}", "accept": "application/json"},
            body_bytes_max=BODY_BYTES_MAX,
            proxy=config.proxy.get_secret_value() if config.proxy else None,
            account=self.account,
        )

    def __repr__(self) -> str:
        """Name and connection."""
        return f"FullEnrich({self._traits.name}, {self._transport!r})"

    @property
    def traits(self) -> Traits:
        """Many questions a call, paid."""
        return self._traits

    async def start(self) -> None:
        """Open the connection pool. Raises ConfigError for a key or a proxy that cannot be used."""
        await self._transport.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._transport.stop()

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Submit all in one request: `pending` each, in the order of the questions."""
        return await self._packing.ask(questions)

    async def collect(self, handles: Sequence[str]) -> Sequence[Outcome]:
        """What has become of the people of these handles, by one look at each enrichment; an outcome each, in order."""
        return await collect(handles, read_handle, self._look, self._results.judge)

    # ---- submit ------------------------------------------------------------------------------------------------------

    async def _submit(self, asked: Sequence[Asked[Entry]]) -> Outcome | list[Outcome]:
        sent_at = self._clock.time()
        marks = [
            Mark(place, question.fields, country_of(question.contact), sent_at)
            for place, (question, _) in enumerate(asked)
        ]
        document: dict[str, Any] = {
            "name": f"DES, {len(asked)} people",
            "data": [entry | {"custom": {MARK: mark.text}} for mark, (_, entry) in zip(marks, asked, strict=True)],
        }
        if self._webhook_url:
            document["webhook_url"] = self._webhook_url
        try:
            reply = await self._transport.send("POST", self._url, headers=_JSON, body=msgspec.json.encode(document))
        except CallFailed as failed:
            return failed_call(failed, paid=True)
        kind = DIALECT.statuses.kind(reply.status)
        if kind is not OutcomeKind.PENDING:
            return refused(kind, reply, self._clock.time(), reason=code_of(reply))
        return self._submitted(reply, marks)

    def _submitted(self, reply: Reply, marks: Sequence[Mark]) -> Outcome | list[Outcome]:
        try:
            enrichment = msgspec.json.decode(reply.body, type=_Accepted).enrichment_id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return unreadable("UNEXPECTED_BODY", paid=True)
        if not is_id(enrichment):
            return unreadable("NO_ENRICHMENT_ID", paid=True)
        now = self._clock.time()
        return [self._waiting.outcome(Submitted(enrichment, mark), now) for mark in marks]

    # ---- collect -----------------------------------------------------------------------------------------------------

    async def _look(self, enrichment: str) -> Reply | CallFailed:
        try:
            return await self._transport.send("GET", f"{self._url}/{enrichment}")
        except CallFailed as failed:
            return failed

    # ---- deliveries --------------------------------------------------------------------------------------------------

    @property
    def signature_header(self) -> str:
        """Name of the header that signs a delivery."""
        return SIGNATURE_HEADER

    def receive(self, body: bytes, signature: str | None) -> Sequence[tuple[str, Outcome]]:
        """What a delivery brings: handles with their outcomes, none of them `pending`.

        Raises the errors of `des.providers.webhook`. `reject` makes it as if it had never come.
        """
        taken = verify(body, signature, self._key, self._seen)
        try:
            said = msgspec.json.decode(body, type=Result)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._seen.give_back(taken)
            raise BodyUnreadable from error
        people = said.data or []
        if said.status == "IN_PROGRESS" and len(people) == 1:
            # One person who is finished, of an enrichment that is not; its cost so far says nothing of this one.
            said = msgspec.structs.replace(said, status="FINISHED", cost=None)
        jobs = [job for person in people if (job := read_handle(f"{said.id}:{person.mark}")) is not None]
        outcomes = self._results.taken_apart(jobs, said, self._clock.time())
        return [
            (job.handle, outcome)
            for job, outcome in zip(jobs, outcomes, strict=True)
            if outcome.kind is not OutcomeKind.PENDING
        ]

    def reject(self, signature: str) -> None:
        """Forget a delivery that could not be kept, so that the vendor's next try is taken."""
        self._seen.give_back(signature.strip().lower())


def entry(question: Question) -> Entry | None:
    """One person as the vendor is asked about them, or None where it could not tell whom we mean, or what."""
    contact = question.contact
    handle = linkedin_handle_of(contact)
    first, last = contact.first_name, contact.last_name
    if not (first and last):
        first, _, last = name_of(contact).partition(" ")
    known = {
        "first_name": first,
        "last_name": last.strip(),
        "domain": domain_of(contact),
        "company_name": contact.company_name,
        "linkedin_url": handle and f"https://www.linkedin.com/in/{handle}",
    }
    said: Entry = {key: value for key, value in known.items() if value}
    said["enrich_fields"] = [ENRICH_FIELDS[field] for field in question.fields if field in ENRICH_FIELDS]
    named = {"first_name", "last_name"} <= said.keys() and said.keys() & {"domain", "company_name"}
    return said if said["enrich_fields"] and (named or handle) else None
