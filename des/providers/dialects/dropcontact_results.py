"""What Dropcontact says of a request, taken apart into what became of each person (see `dropcontact`)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from des.clock import Clock
from des.contact import FREE, Contact, FieldType
from des.providers.contract import Outcome, OutcomeKind, Value
from des.providers.dialects.another_person import is_another
from des.providers.dialects.jobs import Waiting, is_id
from des.providers.dialects.positions import is_out_of_order
from des.providers.fault import CallFailed
from des.providers.transport import Reply
from des.providers.values import Values

EMAIL = "professional_email"
PHONE = "phone_number"
LINKEDIN = "linkedin_url"

VERIFICATIONS: Mapping[str, str] = MappingProxyType(
    {"nominative": "valid", "catch_all": "catch_all", "non_confirm": "catch_all"}
)
"""The vendor's words for the kind of an address, in our words for its state."""
COMPANY = "pro"
NOBODYS = frozenset({"generic", "random", "invalid"})
"""Kinds of addresses that are not the person's."""
CONFIDENCE_EMAIL: Mapping[str, float] = MappingProxyType({"valid": 0.95, "catch_all": 0.6})
CONFIDENCE_EMAIL_OTHER = 0.4
CONFIDENCE_LINKEDIN = 0.8
CONFIDENCE_MOBILE = 0.7
MARK = "des"
"""Key of our mark within `custom_fields`."""


class Submitted(msgspec.Struct, frozen=True, array_like=True):
    """A person who was asked about: in which request, at which place among how many, when, and in which words."""

    request_id: str
    place: int
    people: int
    sent_at: float
    contact: Contact

    @property
    def handle(self) -> str:
        """`REQUEST:PLACE` and the rest in JSON. Holds personal data: never write it to a log."""
        return f"{self.request_id}:{self.place} {msgspec.json.encode(self).decode()}"


class _Email(msgspec.Struct):
    email: str = ""
    qualification: str = ""


class _Person(msgspec.Struct):
    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    email: list[_Email] | None = None
    mobile_phone: str | None = None
    linkedin: str | None = None
    company: str | None = None
    website: str | None = None
    custom_fields: dict[str, object] | None = None

    @property
    def contact(self) -> Contact:
        """The person in the words in which they are asked for; not their address, which was not asked with."""
        return Contact(
            first_name=self.first_name or "",
            last_name=self.last_name or "",
            full_name=self.full_name or "",
            company_name=self.company or "",
            company_domain=self.website or "",
            linkedin_url=self.linkedin or "",
        )

    @property
    def mark(self) -> str | None:
        """Our own mark, where it came back."""
        mark = (self.custom_fields or {}).get(MARK)
        return mark if isinstance(mark, str) else None


class _Result(msgspec.Struct):
    success: bool
    data: list[_Person] | None = None
    reason: str = ""


class Results:
    """Judges what is said of a request."""

    def __init__(self, price: float, values: Values, clock: Clock, waiting: Waiting) -> None:
        """Take the credits of one person, who normalises values, the clock, and when to give up."""
        self._price = price
        self._values = values
        self._clock = clock
        self._waiting = waiting
        self._decoder = msgspec.json.Decoder(_Result)

    def judge(self, jobs: Sequence[Submitted], reply: Reply | CallFailed) -> list[Outcome]:
        """One outcome for each of these jobs of one request, in order."""
        now = self._clock.time()
        if isinstance(reply, CallFailed) or reply.status != 200:
            return [self._waiting.unanswered(job, reply, now, cost=self._price) for job in jobs]
        try:
            said = self._decoder.decode(reply.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = _Result(success=False, reason="UNEXPECTED_BODY")
        if not said.success or said.data is None:
            reason = said.reason or "UNEXPECTED_BODY"
            return [self._waiting.outcome(job, now, reason, cost=self._price) for job in jobs]
        return self._taken_apart(jobs, said.data)

    def _taken_apart(self, jobs: Sequence[Submitted], people: Sequence[_Person]) -> list[Outcome]:
        if any(job.people != len(people) for job in jobs):
            return [self._lost(job, "WRONG_LENGTH") for job in jobs]
        if any(person.mark not in {None, str(place)} for place, person in enumerate(people)):
            return [self._lost(job, "WRONG_ORDER") for job in jobs]
        mine = [people[job.place] for job in jobs]
        if is_out_of_order([person.contact for person in mine], [job.contact for job in jobs]):
            return [self._lost(job, "WRONG_ORDER") for job in jobs]
        return [
            self._lost(job, "ANOTHER_PERSON")
            if is_another(person.contact, job.contact, marked=person.mark is not None)
            else self._answer(job, person)
            for job, person in zip(jobs, mine, strict=True)
        ]

    def _lost(self, job: Submitted, reason: str) -> Outcome:
        """The end of a job whose answer cannot be told from another's: the credit may have stayed with the vendor."""
        return Outcome(OutcomeKind.UNKNOWN, reason=reason, reference=job.request_id, cost=self._price)

    def _answer(self, job: Submitted, person: _Person) -> Outcome:
        values = self._values_of(person, job.contact.country)
        cost = self._price if is_charged(person) else FREE
        if values:
            return Outcome(OutcomeKind.FOUND, values, reference=job.request_id, cost=cost)
        return Outcome(OutcomeKind.MISS, reason="NO_VALUE" if cost else "", reference=job.request_id, cost=cost)

    def _values_of(self, person: _Person, country: str) -> dict[str, Value]:
        """All that is there: one credit paid for it, whatever was asked for."""
        values: dict[str, Value] = {}
        emails = [value for email in person.email or [] if (value := self._email(email)) is not None]
        if emails:
            values[EMAIL] = max(emails, key=lambda value: value.confidence)
        phone = person.mobile_phone and self._values.normalise(FieldType.PHONE, person.mobile_phone, country)
        if phone:
            values[PHONE] = Value(phone, CONFIDENCE_MOBILE)
        profile = person.linkedin and self._values.normalise(FieldType.URL, person.linkedin)
        if profile:
            values[LINKEDIN] = Value(profile, CONFIDENCE_LINKEDIN)
        return values

    def _email(self, said: _Email) -> Value | None:
        kind, _, whose = said.qualification.lower().partition("@")
        if kind in NOBODYS or whose not in {COMPANY, ""}:
            return None
        address = self._values.normalise(FieldType.EMAIL, said.email)
        if not address:
            return None
        verification = VERIFICATIONS.get(kind, "unknown" if kind else "")
        return Value(address, CONFIDENCE_EMAIL.get(verification, CONFIDENCE_EMAIL_OTHER), verification)


def is_charged(person: _Person) -> bool:
    """Whether the credit stays with the vendor: it has found an address that exists, whosever it is."""
    return any(email.email and not email.qualification.lower().startswith("invalid") for email in person.email or [])


def read_handle(handle: str) -> Submitted | None:
    """The job of a handle, or None where it is none."""
    place, _, rest = handle.partition(" ")
    try:
        job = msgspec.json.decode(rest, type=Submitted)
    except msgspec.DecodeError:
        return None
    sound = is_id(job.request_id) and place == f"{job.request_id}:{job.place}"
    return job if sound and 0 <= job.place < job.people else None
