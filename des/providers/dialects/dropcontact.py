"""Dropcontact's enrichment: up to 250 people in one request, answered half a minute later, by position.

From the vendor's documentation (https://developer.dropcontact.com, read in stored copies of 2026):

- A credit is taken for each person when the request is sent, and given back where no address is found: the cost of a
  `pending` outcome is what was taken, that of the final one what stays. A request for which the credits do not suffice
  is refused as a whole (403), and nothing is taken. Nothing is said of asking again: it is taken to be charged again.
- Sending an address costs a credit of its own that never comes back. None is sent.
- Until the answer is there a look at it is 200 with `success: false`, in the same words for a request that is not
  ready, for one the vendor never heard of and for a fault of its own. Only a deadline of ours tells these apart in the
  end: the question is then `unknown`, with what was heard last as the reason. Results are kept for 30 days.
- `data` stands in the order of the request. Every person is sent with a mark of ours in `custom_fields`; where the
  answer carries it back it has to be the place's own. Whoever is named in an answer has to be the one asked about: an
  answer in which somebody stands out of place is `unknown`, all of it or that person's.
- `email[].qualification` is LOCAL@DOMAIN: what the address is (`nominative`, `catch_all`, `generic`, `random`,
  `invalid`), and whose (`pro`, `perso`, `invalid`). Only one of the person at a company is taken.
- Unchecked: that `custom_fields` come back, that a LinkedIn address is read (`linkedin`, as in older documentation),
  and which message comes with 404: it can only mean that the address is not that of the API.
- Confidence: the vendor gives no number. A nominative address, which it has verified, is 0.95, as much as any vendor's
  word is worth here; one at a domain that takes any mail 0.6; one of an unknown kind 0.4. What a profile says is 0.8,
  a mobile number 0.7. `phone` is the company's number and not taken.
"""

from collections.abc import Sequence

import msgspec

from des.clock import Clock
from des.config_providers import DropcontactConfig
from des.contact import Contact
from des.providers.account import Account
from des.providers.contract import Outcome, OutcomeKind, Question, Replay, Traits
from des.providers.dialects.dialect import Asynchronous, Billing, ChargedOn, Correlation, Dialect, Reconcile
from des.providers.dialects.dropcontact_results import (
    EMAIL,
    LINKEDIN,
    MARK,
    PHONE,
    VERIFICATIONS,
    Results,
    Submitted,
    read_handle,
)
from des.providers.dialects.jobs import Waiting, collect, is_id
from des.providers.dialects.packed import Asked, Packing
from des.providers.dialects.rates import reopens_at
from des.providers.fault import CallFailed
from des.providers.person import domain_of, linkedin_handle_of, name_of
from des.providers.transport import Reply, Transport
from des.providers.values import Values
from des.providers.verdict import StatusMap, failed_call, refused, unreadable

DIALECT = Dialect(
    gives=frozenset({EMAIL, PHONE, LINKEDIN}),
    statuses=StatusMap(
        exact={
            200: OutcomeKind.PENDING,
            400: OutcomeKind.INVALID_INPUT,
            401: OutcomeKind.UNAUTHORIZED,
            403: OutcomeKind.QUOTA_EXHAUSTED,
            404: OutcomeKind.UNAUTHORIZED,
            422: OutcomeKind.INVALID_INPUT,
            429: OutcomeKind.RATE_LIMITED,
        },
        hundreds={5: OutcomeKind.TRANSIENT},
        otherwise=OutcomeKind.UNKNOWN,
    ),
    replay=Replay.NEVER_FREE,
    verifications=VERIFICATIONS,
    batch_max=250,
    correlation=Correlation.POSITION,
    billing=Billing(ChargedOn.SENT, refund_on_miss=True),
    reconcile=Reconcile.BY_JOB_ID,
    asynchronous=Asynchronous(poll_after_s=30.0, deadline_s=3_600.0, retention_s=30 * 86_400.0),
    operation="enrich",
)

BODY_BYTES_MAX = 8 * 1024 * 1024
"""250 people with all that is known of their companies, at the vendor's own 15 kB a record, are half of this."""

_PATH = "/v1/enrich/all"
_JSON = {"content-type": "application/json"}
_UNASKABLE = Outcome(OutcomeKind.INVALID_INPUT, reason="NEEDS a name and a company, or linkedin_url")

Record = dict[str, str]


class _Accepted(msgspec.Struct):
    request_id: str = ""
    success: bool = False
    reason: str = ""


