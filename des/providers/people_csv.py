"""People in a CSV file as anybody writes one, read into rows for the directory; what cannot be taken is named by line.

Comma, semicolon, tab or bar; with or without a byte order mark; headers in the spellings of ALIASES, in any case; a
further column counts where its header is the name of a field. A row without a name, without a company or with broken
UTF-8 is rejected; a value that is not of its type (an address without @) is dropped and the row kept while anything of
it is left. Of several rows for one person the first stands.
"""

import csv
import enum
import io
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import msgspec

from des.contact import FieldType
from des.people import Person
from des.providers.address_patterns import fitting
from des.providers.contract import FieldTypes
from des.providers.local_parts import spellings
from des.providers.name_tables import FREE_MAIL
from des.providers.names import (
    company_key,
    company_plain,
    company_skeleton,
    domain_in,
    name_in,
    place_of,
)
from des.providers.values import Values

CELL_CHARS_MAX = 10_000
IDENTITY_BYTES_MAX = 2_000
"""Company and name as a key, in UTF-8; Postgres refuses an index entry of more than 2,704 bytes altogether."""
HEADER_CHARS_MAX = 64_000

ALIASES = {
    "first_name": "first_name firstname first given_name given vorname prenom nombre",
    "last_name": "last_name lastname last surname family_name family nachname nom apellido",
    "full_name": "full_name fullname name contact contact_name person person_name",
    "company_name": "company_name company organization organisation organization_name account employer firma",
    "company_domain": "company_domain domain website company_website web url company_url",
    "country": "country country_code",
    "professional_email": "professional_email email e_mail email_address work_email business_email mail",
    "phone_number": "phone_number phone telephone tel mobile mobile_phone work_phone phone_1",
    "linkedin_url": "linkedin_url linkedin linkedin_profile person_linkedin_url profile_url",
    "job_title": "job_title title position role headline",
}
"""Our name of a column → headers that mean it, in lower case, words joined by `_`."""

_COLUMN_OF_HEADER = {header: column for column, headers in ALIASES.items() for header in headers.split()}
_VALUES = {
    "professional_email": FieldType.EMAIL,
    "phone_number": FieldType.PHONE,
    "linkedin_url": FieldType.URL,
    "job_title": FieldType.TEXT,
}
_WHO = frozenset({"first_name", "last_name", "full_name", "company_name", "company_domain", "country"})
_UNDECODED = re.compile("[\udc80-\udcff]")
_SEPARATORS = ",;\t|"


class Reason(enum.StrEnum):
    """Why a row, or one value of it, was not taken."""

    NO_COLUMNS = "NO_COLUMNS"
    BAD_UTF8 = "BAD_UTF8"
    MALFORMED = "MALFORMED"
    TOO_MANY_CELLS = "TOO_MANY_CELLS"
    NO_NAME = "NO_NAME"
    NO_COMPANY = "NO_COMPANY"
    NO_VALUE = "NO_VALUE"
    TOO_LONG = "TOO_LONG"
    DUPLICATE = "DUPLICATE"
    INVALID_VALUE = "INVALID_VALUE"


class Problem(msgspec.Struct, frozen=True):
    """A line (1 is the header's), the reason, what it is about, and whether the whole row was rejected."""

    line: int
    reason: Reason
    message: str
    rejected: bool = True


