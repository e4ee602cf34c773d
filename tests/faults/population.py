"""What is sent, and what must become of it: both follow from the number of a contact alone."""

import csv
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from des.contact import TENANT_DEFAULT, Contact, FieldState
from des.v1 import contact_pb2
from des.wire import decode_proto

EMAIL, PHONE = "professional_email", "phone_number"
KNOWN_FIELDS = frozenset({EMAIL, PHONE})
PEOPLE = 200
"""People in the directory."""
COMPANIES = 20
"""Their companies; strangers have companies of their own, so that no stranger resembles somebody known."""
KINDS = 4
"""By its number modulo this a contact is known to the directory, or no provider is told enough, or it is a stranger."""
ERIDS = 12
PARTED_CONTACTS = 10_400
"""More than one message carries: arrives in two parts."""

Truth = dict[str, tuple[FieldState, str]]
"""State and value of each field asked for."""


@dataclass(frozen=True)
class Batch:
    """One batch as its caller has it; `given_id` is empty where the id is left to DES."""

    erid: UUID
    batch_id: UUID
    given_id: str
    fields: tuple[str, ...]
    numbers: Sequence[int]
    message: contact_pb2.ContactBatch = field(repr=False, compare=False)

    @property
    def key(self) -> tuple[UUID, UUID]:
        """What makes a resend a duplicate."""
        return self.erid, self.batch_id

    def as_json(self) -> bytes:
        """Encode the mission's JSON."""
        document = {
            "erid": str(self.erid),
            "contact_list": [contact_of(number) for number in self.numbers],
            "fields_to_be_enriched": list(self.fields),
        }
        if self.given_id:
            document["batch_id"] = self.given_id
        return msgspec.json.encode(document)


class Population:
    """Batches without end, the same for the same seed; some ERIDs get many, some few."""

    def __init__(self, seed: int) -> None:
        """Take the seed."""
        self._random = random.Random(seed)
        self._next = 0
        self.erids = [UUID(int=self._random.getrandbits(128), version=4) for _ in range(ERIDS)]

    def batch(self) -> Batch:
        """Make the next batch: mostly small ones, now and then some hundred contacts."""
        size = self._random.choice((1, 1, 3, 10, 10, 40, 300))
        fields = self._random.choice(((EMAIL,), (EMAIL, PHONE), (EMAIL, PHONE)))
        return self._make(size, fields)

    def parted_batch(self) -> Batch:
        """Make one that travels in two parts; only the directory is asked about it."""
        return self._make(PARTED_CONTACTS, (PHONE,))

    def batch_elsewhere(self) -> Batch:
        """Make one for an ERID of its own."""
        return self._make(1, (EMAIL,), UUID(int=self._random.getrandbits(128), version=4))

    def _make(self, size: int, fields: tuple[str, ...], erid: UUID | None = None) -> Batch:
        numbers = range(self._next, self._next + size)
        self._next += size
        erid = erid or self.erids[min(int(self._random.expovariate(0.25)), ERIDS - 1)]
        given_id = str(UUID(int=self._random.getrandbits(128), version=4)) if self._random.random() < 0.5 else ""
        message = contact_pb2.ContactBatch(erid=str(erid), batch_id=given_id, fields_to_be_enriched=fields)
        for number in numbers:
            message.contact_list.add(**contact_of(number))
        copy = contact_pb2.ContactBatch()
        copy.CopyFrom(message)
        batch_id = decode_proto(copy, TENANT_DEFAULT, KNOWN_FIELDS).batch_id
        return Batch(erid, batch_id, given_id, fields, numbers, message)


def contact_of(number: int) -> dict[str, str]:
    """What is sent of a contact; all are different."""
    if number % KINDS == 0:
        return _person(number // KINDS % PEOPLE) | {"external_id": str(number)}
    contact = {"first_name": f"first{number}", "last_name": "stranger", "external_id": str(number)}
    if number % KINDS != 1:
        contact["company_domain"] = _stranger_domain(number)
    return contact


def truth_of(number: int, fields: Sequence[str]) -> Truth:
    """What a contact must end with."""
    truth: Truth = dict.fromkeys(fields, (FieldState.NOT_FOUND, ""))
    for name in fields:
        if number % KINDS == 0:
            person = number // KINDS % PEOPLE
            truth[name] = FieldState.FOUND, _email(person) if name == EMAIL else _phone(person)
        elif number % KINDS != 1 and name == EMAIL:
            truth[name] = FieldState.FOUND, f"first{number}.stranger@{_stranger_domain(number)}"
    return truth


def directory_csv() -> io.BytesIO:
    """The people the directory knows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["first_name", "last_name", "company_domain", EMAIL, PHONE])
    writer.writeheader()
    for person in range(PEOPLE):
        writer.writerow(_person(person) | {EMAIL: _email(person), PHONE: _phone(person)})
    return io.BytesIO(text.getvalue().encode())


def sent(contact: Contact) -> dict[str, str]:
    """What a stored contact was sent as."""
    return {name: value for name, value in msgspec.structs.asdict(contact).items() if value}


def _person(person: int) -> dict[str, str]:
    return {
        "first_name": f"given{person}",
        "last_name": f"family{person}",
        "company_domain": f"known{person % COMPANIES}.com",
    }


def _email(person: int) -> str:
    return f"box{person}@known{person % COMPANIES}.com"


def _phone(person: int) -> str:
    return f"+4930901{person:05}"


def _stranger_domain(number: int) -> str:
    return f"strange{number % 97}.com"
