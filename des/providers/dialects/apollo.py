"""Apollo's people enrichment: one person a call or up to ten by position; phone numbers come later, by polling.

From the vendor's API reference (https://docs.apollo.io, read in stored copies of 2026):

- One credit for a person found and eight more for a mobile number; a reply to several people tells `credits_consumed`.
  The same question can be charged again. A miss is 200 with a `person` that is null or blank.
- Phone numbers are looked up after the reply. With `poll_only` it carries a `request_id` (a signed 64-bit number), and
  `/api/v1/webhook_result/{request_id}` answers 404 `result_pending` until they are there, and for 30 days from then.
- `matches` stands in the order of the question, with null for a miss, and nothing else ties a person to a question. A
  reply of another length is not used, nor one in which someone stands who was asked for at another place.
- 401 is text, 403 an endpoint that the key may not use, 422 bad input; 429 comes with `retry-after`. Limits are per
  team and endpoint, for minute, hour and day at once. 404 and 410 are not answers to a match.
- Unchecked: how it tells that the credits are gone. 402 is read as that, and so is a refusal of the input or the key
  whose text speaks of credits: bad input read as spent credits is asked again, the reverse would be given up.
- Unchecked: that bulk replies carry `request_id` too, and the payload's `people[].phone_numbers[].sanitized_number`.
- Confidence: the vendor gives no number. `verified` (a mail server took the address) is 0.95, as much as any vendor's
  word is worth here; every other state is a guess from a pattern, 0.5. What the profile itself says has no state and
  may be old, 0.8; a phone number has none either and may be another's, 0.7.
"""

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from des.clock import Clock
from des.config_providers import ApolloConfig
from des.contact import Contact, FieldType
from des.providers.account import Account
from des.providers.contract import MISS, Outcome, OutcomeKind, Question, Replay, Traits, Value
from des.providers.dialects.dialect import Asynchronous, Billing, ChargedOn, Correlation, Dialect
from des.providers.dialects.packed import Asked, Packing, shared_out
from des.providers.dialects.phone_jobs import PHONE, Job, PhoneJobs
from des.providers.dialects.positions import is_out_of_order
from des.providers.dialects.rates import reopens_at
from des.providers.fault import CallFailed
from des.providers.person import domain_of, linkedin_handle_of, name_of
from des.providers.rate_headers import Window
from des.providers.transport import Reply, Transport
from des.providers.values import Values
from des.providers.verdict import StatusMap, failed_call, refused, unreadable

EMAIL = "professional_email"
LINKEDIN = "linkedin_url"
TITLE = "job_title"

ASYNCHRONOUS = Asynchronous(poll_after_s=60.0, deadline_s=24 * 3600.0, retention_s=30 * 24 * 3600.0)
"""Phone numbers take minutes; one that is not there after a day is given up."""

DIALECT = Dialect(
    gives=frozenset({EMAIL, PHONE, LINKEDIN, TITLE}),
    statuses=StatusMap(
        exact={
            200: OutcomeKind.FOUND,
            400: OutcomeKind.INVALID_INPUT,
            401: OutcomeKind.UNAUTHORIZED,
            402: OutcomeKind.QUOTA_EXHAUSTED,
            403: OutcomeKind.UNAUTHORIZED,
            422: OutcomeKind.INVALID_INPUT,
            429: OutcomeKind.RATE_LIMITED,
        },
        hundreds={5: OutcomeKind.TRANSIENT},
        otherwise=OutcomeKind.UNKNOWN,
    ),
    replay=Replay.NEVER_FREE,
    verifications={"verified": "valid", "unavailable": "", "bounced": "invalid"},
    batch_max=10,
    correlation=Correlation.POSITION,
    billing=Billing(ChargedOn.VALUE, adds_up=True),
    windows=(
        Window(60.0, "x-minute-requests-left"),
        Window(3_600.0, "x-hourly-requests-left"),
        Window(86_400.0, "x-24-hour-requests-left"),
    ),
    asynchronous=ASYNCHRONOUS,
)

CONFIDENCE_VERIFIED = 0.95
CONFIDENCE_OTHER = 0.5
CONFIDENCE_INVALID = 0.05
CONFIDENCE_PROFILE = 0.8
OF_CREDITS = b"credit"
LOCKED = "email_not_unlocked@"
"""What stands in place of an address that the team has not unlocked."""

