"""People Data Labs' person enrichment: one person a call, or up to 100 in the order of the request.

From the vendor's API reference (https://docs.peopledatalabs.com, read in stored copies of 2026):

- One credit for each 200, whatever it holds; 404 is a free miss. `required` makes a record without the field that is
  asked for a 404, so that nothing is paid for a person of whom the vendor knows something else. Nothing is published
  about asking again: it is taken to be charged again.
- A bulk reply is 200 although people in it are missed, refused or failed: each item has a status of its own. Items come
  in the order of the request and carry back the `metadata` they were sent with; one that carries another's shows that
  nothing in the reply can be relied on. 100 people are permitted; 80, the default, stay below the reply's 1 MB.
- `x-ratelimit-*` tell of fixed windows, `x-call-credits-spent` what a call cost; there is no Retry-After.
- Unchecked: the names of the fields within `data`, which `_KEYS` holds. Plans without contact data answer `true` in
  place of the value; that is no value.
- `likelihood` (1-10) is how sure the vendor is that this is the person, on a scale that it calls logarithmic.
  Confidence is likelihood / 10: from the middle up that is below the vendor's own share of right matches, so it errs
  to the low side.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from des.clock import Clock
from des.config_providers import PdlConfig
from des.contact import Contact, FieldType
from des.providers.account import Account
from des.providers.contract import MISS, Outcome, OutcomeKind, Question, Replay, Traits, Value
from des.providers.dialects.dialect import Billing, ChargedOn, Correlation, Dialect, Reconcile
from des.providers.dialects.packed import Asked, Packing, shared_out
from des.providers.dialects.rates import reopens_at
from des.providers.fault import CallFailed
from des.providers.person import domain_of, linkedin_handle_of, name_of
from des.providers.rate_headers import Window
from des.providers.transport import Reply, Transport
from des.providers.values import Values
from des.providers.verdict import StatusMap, failed_call, refused, unreadable

_KEYS: Mapping[str, tuple[FieldType, tuple[str, ...]]] = MappingProxyType(
    {
        "professional_email": (FieldType.EMAIL, ("work_email",)),
        "phone_number": (FieldType.PHONE, ("mobile_phone", "phone_numbers")),
        "linkedin_url": (FieldType.URL, ("linkedin_url",)),
        "job_title": (FieldType.TEXT, ("job_title",)),
    }
)
"""Where the vendor keeps each of our fields; the first that holds a text, or a list of texts, counts."""

DIALECT = Dialect(
    gives=frozenset(_KEYS),
    statuses=StatusMap(
        exact={
            200: OutcomeKind.FOUND,
            400: OutcomeKind.INVALID_INPUT,
            401: OutcomeKind.UNAUTHORIZED,
            402: OutcomeKind.QUOTA_EXHAUSTED,
            404: OutcomeKind.MISS,
            # The address is not that of the API: until that is mended nothing can be asked.
            405: OutcomeKind.UNAUTHORIZED,
            429: OutcomeKind.RATE_LIMITED,
        },
        hundreds={5: OutcomeKind.TRANSIENT},
        otherwise=OutcomeKind.UNKNOWN,
    ),
    replay=Replay.NEVER_FREE,
    batch_max=100,
    correlation=Correlation.METADATA,
    billing=Billing(ChargedOn.PERSON),
    reconcile=Reconcile.BY_CREDIT_HEADER,
    windows=(
        Window(60.0, "x-ratelimit-remaining.minute", "x-ratelimit-reset"),
        Window(60.0, "x-ratelimit-remaining", "x-ratelimit-reset"),
        Window(86_400.0, "x-ratelimit-remaining.day"),
    ),
)
NO_PERSON = "not_found"
"""`error.type` of a 404 that is a miss; a 404 without it may be anybody's."""

_ONE = "/v5/person/enrich"
_MANY = "/v5/person/bulk"
_CREDITS = "x-call-credits-spent"
_JSON = {"content-type": "application/json"}
_UNASKABLE = Outcome(OutcomeKind.INVALID_INPUT, reason="NEEDS a name and a company, email, phone or linkedin_url")
_OUT_OF_ORDER = unreadable("WRONG_ORDER", paid=True)

Params = dict[str, Any]


class _Error(msgspec.Struct):
    type: str | list[str] = ""

    def is_miss(self) -> bool:
        return NO_PERSON in (self.type if isinstance(self.type, list) else [self.type])


class _Item(msgspec.Struct):
    status: int
    likelihood: float | None = None
    data: dict[str, Any] | None = None
    error: _Error | None = None
    metadata: dict[str, Any] | None = None