class Dropcontact:
    """Asks Dropcontact for addresses, mobile numbers and profiles, which are collected later."""

    def __init__(self, name: str, config: DropcontactConfig, values: Values, clock: Clock) -> None:
        """Take the provider's name and settings, and who normalises values."""
        prices = dict.fromkeys(DIALECT.gives, config.price)
        self._traits = DIALECT.traits(name, config, config.batch_max, prices)
        self._url = config.url.rstrip("/") + _PATH
        self._price = config.price
        self._clock = clock
        self._waiting = Waiting(config.poll_after_s, config.answer_deadline_s)
        self._accepted = msgspec.json.Decoder(_Accepted)
        self._results = Results(config.price, values, clock, self._waiting)
        self._packing = Packing(
            lambda question: query(question.contact),
            self._submit,
            unaskable=_UNASKABLE,
            deadline_s=config.deadline_s,
        )
        self.account = Account(clock, self._traits.rate_windows, DIALECT.windows)
        self._transport = Transport(
            slots=config.concurrency,
            deadline_s=config.deadline_s,
            headers={"x-access-token": config.api_key.get_secret_value(), "accept": "application/json"},
            body_bytes_max=BODY_BYTES_MAX,
            proxy=config.proxy.get_secret_value() if config.proxy else None,
            account=self.account,
        )

    def __repr__(self) -> str:
        """Name and connection."""
        return f"Dropcontact({self._traits.name}, {self._transport!r})"

    @property
    def traits(self) -> Traits:
        """Many questions a call, paid when they are sent."""
        return self._traits

    async def start(self) -> None:
        """Open the connection pool. Raises ConfigError for a key or a proxy that cannot be used."""
        await self._transport.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._transport.stop()

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Submit all in one request: `pending` each with what was taken for it, in the order of the questions."""
        return await self._packing.ask(questions)

    async def collect(self, handles: Sequence[str]) -> Sequence[Outcome]:
        """What has become of the people of these handles, by one look at each request; an outcome each, in order."""
        return await collect(handles, read_handle, self._look, self._results.judge)

    # ---- submit ------------------------------------------------------------------------------------------------------

    async def _submit(self, asked: Sequence[Asked[Record]]) -> Outcome | list[Outcome]:
        data = [record | {"custom_fields": {MARK: str(place)}} for place, (_, record) in enumerate(asked)]
        body = msgspec.json.encode({"data": data, "siren": False, "language": "en"})
        sent_at = self._clock.time()
        try:
            reply = await self._transport.send("POST", self._url, headers=_JSON, body=body)
        except CallFailed as failed:
            return failed_call(failed, paid=True)
        kind = DIALECT.statuses.kind(reply.status)
        if kind is not OutcomeKind.PENDING:
            return self._refused(kind, reply)
        return self._submitted(reply, [question for question, _ in asked], sent_at)

    def _refused(self, kind: OutcomeKind, reply: Reply) -> Outcome:
        now = self._clock.time()
        outcome = refused(kind, reply, now)
        if kind is not OutcomeKind.RATE_LIMITED:
            return outcome
        return msgspec.structs.replace(outcome, retry_at=reopens_at(reply, DIALECT.windows, now))

    def _submitted(self, reply: Reply, questions: Sequence[Question], sent_at: float) -> Outcome | list[Outcome]:
        try:
            said = self._accepted.decode(reply.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return unreadable("UNEXPECTED_BODY", paid=True)
        if not said.success or not is_id(said.request_id):
            return unreadable(said.reason or "NO_REQUEST_ID", paid=True)
        now = self._clock.time()
        return [
            self._waiting.outcome(
                Submitted(said.request_id, place, len(questions), sent_at, who(question.contact)), now, cost=self._price
            )
            for place, question in enumerate(questions)
        ]

    # ---- collect -----------------------------------------------------------------------------------------------------

    async def _look(self, request_id: str) -> Reply | CallFailed:
        try:
            return await self._transport.send("GET", f"{self._url}/{request_id}")
        except CallFailed as failed:
            return failed


def who(contact: Contact) -> Contact:
    """What of the contact tells whether an answer is about them, and how its numbers are read."""
    return Contact(
        first_name=contact.first_name,
        last_name=contact.last_name,
        full_name=contact.full_name,
        company_name=contact.company_name,
        company_domain=contact.company_domain,
        linkedin_url=contact.linkedin_url,
        country=contact.country,
    )


def query(contact: Contact) -> Record | None:
    """A record that names the person, or None where the vendor could not tell whom we mean."""
    handle = linkedin_handle_of(contact)
    if contact.first_name and contact.last_name:
        name = {"first_name": contact.first_name, "last_name": contact.last_name}
    else:
        name = {"full_name": name_of(contact)}
    known = {
        "company": contact.company_name,
        "website": domain_of(contact),
        "linkedin": handle and f"https://www.linkedin.com/in/{handle}",
    }
    record = {key: value for key, value in (name | known).items() if value}
    named = name_of(contact) and record.keys() & {"company", "website"}
    return record if named or handle else None