class PeopleCsv:
    """Reads one file, once. Iterating gives a Person or a Problem at a time, in the order of the file."""

    def __init__(self, file: BinaryIO, fields: FieldTypes, values: Values | None = None) -> None:
        """Take the file, opened for bytes, the fields there are and what normalises their values."""
        self._text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self._fields = fields
        self._values = values or Values()
        self._lines: dict[int, int] = {}

    def __iter__(self) -> Iterator[Person | Problem]:
        """Read the rows."""
        first = self._text.readline(HEADER_CHARS_MAX)
        separator = max(_SEPARATORS, key=first.count)
        reader = csv.reader(itertools.chain([first], self._text), delimiter=separator, skipinitialspace=True)
        columns: list[str] | None = None
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Problem(line, Reason.MALFORMED, str(error))
                continue
            if columns is None:
                columns = [self._column(header) for header in cells]
                if missing := _missing(columns):
                    yield Problem(line, Reason.NO_COLUMNS, missing)
                    return
            elif any(cells):
                yield from self._row(line, columns, cells)

    def _column(self, header: str) -> str:
        """Our name of a column; "" for one that says nothing to us."""
        name = re.sub(r"[^a-z0-9]+", "_", header.strip().lower()).strip("_")
        if name in self._fields:
            return name
        return _COLUMN_OF_HEADER.get(name, "")

    def _row(self, line: int, columns: list[str], cells: list[str]) -> Iterator[Person | Problem]:
        if len(cells) > len(columns):
            yield Problem(
                line, Reason.TOO_MANY_CELLS, f"{len(cells)} cells under {len(columns)} headers; missing quotes?"
            )
            return
        row: dict[str, str] = {}
        for column, cell in zip(columns, cells, strict=False):
            if column and column not in row and (text := cell.strip()):
                row[column] = text
        if unfit := _unfit(row):
            yield Problem(line, *unfit)
            return
        values: dict[str, str] = {}
        for column, text in row.items():
            if column in _WHO:
                continue
            value = self._values.normalise(self._type(column), text, row.get("country", ""))
            if value is None:
                yield Problem(line, Reason.INVALID_VALUE, f"{column}: {text[:80]!r}", rejected=False)
            else:  # no host that people work at tells John@ from john@
                values[column] = value.lower() if column == "professional_email" else value
        yield self._person(line, row, values)

    def _type(self, column: str) -> FieldType:
        return self._fields.get(column) or _VALUES[column]

    def _person(self, line: int, row: Mapping[str, str], values: dict[str, str]) -> Person | Problem:
        place = place_of(row.get("first_name", ""), row.get("last_name", ""), row.get("full_name", ""))
        if not place:
            return Problem(line, Reason.NO_NAME, "neither first and last name nor full name")
        company, domain = _company(row, values)
        if not company and not domain:
            return Problem(line, Reason.NO_COMPANY, "neither company, nor domain, nor an address that tells it")
        if not values:
            return Problem(line, Reason.NO_VALUE, "nothing is said of the person")
        by_company = company + place if company else None
        identity = domain + place if domain else company + place
        longest = max(len(key.encode()) for key in (identity, by_company or ""))
        if longest > IDENTITY_BYTES_MAX:
            return Problem(
                line, Reason.TOO_LONG, f"name and company have {longest:,} bytes; {IDENTITY_BYTES_MAX:,} at most"
            )
        if (earlier := self._seen(identity, by_company, bool(domain), line)) != line:
            return Problem(line, Reason.DUPLICATE, f"the same person as line {earlier}")
        return self._build(row, values, Person(identity, name_in(place), domain or None, by_company, company or None))

    def _seen(self, identity: str, by_company: str | None, has_domain: bool, line: int) -> int:
        """Line where this person stood first; with and without a domain it is the same one, two domains are two."""
        keys = [hash(identity)]  # 8 bytes of the 100 of a key, since a file may have millions
        if by_company is not None:
            keys.append(hash((by_company, not has_domain)))
        earlier = min(self._lines.get(key, line) for key in keys)
        if earlier == line:
            self._lines[keys[0]] = line
            if by_company is not None:
                self._lines.setdefault(hash((by_company, has_domain)), line)
        return earlier

    def _build(self, row: Mapping[str, str], values: dict[str, str], person: Person) -> Person:
        email = values.pop("professional_email", None)
        patterns: tuple[str, ...] | None = None
        if email and person.domain and email.rpartition("@")[2] not in FREE_MAIL:
            region = person.domain.rpartition(".")[2]
            region = region if len(region) == 2 else row.get("country", "").lower()
            names = spellings(row.get("first_name", ""), row.get("last_name", ""), row.get("full_name", ""), region)
            patterns = fitting(email, names) if names else ()
        plain = _plain(row["company_name"], person.company) if person.company else None
        return msgspec.structs.replace(
            person,
            company_plain=plain,
            company_skeleton=company_skeleton(plain) if plain else None,
            email=email,
            phone=values.pop("phone_number", None),
            linkedin_url=values.pop("linkedin_url", None),
            title=values.pop("job_title", None),
            extra=msgspec.json.encode(values).decode() if values else None,
            patterns=patterns,
        )


def _unfit(row: Mapping[str, str]) -> tuple[Reason, str] | None:
    """Why no cell of the row can be trusted, or None."""
    if any(not text.isprintable() and _UNDECODED.search(text) for text in row.values()):
        return Reason.BAD_UTF8, "not UTF-8; save the file in that encoding"
    if any(len(text) > CELL_CHARS_MAX for text in row.values()):
        return Reason.MALFORMED, f"a cell of more than {CELL_CHARS_MAX} characters; is a quote missing?"
    return None


def _company(row: Mapping[str, str], values: Mapping[str, str]) -> tuple[str, str]:
    """The company's key and its domain, empty where unknown; of a name that is a domain, the first label is the key."""
    company = company_key(row["company_name"]) if "company_name" in row else ""
    domain = domain_in(row["company_domain"]) if "company_domain" in row else ""
    if "." in company:
        domain = domain or company
        company = company_key(company.partition(".")[0])
    if not domain and "professional_email" in values:
        host = values["professional_email"].rpartition("@")[2]
        domain = "" if host in FREE_MAIL else host
    return company, domain


def _plain(name: str, company: str) -> str:
    return company if "." in company_key(name) else company_plain(name)


def _missing(columns: list[str]) -> str:
    known = set(columns) - {""}
    if not known & {"first_name", "last_name", "full_name"}:
        return "no column for the name; expected first_name and last_name, or full_name"
    if not known - _WHO:
        return f"no column for a value; expected one of {', '.join(_VALUES)}, or a field's name"
    return ""