_ONE = "/api/v1/people/match"
_MANY = "/api/v1/people/bulk_match"
_JSON = {"content-type": "application/json"}
_UNASKABLE = Outcome(OutcomeKind.INVALID_INPUT, reason="NEEDS a name and a company, email or linkedin_url")

Details = dict[str, str]


class _Organization(msgspec.Struct):
    name: str | None = None
    primary_domain: str | None = None


class _Person(msgspec.Struct):
    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    email: str | None = None
    email_status: str | None = None
    title: str | None = None
    linkedin_url: str | None = None
    organization: _Organization | None = None


class _One(msgspec.Struct):
    # Without a default: a reply that says nothing of a person is not an answer.
    person: _Person | None
    request_id: int | str | None = None


class _Many(msgspec.Struct):
    matches: list[_Person | None]
    error_code: str | None = None
    total_requested_enrichments: int | None = None
    credits_consumed: float | None = None
    request_id: int | str | None = None


class Apollo:
    """Asks Apollo for e-mail addresses, profiles and titles, and for phone numbers that are collected later."""

    def __init__(self, name: str, config: ApolloConfig, values: Values, clock: Clock) -> None:
        """Take the provider's name and settings, and who normalises values."""
        self._traits = DIALECT.traits(
            name,
            config,
            config.batch_max,
            {**dict.fromkeys(DIALECT.gives, config.price), "phone_number": config.price + config.price_phone},
        )
        self._url = config.url.rstrip("/")
        self._price = config.price
        self._values = values
        self._clock = clock
        self._one = msgspec.json.Decoder(_One)
        self._many = msgspec.json.Decoder(_Many)
        self._packing = Packing(
            lambda question: query(question.contact),
            self._call,
            kin=lambda question: PHONE in question.fields,  # a flag of the call, and the dearest one
            unaskable=_UNASKABLE,
            deadline_s=config.deadline_s,
        )
        self.account = Account(clock, self._traits.rate_windows, DIALECT.windows)
        self._transport = Transport(
            slots=config.concurrency,
            deadline_s=config.deadline_s,
            headers={"x-api-key": config.api_key.get_secret_value(), "accept": "application/json"},
            proxy=config.proxy.get_secret_value() if config.proxy else None,
            account=self.account,
        )
        self._jobs = PhoneJobs(self._url, self._transport, values, clock, config.price_phone)

    def __repr__(self) -> str:
        """Name and connection."""
        return f"Apollo({self._traits.name}, {self._transport!r})"

    @property
    def traits(self) -> Traits:
        """Several questions a call, paid."""
        return self._traits

    async def start(self) -> None:
        """Open the connection pool. Raises ConfigError for a key or a proxy that cannot be used."""
        await self._transport.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._transport.stop()

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """One call for all who want a phone number and one for the others; an outcome each, in their order."""
        return await self._packing.ask(questions)

    async def collect(self, handles: Sequence[str]) -> Sequence[Outcome]:
        """The phone numbers of earlier calls, and what those calls had given: an outcome for each handle, in order."""
        return await self._jobs.collect(handles)

    async def _call(self, asked: Sequence[Asked[Details]]) -> Outcome | list[Outcome]:
        with_phone = PHONE in asked[0][0].fields
        flags = {"reveal_phone_number": "true", "poll_only": "true"} if with_phone else {}
        one = len(asked) == 1
        parameters = urlencode(asked[0][1] | flags if one else flags)
        url = self._url + (_ONE if one else _MANY) + (f"?{parameters}" if parameters else "")
        body = None if one else msgspec.json.encode({"details": [details for _, details in asked]})
        try:
            reply = await self._transport.send("POST", url, headers=_JSON, body=body)
        except CallFailed as failed:
            return failed_call(failed, paid=True)
        kind = DIALECT.statuses.kind(reply.status)
        if kind is not OutcomeKind.FOUND:
            return self._refused(kind, reply)
        return self._judge_one(reply, asked[0][0]) if one else self._judge_many(reply, asked)

    def _refused(self, kind: OutcomeKind, reply: Reply) -> Outcome:
        if kind in {OutcomeKind.INVALID_INPUT, OutcomeKind.UNAUTHORIZED} and OF_CREDITS in reply.body.lower():
            kind = OutcomeKind.QUOTA_EXHAUSTED
        now = self._clock.time()
        outcome = refused(kind, reply, now)
        if kind is not OutcomeKind.RATE_LIMITED:
            return outcome
        return msgspec.structs.replace(outcome, retry_at=reopens_at(reply, DIALECT.windows, now))

    def _judge_one(self, reply: Reply, question: Question) -> Outcome:
        try:
            said = self._one.decode(reply.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return unreadable("UNEXPECTED_BODY", paid=True)
        return self._answer(said.person, question, self._price, said.request_id)

    def _judge_many(self, reply: Reply, asked: Sequence[Asked[Details]]) -> Outcome | list[Outcome]:
        try:
            said = self._many.decode(reply.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return unreadable("UNEXPECTED_BODY", paid=True)
        if said.error_code:
            return unreadable(said.error_code, paid=True)
        people, told = said.matches, said.total_requested_enrichments
        if len(people) != len(asked) or (told is not None and told != len(asked)):
            return unreadable("WRONG_LENGTH", paid=True)
        if is_out_of_order([_contact(person) for person in people], [question.contact for question, _ in asked]):
            return unreadable("WRONG_ORDER", paid=True)
        weights = [self._price if _is_person(person) else 0.0 for person in people]
        consumed = sum(weights) if said.credits_consumed is None else max(said.credits_consumed, 0.0)
        return [
            self._answer(person, question, cost, said.request_id)
            for person, (question, _), cost in zip(people, asked, shared_out(consumed, weights), strict=True)
        ]

    def _answer(self, person: _Person | None, question: Question, cost: float, request_id: int | str | None) -> Outcome:
        if person is None or not _is_person(person):
            return MISS
        values = self._values_of(person, question)
        reference = person.id or ""
        if PHONE in question.fields:
            if request_id is not None and person.id:
                job = Job(str(request_id), reference, question.contact.country, values, cost)
                return self._jobs.pending(job, self._clock.time() + ASYNCHRONOUS.poll_after_s)
            if not values:
                return Outcome(OutcomeKind.UNKNOWN, reason="NO_REQUEST_ID", reference=reference, cost=cost)
        if not values:
            return Outcome(OutcomeKind.MISS, reason="NO_VALUE", reference=reference, cost=cost)
        return Outcome(OutcomeKind.FOUND, values, reference=reference, cost=cost)

    def _values_of(self, person: _Person, question: Question) -> dict[str, Value]:
        values: dict[str, Value] = {}
        email = "" if not person.email or person.email.startswith(LOCKED) else person.email
        address = email and self._values.normalise(FieldType.EMAIL, email)
        if address and EMAIL in question.fields:
            state = (person.email_status or "").lower()
            verification = DIALECT.verifications.get(state, "unknown" if state else "")
            values[EMAIL] = Value(address, _confidence(verification), verification)
        for field, field_type, raw in (
            (LINKEDIN, FieldType.URL, person.linkedin_url),
            (TITLE, FieldType.TEXT, person.title),
        ):
            value = raw and self._values.normalise(field_type, raw)
            if value and field in question.fields:
                values[field] = Value(value, CONFIDENCE_PROFILE)
        return values


def query(contact: Contact) -> Details | None:
    """Details that name the person, or None where the vendor could not tell whom we mean."""
    handle = linkedin_handle_of(contact)
    if contact.first_name and contact.last_name:
        name = {"first_name": contact.first_name, "last_name": contact.last_name}
    else:
        name = {"name": name_of(contact)}
    domain = domain_of(contact)
    company = {"domain": domain} if domain else {"organization_name": contact.company_name}
    known = {"email": contact.email, "linkedin_url": handle and f"https://www.linkedin.com/in/{handle}"}
    details = {key: value for key, value in (name | company | known).items() if value}
    named = name_of(contact) and (domain or contact.company_name)
    return details if named or details.keys() & {"email", "linkedin_url"} else None


def _confidence(verification: str) -> float:
    match verification:
        case "valid":
            return CONFIDENCE_VERIFIED
        case "invalid":
            return CONFIDENCE_INVALID
        case _:
            return CONFIDENCE_OTHER


def _is_person(person: _Person | None) -> bool:
    return person is not None and any((person.id, person.email, person.name, person.last_name))


def _contact(person: _Person | None) -> Contact | None:
    """A person of a reply in the words in which they are asked for."""
    if person is None:
        return None
    return Contact(
        first_name=person.first_name or "",
        last_name=person.last_name or "",
        full_name=person.name or "",
        company_name=(person.organization and person.organization.name) or "",
        company_domain=(person.organization and person.organization.primary_domain) or "",
        email=person.email or "",
        linkedin_url=person.linkedin_url or "",
    )
