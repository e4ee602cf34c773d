"""What FullEnrich says of an enrichment, taken apart into what became of each person (see `fullenrich`)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from des.clock import Clock
from des.contact import FREE, Contact, FieldType
from des.providers.contract import MISS, Outcome, OutcomeKind, Value
from des.providers.dialects.another_person import is_another
from des.providers.dialects.jobs import Waiting, is_id
from des.providers.dialects.packed import shared_out
from des.providers.fault import CallFailed
from des.providers.transport import Reply
from des.providers.values import Values

EMAIL = "professional_email"
PERSONAL = "personal_email"
PHONE = "phone_number"

LETTERS: Mapping[str, str] = MappingProxyType({EMAIL: "e", PERSONAL: "p", PHONE: "t"})
"""Our fields in a mark."""

JOB_STATUSES: Mapping[str, OutcomeKind] = MappingProxyType(
    {
        "CREATED": OutcomeKind.PENDING,
        "IN_PROGRESS": OutcomeKind.PENDING,
        "RATE_LIMIT": OutcomeKind.PENDING,
        "FINISHED": OutcomeKind.MISS,
        "CREDITS_INSUFFICIENT": OutcomeKind.QUOTA_EXHAUSTED,
        "CANCELED": OutcomeKind.UNKNOWN,
        "UNKNOWN": OutcomeKind.UNKNOWN,
    }
)
"""Outcome of a person of whom an enrichment in this status holds nothing."""
UNKNOWN_JOB = (404, "error.enrichment.not_found")
UNDER_WAY = "error.enrichment.in_progress"

CONFIDENCE_EMAIL: Mapping[str, float] = MappingProxyType(
    {"DELIVERABLE": 0.95, "HIGH_PROBABILITY": 0.85, "CATCH_ALL": 0.6}
)
CONFIDENCE_EMAIL_OTHER = 0.4
CONFIDENCE_PHONE = 0.7
INVALID = "INVALID"
VERIFICATIONS: Mapping[str, str] = MappingProxyType(
    {"DELIVERABLE": "valid", "HIGH_PROBABILITY": "catch_all", "CATCH_ALL": "catch_all"}
)
"""The vendor's words for the state of an address, in ours."""
MARK = "des"
"""Key of our mark within `custom`."""


class Mark(msgspec.Struct, frozen=True):
    """What our mark on a person says, as `PLACE:FIELDS:COUNTRY:SENT_AT`; personal data is not in it."""

    place: int
    fields: tuple[str, ...]
    country: str
    sent_at: float

    @property
    def text(self) -> str:
        """The mark; the vendor permits 100 characters."""
        letters = "".join(LETTERS[field] for field in self.fields if field in LETTERS)
        return f"{self.place}:{letters}:{self.country}:{self.sent_at:.3f}"


class Submitted(msgspec.Struct, frozen=True):
    """A person who was asked about: in which enrichment, and with which mark."""

    request_id: str
    mark: Mark

    @property
    def sent_at(self) -> float:
        """When it was submitted, in seconds since the epoch."""
        return self.mark.sent_at

    @property
    def handle(self) -> str:
        """`ENRICHMENT:MARK`."""
        return f"{self.request_id}:{self.mark.text}"


class _Email(msgspec.Struct):
    email: str = ""
    status: str = ""


class _Phone(msgspec.Struct):
    number: str = ""
    region: str | None = None


class _Info(msgspec.Struct):
    most_probable_work_email: _Email | None = None
    most_probable_personal_email: _Email | None = None
    most_probable_phone: _Phone | None = None


class _Name(msgspec.Struct):
    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None

    @property
    def contact(self) -> Contact:
        return Contact(first_name=self.first_name or "", last_name=self.last_name or "", full_name=self.full_name or "")


class Person(msgspec.Struct):
    """One person of a result."""

    input: _Name | None = None
    custom: dict[str, str] | None = None
    contact_info: _Info | None = None
    profile: _Name | None = None

    @property
    def mark(self) -> str:
        """Our own mark, or ""."""
        return (self.custom or {}).get(MARK, "")


class _Cost(msgspec.Struct):
    credits: float | None = None


class Result(msgspec.Struct):
    """An enrichment as a look shows it and as it is delivered."""

    id: str = ""
    status: str = ""
    cost: _Cost | None = None
    data: list[Person] | None = None


class _Refusal(msgspec.Struct):
    code: str = ""