class Pdl:
    """Asks People Data Labs for e-mail addresses, phone numbers, profiles and titles."""

    def __init__(self, name: str, config: PdlConfig, values: Values, clock: Clock) -> None:
        """Take the provider's name and settings, and who normalises values."""
        self._traits = DIALECT.traits(name, config, config.batch_max, dict.fromkeys(DIALECT.gives, config.price))
        self._url = config.url.rstrip("/")
        self._likelihood_min = config.likelihood_min
        self._prices = dict.fromkeys(DIALECT.gives, config.price)
        self._values = values
        self._clock = clock
        self._one = msgspec.json.Decoder(_Item)
        self._many = msgspec.json.Decoder(list[_Item])
        self._packing = Packing(self._params, self._call, unaskable=_UNASKABLE, deadline_s=config.deadline_s)
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
        return f"Pdl({self._traits.name}, {self._transport!r})"

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
        """One call for all; an outcome each, in their order."""
        return await self._packing.ask(questions)

    def _params(self, question: Question) -> Params | None:
        person = query(question.contact)
        return person and person | self._wanted(question.fields)

    def _wanted(self, fields: Sequence[str]) -> Params:
        keys = [key for field in fields if field in _KEYS for key in _KEYS[field][1]]
        return {
            "required": " OR ".join(keys),
            "data_include": ",".join(["id", *keys]),
            "min_likelihood": self._likelihood_min,
        }

    async def _call(self, asked: Sequence[Asked[Params]]) -> Outcome | list[Outcome]:
        if len(asked) == 1:
            path, document = _ONE, asked[0][1]
        else:
            requests = [{"params": params, "metadata": {"at": at}} for at, (_, params) in enumerate(asked)]
            path, document = _MANY, {"requests": requests}
        try:
            reply = await self._transport.send(
                "POST", self._url + path, headers=_JSON, body=msgspec.json.encode(document)
            )
        except CallFailed as failed:
            return failed_call(failed, paid=True)
        questions = [question for question, _ in asked]
        return self._judge_one(reply, questions[0]) if len(asked) == 1 else self._judge_many(reply, questions)

    def _judge_one(self, reply: Reply, question: Question) -> Outcome:
        kind = DIALECT.statuses.kind(reply.status)
        if kind is not OutcomeKind.FOUND and kind is not OutcomeKind.MISS:
            return self._refused(kind, reply)
        try:
            item = self._one.decode(reply.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return unreadable("UNEXPECTED_BODY", paid=True)
        item.status = reply.status
        return self._judge_item(item, reply, question, _spent(reply))

    def _judge_many(self, reply: Reply, questions: Sequence[Question]) -> Outcome | list[Outcome]:
        kind = DIALECT.statuses.kind(reply.status)
        if kind is OutcomeKind.MISS:
            return unreadable("UNEXPECTED_404", paid=True)
        if kind is not OutcomeKind.FOUND:
            return self._refused(kind, reply)
        try:
            items = self._many.decode(reply.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return unreadable("UNEXPECTED_BODY", paid=True)
        if [item.metadata for item in items] != [{"at": at} for at in range(len(questions))]:
            return _OUT_OF_ORDER
        spent = _spent(reply)
        costs: Sequence[float | None] = [None] * len(items)
        if spent is not None:
            costs = shared_out(spent, [float(item.status == 200) for item in items])
        return [
            self._judge_item(item, reply, question, cost)
            for item, question, cost in zip(items, questions, costs, strict=True)
        ]

    def _judge_item(self, item: _Item, reply: Reply, question: Question, cost: float | None) -> Outcome:
        kind = DIALECT.statuses.kind(item.status)
        match kind:
            case OutcomeKind.MISS if item.error and item.error.is_miss():
                return Outcome(OutcomeKind.MISS, cost=cost) if cost else MISS
            case OutcomeKind.MISS:
                return unreadable("UNEXPECTED_404", paid=True)
            case OutcomeKind.FOUND if item.data is None:
                return unreadable("UNEXPECTED_BODY", paid=True)
            case OutcomeKind.FOUND:
                return self._found(item, question, cost)
            case _:
                return self._refused(kind, reply, reason=f"HTTP_{item.status}")

    def _refused(self, kind: OutcomeKind, reply: Reply, reason: str = "") -> Outcome:
        outcome = refused(kind, reply, self._clock.time(), reason=reason)
        if kind is not OutcomeKind.RATE_LIMITED:
            return outcome
        return msgspec.structs.replace(outcome, retry_at=reopens_at(reply, DIALECT.windows, self._clock.time()))

    def _found(self, item: _Item, question: Question, cost: float | None) -> Outcome:
        data = item.data or {}
        sure = min(max((item.likelihood or 0.0) / 10.0, 0.0), 1.0)
        values: dict[str, Value] = {}
        for field in question.fields:
            raw = _text(data, _KEYS[field][1]) if field in _KEYS else ""
            value = raw and self._values.normalise(_KEYS[field][0], raw, question.contact.country)
            if value:
                values[field] = Value(value, sure)
        if cost is None:
            cost = DIALECT.billing.price(self._prices, DIALECT.gives)
        reference = data.get("id")
        reference = reference if isinstance(reference, str) else ""
        if not values:
            return Outcome(OutcomeKind.MISS, reason="NO_VALUE", reference=reference, cost=cost)
        return Outcome(OutcomeKind.FOUND, values, reference=reference, cost=cost)


def query(contact: Contact) -> Params | None:
    """Parameters that name the person, or None where the vendor's minimum is not met."""
    handle = linkedin_handle_of(contact)
    company = domain_of(contact) or contact.company_name
    if contact.first_name and contact.last_name:
        name = {"first_name": contact.first_name, "last_name": contact.last_name}
    else:
        name = {"name": name_of(contact)}
    known = {
        "profile": handle and f"linkedin.com/in/{handle}",
        "email": contact.email,
        "phone": contact.phone,
        "company": company,
    }
    params = {key: value for key, value in (name | known).items() if value}
    named = name_of(contact) and company
    return params if named or params.keys() & {"profile", "email", "phone"} else None


def _spent(reply: Reply) -> float | None:
    """Credits of the call, or None where the header is missing or is no amount."""
    try:
        spent = float(reply.header(_CREDITS) or "")
    except ValueError:
        return None
    return spent if 0.0 <= spent < float("inf") else None


def _text(data: Mapping[str, Any], keys: Sequence[str]) -> str:
    for key in keys:
        held = data.get(key)
        first = held[0] if isinstance(held, list) and held else held
        if isinstance(first, str) and first:
            return first
    return ""
