"""Whom the benchmarks ask about: a directory of people at companies, and contacts that are in it, near it, or not."""

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from random import Random
from string import ascii_lowercase
from uuid import UUID

from bench.queue import Outgoing
from des.v1.contact_pb2 import Contact, ContactBatch

COMPANIES = 500
PEOPLE_PER_COMPANY = 40
FIELDS = ("professional_email", "phone_number")
POOL = 50
"""Different contents of batches; a content sent again under another batch_id is another batch."""

_ONSETS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_SYLLABLES = ["".join(pair) for pair in itertools.product(_ONSETS, _VOWELS)]
_FIRST_NAMES = ["".join(pair).capitalize() for pair in itertools.product(_SYLLABLES[:20], _SYLLABLES[30:40])]
_LAST_NAMES = ["".join(three).capitalize() for three in itertools.product(_SYLLABLES[:30], _SYLLABLES[20:50], "nrsx")]
_PATTERNS = ("{first}.{last}", "{f}{last}", "{first}", "{first}_{last}")
_HEADER = ("first_name", "last_name", "company_name", "company_domain", "email", "phone")


class Population:
    """The same people and the same contacts in every run: all of it comes from a seed."""

    def __init__(self, seed: int = 1) -> None:
        """Make the people."""
        self._random = Random(seed)
        self._people = [self._name() for _ in range(COMPANIES * PEOPLE_PER_COMPANY)]

    def as_csv(self) -> io.BytesIO:
        """Return the directory as a CSV file: 20,000 people of 500 companies, each company with one address pattern."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(_HEADER)
        for number, (first, last) in enumerate(self._people):
            company, low_first, low_last = number // PEOPLE_PER_COMPANY, first.lower(), last.lower()
            local = _PATTERNS[company % len(_PATTERNS)].format(first=low_first, last=low_last, f=low_first[:1])
            address = f"{local}@{_domain(company)}"
            writer.writerow((first, last, _name_of(company), _domain(company), address, f"+1415{2_000_000 + number}"))
        return io.BytesIO(text.getvalue().encode())

    def contacts(self, count: int) -> list[Contact]:
        """Two thirds in the directory, a sixth strangers at its companies (to be guessed), a sixth nobody knows.

        Half of them name the company's domain, half its name.
        """
        return [self._contact(self._random.random()) for _ in range(count)]

    def messages(
        self, batches: int, size: int, erids: Sequence[UUID], fields: Sequence[str] = FIELDS
    ) -> Iterator[Outgoing]:
        """Batches to publish, `size` contacts each, over the ERIDs in turn; made as they are asked for."""
        bodies = [_content(self.contacts(size), fields) for _ in range(min(batches, max(POOL, 2_000 // size)))]
        for number, content in zip(range(batches), itertools.cycle(bodies), strict=False):
            yield message(content, erids[number % len(erids)], self.uuid())

    def unique_messages(
        self, batches: int, size: int, erids: Sequence[UUID], fields: Sequence[str] = FIELDS[:1]
    ) -> Iterator[Outgoing]:
        """Do the same, with contacts no two of which are the same person."""
        run = "".join(self._random.choices(ascii_lowercase, k=6))
        for number in range(batches):
            contacts = [
                Contact(first_name=first, last_name=last + run, company_domain=_domain(position % COMPANIES))
                for position, (first, last) in enumerate(_names(number * size, size))
            ]
            yield message(_content(contacts, fields), erids[number % len(erids)], self.uuid())

    def erids(self, count: int) -> list[UUID]:
        """Make new ERIDs, not those of an earlier call."""
        return [self.uuid() for _ in range(count)]

    def uuid(self) -> UUID:
        """Make a version-4 UUID out of the seed."""
        return UUID(int=self._random.getrandbits(128), version=4)

    def _name(self) -> tuple[str, str]:
        return self._random.choice(_FIRST_NAMES), self._random.choice(_LAST_NAMES)

    def _contact(self, share: float) -> Contact:
        number = self._random.randrange(len(self._people))
        first, last = self._people[number] if share < 2 / 3 else self._name()
        company = number // PEOPLE_PER_COMPANY + (0 if share < 5 / 6 else COMPANIES)
        if number % 2:
            return Contact(first_name=first, last_name=last, company_domain=_domain(company))
        return Contact(first_name=first, last_name=last, company_name=_name_of(company))


def message(content: ContactBatch, erid: UUID, batch_id: UUID) -> Outgoing:
    """Encode a batch. The content is not changed but for its ids."""
    content.erid, content.batch_id = str(erid), str(batch_id)
    return Outgoing(content.erid, content.SerializeToString())


def _content(contacts: Sequence[Contact], fields: Sequence[str]) -> ContactBatch:
    return ContactBatch(contact_list=contacts, fields_to_be_enriched=fields)


def _names(start: int, count: int) -> Iterator[tuple[str, str]]:
    for number in range(start, start + count):
        turn, place = divmod(number, len(_FIRST_NAMES))
        yield _FIRST_NAMES[place], f"{_LAST_NAMES[turn % len(_LAST_NAMES)]}"


def _name_of(company: int) -> str:
    return f"Company {company} Ltd"


def _domain(company: int) -> str:
    return f"company{company}.example"