class Results:
    """Judges what is said of an enrichment."""

    def __init__(self, prices: Mapping[str, float], values: Values, clock: Clock, waiting: Waiting) -> None:
        """Take the credits by field, who normalises values, the clock, and when to give up."""
        self._prices = prices
        self._values = values
        self._clock = clock
        self._waiting = waiting
        self._decoder = msgspec.json.Decoder(Result)

    def judge(self, jobs: Sequence[Submitted], reply: Reply | CallFailed) -> list[Outcome]:
        """One outcome for each of these jobs of one enrichment, in order."""
        now = self._clock.time()
        if isinstance(reply, CallFailed):
            return [self._waiting.unanswered(job, reply, now) for job in jobs]
        if reply.status not in {200, 402}:
            return [self._not_there(job, reply, now) for job in jobs]
        try:
            said = self._decoder.decode(reply.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return [self._waiting.outcome(job, now, "UNEXPECTED_BODY") for job in jobs]
        if any(said.id != job.request_id for job in jobs):
            return [self._waiting.outcome(job, now, "ANOTHER_ENRICHMENT") for job in jobs]
        return self.taken_apart(jobs, said, now)

    def _not_there(self, job: Submitted, reply: Reply, now: float) -> Outcome:
        code = code_of(reply)
        if (reply.status, code) == UNKNOWN_JOB:
            return Outcome(OutcomeKind.UNKNOWN, reason="ENRICHMENT_NOT_FOUND", reference=job.request_id)
        if code == UNDER_WAY:
            return self._waiting.outcome(job, now)
        return self._waiting.unanswered(job, reply, now)

    def taken_apart(self, jobs: Sequence[Submitted], said: Result, now: float) -> list[Outcome]:
        """Judge a result that could be read."""
        kind = JOB_STATUSES.get(said.status)
        if kind is None or kind is OutcomeKind.PENDING:
            reason = {"CREATED": "", "IN_PROGRESS": ""}.get(said.status, said.status or "NO_STATUS")
            return [self._waiting.outcome(job, now, reason) for job in jobs]
        people = said.data or []
        marks = [person.mark for person in people]
        by_mark = dict(zip(marks, zip(people, self._costs(said, people), strict=True), strict=True))
        outcomes: list[Outcome] = []
        for job in jobs:
            person, cost = by_mark.get(job.mark.text, (None, FREE))
            if marks.count(job.mark.text) > 1:
                outcomes.append(_lost(job, "TWICE_IN_RESULT"))
            elif person is None:
                outcomes.append(_nothing(job, kind, said.status, absent=True))
            else:
                outcomes.append(self._answer(job, person, cost, kind, said.status))
        return outcomes

    def _costs(self, said: Result, people: Sequence[Person]) -> list[float]:
        """Credits by person: what the vendor says of all of them together, else what the prices say of each.

        Who stands in it twice was charged once, and takes no share from the others.
        """
        marks: set[str] = set()
        weights: list[float] = []
        for person in people:
            again = person.mark in marks
            weights.append(0.0 if again else sum(self._prices[field] for field in charged_fields(person)))
            marks.add(person.mark)
        told = said.cost.credits if said.cost else None
        # What goes beyond the prices of those who stand in it was charged for somebody who is not.
        return weights if told is None else shared_out(min(max(told, 0.0), sum(weights)), weights)

    def _answer(self, job: Submitted, person: Person, cost: float, kind: OutcomeKind, status: str) -> Outcome:
        asked, found = person.input, person.profile
        if asked and found and is_another(found.contact, asked.contact, marked=True):
            return _lost(job, "ANOTHER_PERSON", cost)
        values = self._values_of(person, job.mark)
        if values:
            return Outcome(OutcomeKind.FOUND, values, reference=job.request_id, cost=cost)
        if charged_fields(person):
            return Outcome(OutcomeKind.MISS, reason="NO_VALUE", reference=job.request_id, cost=cost)
        return _nothing(job, kind, status, absent=False)

    def _values_of(self, person: Person, mark: Mark) -> dict[str, Value]:
        info = person.contact_info or _Info()
        said = {EMAIL: info.most_probable_work_email, PERSONAL: info.most_probable_personal_email}
        values: dict[str, Value] = {}
        for field, email in said.items():
            address = field in mark.fields and email and self._values.normalise(FieldType.EMAIL, email.email)
            if email and address and email.status != INVALID:
                sure = CONFIDENCE_EMAIL.get(email.status, CONFIDENCE_EMAIL_OTHER)
                values[field] = Value(address, sure, VERIFICATIONS.get(email.status, "unknown"))
        phone = info.most_probable_phone
        if phone and PHONE in mark.fields:
            number = self._values.normalise(FieldType.PHONE, phone.number, phone.region or mark.country)
            if number:
                values[PHONE] = Value(number, CONFIDENCE_PHONE)
        return values


def _lost(job: Submitted, reason: str, cost: float = FREE) -> Outcome:
    return Outcome(OutcomeKind.UNKNOWN, reason=reason, reference=job.request_id, cost=cost)


def _nothing(job: Submitted, kind: OutcomeKind, status: str, *, absent: bool) -> Outcome:
    """Outcome of one of whom an ended enrichment holds nothing; `absent`: not even the person."""
    if kind is OutcomeKind.MISS:
        return _lost(job, "NOT_IN_RESULT") if absent else MISS
    return Outcome(kind, reason=status, reference=job.request_id)


def charged_fields(person: Person) -> list[str]:
    """Fields that the vendor takes credits for, whether or not their values can be used here."""
    info = person.contact_info or _Info()
    said = {EMAIL: info.most_probable_work_email, PERSONAL: info.most_probable_personal_email}
    fields = [field for field, email in said.items() if email and email.email and email.status != INVALID]
    return [*fields, PHONE] if info.most_probable_phone and info.most_probable_phone.number else fields


def read_handle(handle: str) -> Submitted | None:
    """The job of a handle, or None where it is none."""
    enrichment, _, rest = handle.partition(":")
    parts = rest.split(":")
    if not is_id(enrichment) or len(parts) != 4:
        return None
    fields = {letter: field for field, letter in LETTERS.items()}
    try:
        asked = tuple(fields[letter] for letter in parts[1])
        job = Submitted(enrichment, Mark(int(parts[0]), asked, parts[2], float(parts[3])))
    except (KeyError, ValueError):
        return None
    return job if job.handle == handle else None


def country_of(contact: Contact) -> str:
    """The country as two letters, which may stand in a mark, or ""."""
    country = contact.country.strip().upper()
    return country if len(country) == 2 and country.isascii() and country.isalpha() else ""


def code_of(reply: Reply) -> str:
    """The code of a refusal, or ""."""
    try:
        return msgspec.json.decode(reply.body, type=_Refusal).code
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
