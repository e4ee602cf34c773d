"""Who exists: companies and people made from a seed, the same ones each time, with the mess of real data.

People have accents, several scripts, nicknames, double names and namesakes; some stand in the list twice, some have
changed jobs, some are known to no vendor, some have asked not to be processed. Company domains end in `.example` (RFC
2606): no address is anybody's; the mission's own company, sayprimer.com, is the exception, and its two people are known
to every vendor.

A smaller population of the same seed is the beginning of a larger one.
"""

import csv
import io
import random
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anyascii import anyascii

from des.contact import Contact
from des.sandbox.names import COMPANY_FIRST, COMPANY_FORM, COMPANY_TRADE, NICKNAMES, REGIONS, TITLES, Region

PEOPLE_PER_COMPANY = 25
NEWEST_COMPANY_SHARE = 0.8
"""The rest work at an older company, so that sizes differ."""
CATCH_ALL_SHARE = 0.1
ERASED_SHARE = 0.005
TWICE_SHARE = 0.03
MOVED_SHARE = 0.05
"""Changed jobs; callers still have them at their former company, vendors know them by both."""
PATTERNS = ("{f}.{l}", "{f1}{l}", "{f}", "{f1}.{l}", "{f}_{l}", "{l}.{f}", "{f}{l}", "{l}")
CSV_COLUMNS = (
    "first_name", "last_name", "company_name", "company_domain", "professional_email", "phone_number", "linkedin_url",
    "country",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Company:
    """A company: its name, domain and the pattern of its addresses; `catch_all` takes mail for any address."""

    name: str
    domain: str
    pattern: str
    region: Region
    catch_all: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """One person and all there is to know; `erased` people may not be processed, `famous` ones every vendor knows.

    `former`: the company where they worked before, and where a caller still has them; None for most.
    """

    number: int
    first_name: str
    last_name: str
    company: Company
    email: str
    phone: str
    handle: str
    title: str
    erased: bool = False
    famous: bool = False
    former: Company | None = None

    @property
    def nickname(self) -> str:
        """What friends say, or ""."""
        return NICKNAMES.get(self.first_name, "")

    @property
    def linkedin_url(self) -> str:
        """Address of the profile."""
        return f"https://www.linkedin.com/in/{self.handle}"

    def known_to(self, vendor: str, share: float) -> bool:
        """Whether a vendor that knows this share of everybody knows this person; the same each time."""
        return self.famous or zlib.crc32(f"{vendor}:{self.number}:{self.email}".encode()) % 10_000 < share * 10_000


SAYPRIMER = Company("sayprimer.com", "sayprimer.com", "{f}.{l}", REGIONS[0])
JOHN = Person(0, "John", "Doe", SAYPRIMER, "john.doe@sayprimer.com", "+14155550132", "john-doe", "Founder", famous=True)
JANE = Person(1, "Jane", "Doe", SAYPRIMER, "jane.doe@sayprimer.com", "+14155550187", "jane-doe", "Analyst", famous=True)


class Population:
    """`people` people made from `seed`, and the ways to look them up."""

    def __init__(self, seed: int = 1, people: int = 10_000) -> None:
        """Make them; a hundred thousand take about three seconds."""
        self.people: list[Person] = list(_people(seed, people))
        self._by_company: dict[tuple[str, str], Person] = {}
        self._by_handle: dict[str, Person] = {}
        for person in self.people:
            self._by_handle.setdefault(person.handle, person)
            for first in filter(None, (person.first_name, person.nickname)):
                for company in filter(None, (person.company, person.former)):
                    for key in (company.domain, fold(company.name)):
                        self._by_company.setdefault((fold(first + person.last_name), key), person)

    def find(self, name: str, company: str) -> Person | None:
        """The person of this whole name (nickname and spelling forgiven) at a company of this domain or name."""
        return self._by_company.get((fold(name), company.lower())) or self._by_company.get((fold(name), fold(company)))

    def by_handle(self, handle: str) -> Person | None:
        """The person behind a LinkedIn handle."""
        return self._by_handle.get(handle.lower())


def population_csv(seed: int, people: int, share: float) -> str:
    """The same share (0-1) of the population each time, as CSV with `CSV_COLUMNS`: a directory to load."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for person in _people(seed, people):
        if not person.erased and person.known_to("directory", share):
            company = person.company
            writer.writerow([
                person.first_name, person.last_name, company.name, company.domain,
                person.email, person.phone, person.linkedin_url, company.region.country,
            ])  # fmt: skip
    return text.getvalue()


def inquiries(seed: int, people: int, strangers: float = 0.1) -> Iterator[Contact]:
    """Each person as a caller would send them, messily; a share of `strangers` who do not exist in between."""
    chance = random.Random(f"inquiries {seed}")
    for person in _people(seed, people):
        yield _inquiry(person, chance)
        if chance.random() < strangers:
            company = person.company
            yield Contact(first_name=person.last_name, last_name="Nemo", company_domain=company.domain)


def _inquiry(person: Person, chance: random.Random) -> Contact:
    first = person.nickname if person.nickname and chance.random() < 0.2 else person.first_name
    last, company = person.last_name, person.former or person.company
    match chance.randrange(6):
        case 0:
            return Contact(first_name=first.upper(), last_name=last.upper(), company_domain=company.domain)
        case 1:
            return Contact(full_name=f"{first} {last}", company_name=company.name)
        case 2:
            return Contact(first_name=anyascii(first), last_name=anyascii(last), company_domain=company.domain)
        case 3:
            return Contact(first_name=first, last_name=last, company_name=company.domain)
        case _:
            return Contact(first_name=first, last_name=last, company_name=company.name, company_domain=company.domain)


def fold(text: str) -> str:
    """Letters and digits of a text in any script, in lower-case ASCII."""
    if not text.isascii():
        text = anyascii(text)
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _people(seed: int, people: int) -> Iterator[Person]:
    yield from (JOHN, JANE)[:people]
    companies: list[Company] = []
    chance = random.Random(f"people {seed}")
    number = 2
    while number < people:
        if number // PEOPLE_PER_COMPANY >= len(companies):
            companies.append(_company(seed, len(companies)))
        company = companies[-1] if chance.random() < NEWEST_COMPANY_SHARE else chance.choice(companies)
        person = _person(number, company, chance, _former(seed, number, companies))
        yield person
        number += 1
        if number < people and chance.random() < TWICE_SHARE:  # the same person, in a second record
            yield Person(
                number, person.nickname or person.first_name.upper(), person.last_name, person.company, person.email,
                person.phone, person.handle, person.title, person.erased, former=person.former,
            )  # fmt: skip
            number += 1


def _company(seed: int, number: int) -> Company:
    chance = random.Random(f"company {seed} {number}")
    region = chance.choice(REGIONS)
    words = f"{chance.choice(COMPANY_FIRST)} {chance.choice(COMPANY_TRADE)}"
    name = f"{words} {COMPANY_FORM.get(region.country, '')}".strip()
    domain = f"{fold(words)}{number}.example"
    return Company(name, domain, chance.choice(PATTERNS), region, chance.random() < CATCH_ALL_SHARE)


def _former(seed: int, number: int, companies: Sequence[Company]) -> Company | None:
    """Where somebody worked before; drawn beside everything else, so that it changes nobody else."""
    chance = random.Random(f"former {seed} {number}")
    return chance.choice(companies) if chance.random() < MOVED_SHARE else None


def _person(number: int, company: Company, chance: random.Random, former: Company | None) -> Person:
    # Most people work where their name is common; some do not.
    region = company.region if chance.random() < 0.8 else chance.choice(REGIONS)
    first, last = chance.choice(region.given), chance.choice(region.family)
    f, l = fold(first), fold(last)  # noqa: E741 (the letters of the patterns)
    local = company.pattern.format(f=f, f1=f[0], l=l)
    phone = "".join(str(chance.randrange(10)) if char == "#" else char for char in company.region.phone)
    return Person(
        number, first, last, company, f"{local}@{company.domain}", phone, f"{f}-{l}-{number}",
        chance.choice(TITLES), chance.random() < ERASED_SHARE, former=former if former is not company else None,
    )  # fmt: skip
