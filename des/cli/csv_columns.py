"""Which CSV column holds which text of a contact: header names as other systems export them, and the delimiter."""

import csv
import re
from collections.abc import Mapping, Sequence
from typing import Final

from des.contact import Contact
from des.errors import InvalidInput

DELIMITERS: Final = (",", ";", "\t", "|")

# Spellings found in exports of LinkedIn, HubSpot, Salesforce, Google Contacts and Outlook, without blanks and signs.
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "first_name": ("first", "firstname", "forename", "given", "givenname", "vorname", "prénom"),
    "last_name": ("last", "lastname", "surname", "family", "familyname", "nachname", "apellido"),
    "full_name": ("name", "fullname", "contact", "contactname", "person", "displayname"),
    "company_name": (
        "company",
        "companyname",
        "organization",
        "organisation",
        "account",
        "accountname",
        "employer",
        "firma",
    ),
    "company_domain": ("domain", "companydomain", "companydomainname", "website", "companywebsite"),
    "email": ("email", "emailaddress", "mail", "email1value", "workemail"),
    "phone": ("phone", "phonenumber", "telephone", "mobile", "mobilephone", "businessphone", "phone1value"),
    "linkedin_url": ("linkedin", "linkedinurl", "linkedinprofile", "profileurl"),
    "country": ("country", "countrycode"),
    "external_id": ("id", "externalid", "recordid", "contactid", "crmid"),
}
_TEXT_OF: Final = {alias: text for text, aliases in _ALIASES.items() for alias in aliases}
_SIGNS: Final = re.compile(r"[\W_]+")


class Columns:
    """How rows of one file become contacts: position of each known column, and the names of the others."""

    def __init__(self, header: Sequence[str]) -> None:
        """Take the header. Raises InvalidInput NO_KNOWN_COLUMN, and AMBIGUOUS_COLUMN where two mean the same."""
        self.ignored: list[str] = []
        self._places: list[tuple[str, int]] = []
        for index, name in enumerate(header):
            text = text_of(name)
            if text is None:
                self.ignored.append(name)
            else:
                self._add(text, index, header)
        if not self._places:
            known = ", ".join(Contact.__struct_fields__)
            message = f"the header has no column of a contact; name columns such as: {known}"
            raise InvalidInput("NO_KNOWN_COLUMN", message)
        self._width = len(header)

    def contact(self, cells: Sequence[str]) -> Contact:
        """Make a contact of one row; a short row lacks its last texts. Raises InvalidInput TOO_MANY_CELLS."""
        if len(cells) > self._width and any(cells[self._width :]):
            message = f"the row has {len(cells)} cells, the header {self._width}; is a delimiter not quoted?"
            raise InvalidInput("TOO_MANY_CELLS", message)
        count = len(cells)
        return Contact(**{text: cells[index].strip() for text, index in self._places if index < count})

    def _add(self, text: str, index: int, header: Sequence[str]) -> None:
        for other, place in self._places:
            if other == text:
                message = f"the columns {header[place]!r} and {header[index]!r} both mean {text}; rename one of them"
                raise InvalidInput("AMBIGUOUS_COLUMN", message)
        self._places.append((text, index))


def text_of(column: str) -> str | None:
    """Name of the contact's text that a column of this name holds; None for a column that is nothing of a contact."""
    return _TEXT_OF.get(_SIGNS.sub("", column.casefold()))


def delimiter_of(header_line: str) -> str:
    """Return the delimiter under which the header names most texts of a contact; a comma where none does better."""

    def known(delimiter: str) -> int:
        try:
            cells = next(csv.reader([header_line], delimiter=delimiter), [])
        except csv.Error:  # no header at all; whoever reads it as one says so
            return 0
        return sum(text_of(cell) is not None for cell in cells)

    return max(DELIMITERS, key=known)
