"""Hunter's e-mail finder: one person a call, charged for each e-mail found.

From the vendor's API reference (https://hunter.io/api-documentation/v2, read in a stored copy of 2026-08):

- The statuses are not those of HTTP: 403 asks to slow down, 429 says that the credits are gone (stop, a retry does not
  help), 451 that the person asked not to be processed. There is no Retry-After and no header with a rate.
- 15 requests a second and 500 a minute. The same question is free within the billing period.
- A miss is 200 with `email: null`. Unchecked: whether it may also be a 404 of `/email-finder`; both are read as a miss.
- `score` (0-100) is how sure the vendor is of the address. Confidence is score / 100; an address that the vendor's own
  verification calls `valid` is at least 0.95 sure, one it calls `invalid` at most 0.05.
"""

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from des.clock import Clock
from des.config_providers import HunterConfig
from des.contact import Contact, FieldType
from des.providers.account import Account
from des.providers.contract import MISS, Outcome, OutcomeKind, Question, Replay, Traits, Value
from des.providers.dialects.dialect import Dialect
from des.providers.fault import CallFailed
from des.providers.person import domain_of, linkedin_handle_of
from des.providers.transport import Reply, Transport
from des.providers.values import Values
from des.providers.verdict import StatusMap, failed_call, refused, unreadable

EMAIL = "professional_email"
PHONE = "phone_number"

DIALECT = Dialect(
    gives=frozenset({EMAIL, PHONE}),
    statuses=StatusMap(
        exact={
            200: OutcomeKind.FOUND,
            400: OutcomeKind.INVALID_INPUT,
            401: OutcomeKind.UNAUTHORIZED,
            403: OutcomeKind.RATE_LIMITED,
            404: OutcomeKind.MISS,
            422: OutcomeKind.INVALID_INPUT,
            429: OutcomeKind.QUOTA_EXHAUSTED,
            451: OutcomeKind.SUPPRESSED,
        },
        hundreds={5: OutcomeKind.TRANSIENT},
        otherwise=OutcomeKind.UNKNOWN,
    ),
    replay=Replay.FREE_IN_PERIOD,
    verifications={
        "valid": "valid",
        "invalid": "invalid",
        "accept_all": "catch_all",
        "webmail": "webmail",
        "disposable": "disposable",
        "unknown": "unknown",
    },
    operation="email_finder",
)

CONFIDENCE_VALID_MIN = 0.95
CONFIDENCE_INVALID_MAX = 0.05
_PATH = "/v2/email-finder"


class _Verification(msgspec.Struct):
    status: str | None = None


class _Source(msgspec.Struct):
    uri: str | None = None


class _Person(msgspec.Struct):
    email: str | None = None
    score: float | None = None
    phone_number: str | None = None
    verification: _Verification | None = None
    sources: list[_Source] = []


class _Answer(msgspec.Struct):
    data: _Person


class Hunter:
    """Asks Hunter for professional e-mail addresses, and takes the phone number where one comes along."""

    def __init__(self, name: str, config: HunterConfig, values: Values, clock: Clock) -> None:
        """Take the provider's name and settings, and who normalises values."""
        self._traits = DIALECT.traits(name, config, prices=dict.fromkeys(DIALECT.gives, config.price))
        self._url = config.url.rstrip("/") + _PATH
        self._fixed = {"max_duration": str(config.max_duration_s)}
        self._price = config.price
        self._values = values
        self._clock = clock
        self._decoder = msgspec.json.Decoder(_Answer)
        self.account = Account(clock, self._traits.rate_windows, DIALECT.windows)
        self._transport = Transport(
            slots=config.concurrency,
            deadline_s=config.deadline_s,
            headers={"x-api-key": config.api_key.get_secret_value(), "accept": "application/json"},
            proxy=config.proxy.get_secret_value() if config.proxy else None,
            account=self.account,
        )

    def __repr__(self) -> str:
        """Name and connection."""
        return f"Hunter({self._traits.name}, {self._transport!r})"

    @property
    def traits(self) -> Traits:
        """One question a call, paid."""
        return self._traits

    async def start(self) -> None:
        """Open the connection pool. Raises ConfigError for a key or a proxy that cannot be used."""
        await self._transport.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._transport.stop()

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """One call for each question, in their order."""
        return [await self._ask(question.contact) for question in questions]

    async def _ask(self, contact: Contact) -> Outcome:
        person = query(contact)
        if person is None:
            return _UNASKABLE
        try:
            reply = await self._transport.send("GET", f"{self._url}?{urlencode(person | self._fixed)}")
        except CallFailed as failed:
            return failed_call(failed, paid=True)
        return self._judge(reply, contact.country)

    def _judge(self, reply: Reply, country: str) -> Outcome:
        kind = DIALECT.statuses.kind(reply.status)
        if kind is OutcomeKind.MISS:
            return MISS
        if kind is not OutcomeKind.FOUND:
            return refused(kind, reply, self._clock.time())
        try:
            person = self._decoder.decode(reply.body).data
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return unreadable("UNEXPECTED_BODY", paid=True)
        return self._found(person, country)

    def _found(self, person: _Person, country: str) -> Outcome:
        values: dict[str, Value] = {}
        email = person.email and self._values.normalise(FieldType.EMAIL, person.email)
        if email:
            verification = DIALECT.verifications.get((person.verification and person.verification.status) or "", "")
            evidence = next((source.uri for source in person.sources if source.uri), "")
            values[EMAIL] = Value(email, confidence(person.score, verification), verification, evidence)
        phone = person.phone_number and self._values.normalise(FieldType.PHONE, person.phone_number, country)
        if phone:
            values[PHONE] = Value(phone, confidence(person.score, ""))
        cost = self._price if person.email else 0.0  # what the vendor charges for, whatever we make of it
        if not values:
            return Outcome(OutcomeKind.MISS, reason="INVALID_VALUE", cost=cost) if person.email else MISS
        return Outcome(OutcomeKind.FOUND, values, cost=cost)


_UNASKABLE = Outcome(OutcomeKind.INVALID_INPUT, reason="NEEDS a name and a company, or linkedin_url")


def query(contact: Contact) -> dict[str, str] | None:
    """Parameters that name the person, or None where the vendor could not tell whom we mean."""
    if contact.first_name and contact.last_name:
        name = {"first_name": contact.first_name, "last_name": contact.last_name}
    elif contact.full_name:
        name = {"full_name": contact.full_name}
    else:
        name = {}
    domain = domain_of(contact)
    company = {"domain": domain} if domain else {"company": contact.company_name} if contact.company_name else {}
    if name and company:
        return company | name
    handle = linkedin_handle_of(contact)
    return {"linkedin_handle": handle} if handle else None


def confidence(score: float | None, verification: str) -> float:
    """How sure, 0 to 1, by the vendor's score (0-100) and what it says of the address, in our words."""
    sure = min(max((score or 0.0) / 100.0, 0.0), 1.0)
    match verification:
        case "valid":
            return max(sure, CONFIDENCE_VALID_MIN)
        case "invalid":
            return min(sure, CONFIDENCE_INVALID_MAX)
        case _:
            return sure
