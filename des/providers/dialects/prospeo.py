"""Prospeo's person enrichment: one person a call, or up to 50 by identifiers of ours.

From the vendor's API reference (https://prospeo.io/api-docs, read in stored copies of 2026):

- Errors are told apart by `error_code`, not by the status: 400 is a miss (`NO_MATCH`), bad input, spent credits or the
  vendor's own failure. The status decides only where a code is none of those documented. Unchecked: that `NO_MATCH`
  comes with 400; its code counts under any status.
- One credit for a match, ten for one with a mobile number. The same person is free for the life of the account, which
  `free_enrichment` tells; a bulk reply tells `total_cost`.
- A bulk reply sorts the identifiers into `matched`, `not_matched` and `invalid_datapoints`. Where these are together
  anything but those that were asked, each once, nothing in the reply is relied on.
- Headers tell of the windows of day and minute. The rates in the settings are those reported of the smallest plan.
- Confidence: the vendor gives no number. `VERIFIED` is 0.95, as much as any vendor's word is worth here; `UNVERIFIED`
  is a guess from a pattern, 0.5; a verified mobile number 0.9, one without a status 0.6.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from des.clock import Clock
from des.config_providers import ProspeoConfig
from des.contact import Contact, FieldType
from des.providers.account import Account
from des.providers.contract import MISS, Outcome, OutcomeKind, Question, Replay, Traits, Value
from des.providers.dialects.dialect import Billing, ChargedOn, Correlation, Dialect
from des.providers.dialects.packed import Asked, Packing, shared_out
from des.providers.dialects.rates import reopens_at
from des.providers.fault import CallFailed
from des.providers.person import domain_of, linkedin_handle_of, name_of
from des.providers.rate_headers import Window
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
            401: OutcomeKind.UNAUTHORIZED,
            429: OutcomeKind.RATE_LIMITED,
        },
        hundreds={5: OutcomeKind.TRANSIENT},
        otherwise=OutcomeKind.UNKNOWN,
    ),
    replay=Replay.FREE_FOR_LIFE,
    verifications={"VERIFIED": "valid", "UNVERIFIED": "unknown"},
    batch_max=50,
    correlation=Correlation.IDENTIFIER,
    billing=Billing(ChargedOn.PERSON),
    windows=(
        Window(60.0, "x-minute-request-left", "x-minute-reset-seconds"),
        Window(86_400.0, "x-daily-request-left", "x-daily-reset-seconds"),
    ),
)

CODES: Mapping[str, OutcomeKind] = MappingProxyType(
    {
        "NO_MATCH": OutcomeKind.MISS,
        "INVALID_DATAPOINTS": OutcomeKind.INVALID_INPUT,
        "INVALID_REQUEST": OutcomeKind.INVALID_INPUT,
        "INSUFFICIENT_CREDITS": OutcomeKind.QUOTA_EXHAUSTED,
        "INVALID_API_KEY": OutcomeKind.UNAUTHORIZED,
        "RATE_LIMIT_EXCEEDED": OutcomeKind.RATE_LIMITED,
        "INTERNAL_ERROR": OutcomeKind.TRANSIENT,
    }
)
"""Outcome of each `error_code`."""

CONFIDENCE_EMAIL = MappingProxyType({"valid": 0.95})
CONFIDENCE_EMAIL_OTHER = 0.5
CONFIDENCE_PHONE_VERIFIED = 0.9
CONFIDENCE_PHONE_OTHER = 0.6

_ONE = "/enrich-person"
_MANY = "/bulk-enrich-person"
_JSON = {"content-type": "application/json"}
_UNASKABLE = Outcome(OutcomeKind.INVALID_INPUT, reason="NEEDS a name and a company, email or linkedin_url")

Datapoints = dict[str, str]


class _Email(msgspec.Struct):
    status: str | None = None
    revealed: bool = False
    email: str | None = None


class _Mobile(msgspec.Struct):
    status: str | None = None
    revealed: bool = False
    mobile: str | None = None
    mobile_international: str | None = None


class _Person(msgspec.Struct):
    person_id: str | None = None
    email: _Email | None = None
    mobile: _Mobile | None = None


class _One(msgspec.Struct):
    person: _Person
    free_enrichment: bool = False


class _Matched(msgspec.Struct):
    identifier: str
    person: _Person
    free_enrichment: bool = False


class _Many(msgspec.Struct):
    matched: list[_Matched]
    not_matched: list[str]
    invalid_datapoints: list[str]
    total_cost: float | None = None


class _Refusal(msgspec.Struct):
    error_code: str = ""


class Prospeo:
    """Asks Prospeo for professional e-mail addresses and mobile numbers."""

    def __init__(self, name: str, config: ProspeoConfig, values: Values, clock: Clock) -> None:
        """Take the provider's name and settings, and who normalises values."""
        self._traits = DIALECT.traits(
            name,
            config,
            config.batch_max,
            {**dict.fromkeys(DIALECT.gives, config.price), PHONE: config.price_phone},
        )
        self._url = config.url.rstrip("/")
        self._prices = {EMAIL: config.price, PHONE: config.price_phone}
        self._only_verified_email = config.only_verified_email
        self._values = values
        self._clock = clock
        self._one = msgspec.json.Decoder(_One)
        self._many = msgspec.json.Decoder(_Many)
        self._packing = Packing(
            lambda question: query(question.contact),
            self._call,
            kin=lambda question: DIALECT.gives.intersection(question.fields),  # flags of the call, and its price
            unaskable=_UNASKABLE,
            deadline_s=config.deadline_s,
        )
        self.account = Account(clock, self._traits.rate_windows, DIALECT.windows)
        self._transport = Transport(
            slots=config.concurrency,
            deadline_s=config.deadline_s,
            headers={"x-key": config.api_key.get_secret_value(), "accept": "application/json"},
            proxy=config.proxy.get_secret_value() if config.proxy else None,
            account=self.account,
        )

    def __repr__(self) -> str:
        """Name and connection."""
        return f"Prospeo({self._traits.name}, {self._transport!r})"

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
        """One call for all who want the same fields; an outcome each, in the order of the questions."""
        return await self._packing.ask(questions)

    def _flags(self, fields: Sequence[str]) -> dict[str, bool]:
        """What the call may give and cost. A filter on one value applies where no other value is wanted."""
        return {
            "only_verified_email": self._only_verified_email and PHONE not in fields,
            "enrich_mobile": PHONE in fields,
            "only_verified_mobile": PHONE in fields and EMAIL not in fields,
        }

    async def _call(self, asked: Sequence[Asked[Datapoints]]) -> Outcome | list[Outcome]:
        one = len(asked) == 1
        data: Any = asked[0][1]
        if not one:
            data = [{"identifier": str(at)} | datapoints for at, (_, datapoints) in enumerate(asked)]
        body = msgspec.json.encode(self._flags(asked[0][0].fields) | {"data": data})
        try:
            reply = await self._transport.send("POST", self._url + (_ONE if one else _MANY), headers=_JSON, body=body)
        except CallFailed as failed:
            return failed_call(failed, paid=True)
        if DIALECT.statuses.kind(reply.status) is not OutcomeKind.FOUND:
            return self._refused(reply, many=not one)
        try:
            if one:
                said = self._one.decode(reply.body)
                return self._found(said.person, asked[0][0], self._price(said.person, free=said.free_enrichment))
            return self._sorted_out(self._many.decode(reply.body), [question for question, _ in asked])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return unreadable("UNEXPECTED_BODY", paid=True)

    def _refused(self, reply: Reply, *, many: bool) -> Outcome:
        try:
            code = msgspec.json.decode(reply.body, type=_Refusal).error_code
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            code = ""
        kind = CODES.get(code)
        if kind is None:
            kind, code = DIALECT.statuses.kind(reply.status), ""
        if kind is OutcomeKind.MISS:
            # A reply to several says who was missed; that one code is meant for all of them is written nowhere.
            return unreadable("UNEXPECTED_NO_MATCH", paid=True) if many else MISS
        now = self._clock.time()
        outcome = refused(kind, reply, now, reason=code)
        if kind is not OutcomeKind.RATE_LIMITED:
            return outcome
        return msgspec.structs.replace(outcome, retry_at=reopens_at(reply, DIALECT.windows, now))

    def _sorted_out(self, said: _Many, questions: Sequence[Question]) -> Outcome | list[Outcome]:
        told = [*(match.identifier for match in said.matched), *said.not_matched, *said.invalid_datapoints]
        if sorted(told) != sorted(str(at) for at in range(len(questions))):
            return unreadable("WRONG_IDENTIFIERS", paid=True)
        weights = [self._price(match.person, free=match.free_enrichment) for match in said.matched]
        costs = weights if said.total_cost is None else shared_out(max(said.total_cost, 0.0), weights)
        outcomes = dict.fromkeys(said.not_matched, MISS)
        outcomes |= dict.fromkeys(said.invalid_datapoints, _INVALID)
        for match, cost in zip(said.matched, costs, strict=True):
            outcomes[match.identifier] = self._found(match.person, questions[int(match.identifier)], cost)
        return [outcomes[str(at)] for at in range(len(questions))]

    def _price(self, person: _Person, *, free: bool) -> float:
        """Credits of a match, by what it reveals."""
        with_mobile = person.mobile is not None and person.mobile.revealed
        return 0.0 if free else DIALECT.billing.price(self._prices, [EMAIL, PHONE] if with_mobile else [EMAIL])

    def _found(self, person: _Person, question: Question, cost: float) -> Outcome:
        values: dict[str, Value] = {}
        email, mobile = person.email, person.mobile
        if EMAIL in question.fields and email and email.revealed and email.email:
            address = self._values.normalise(FieldType.EMAIL, email.email)
            if address:
                verification = DIALECT.verifications.get(email.status or "", "")
                sure = CONFIDENCE_EMAIL.get(verification, CONFIDENCE_EMAIL_OTHER)
                values[EMAIL] = Value(address, sure, verification)
        if PHONE in question.fields and mobile and mobile.revealed:
            raw = mobile.mobile_international or mobile.mobile or ""
            phone = raw and self._values.normalise(FieldType.PHONE, raw, question.contact.country)
            if phone:
                verification = DIALECT.verifications.get(mobile.status or "", "")
                sure = CONFIDENCE_PHONE_VERIFIED if verification == "valid" else CONFIDENCE_PHONE_OTHER
                values[PHONE] = Value(phone, sure, verification)
        reference = person.person_id or ""
        if not values:
            return Outcome(OutcomeKind.MISS, reason="NO_VALUE", reference=reference, cost=cost)
        return Outcome(OutcomeKind.FOUND, values, reference=reference, cost=cost)


_INVALID = Outcome(OutcomeKind.INVALID_INPUT, reason="INVALID_DATAPOINTS")


def query(contact: Contact) -> Datapoints | None:
    """Datapoints that name the person, or None where the vendor could not tell whom we mean."""
    handle = linkedin_handle_of(contact)
    if contact.first_name and contact.last_name:
        name = {"first_name": contact.first_name, "last_name": contact.last_name}
    else:
        name = {"full_name": name_of(contact)}
    known = {
        "company_name": contact.company_name,
        "company_website": domain_of(contact),
        "linkedin_url": handle and f"https://www.linkedin.com/in/{handle}",
        "email": contact.email,
    }
    datapoints = {key: value for key, value in (name | known).items() if value}
    named = name_of(contact) and datapoints.keys() & {"company_name", "company_website"}
    return datapoints if named or datapoints.keys() & {"linkedin_url", "email"} else None
