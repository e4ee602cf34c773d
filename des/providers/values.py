"""What a provider gave, brought into the one form in which DES keeps it; or refused.

| type | form |
|---|---|
| email | syntax by email-validator (no DNS); domain in lower case and in its own script, local part as given |
| phone | E.164; a number without `+` is read as one of the contact's country, where that is an ISO 3166 code |
| url | http or https, scheme and host in lower case, `https://` where no scheme was given |
| text | NFC, white space collapsed, without control characters, at most 1,000 characters |

Measured (Python 3.11): an e-mail address takes 18 µs in the library, a phone number 24 µs. Plain addresses (the subset
in `_PLAIN_EMAIL`, on which the library changes nothing) cost 0.6 µs; the rest is remembered by value.
"""

import functools
import re
import unicodedata
from typing import assert_never
from urllib.parse import urlsplit, urlunsplit

from des.contact import FieldType

REMEMBERED_VALUES = 8_192
"""Values whose form is remembered, of about 300 bytes each."""
TEXT_CHARS_MAX = 1_000
URL_CHARS_MAX = 2_048

# A subset of what email-validator accepts and returns unchanged: ASCII, a domain in lower case without "--" (no IDNA),
# a last label of letters that is not one it refuses; and a local part that is not one of those which it writes in lower
# case (info@, postmaster@ and their like), unless it is in lower case.
_PLAIN_EMAIL = re.compile(
    r"(?=.{6,64}\Z)(?![A-Za-z]*[A-Z][A-Za-z]*@)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*"
    r"@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+"
    r"(?!(?:arpa|invalid|local|localhost|onion|test)\Z)[a-z]{2,}\Z"
)
_EMAIL_CHARS_MAX = 320
_PHONE_CHARS_MAX = 40
_SPACES = re.compile(r"\s+")
_SCHEME = re.compile(r"[a-z][a-z0-9+-]*:", re.IGNORECASE)  # without the dot, so that example.com:8080 has none
_HOST = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{1,62}", re.IGNORECASE)


class Values:
    """Normalises and validates values, and remembers what it made of them."""

    def __init__(self, remembered: int = REMEMBERED_VALUES) -> None:
        """Take how many values to remember; the least recently used go first."""
        self._remembered = functools.lru_cache(remembered)(_normalise)

    def normalise(self, field_type: FieldType, raw: str, country: str = "") -> str | None:
        """The value in its one form, or None where it is none of that type."""
        if field_type is FieldType.EMAIL:
            return raw if _PLAIN_EMAIL.match(raw) else self._remembered(field_type, raw, "")
        return self._remembered(field_type, raw, country if field_type is FieldType.PHONE else "")


def _normalise(field_type: FieldType, raw: str, country: str) -> str | None:
    match field_type:
        case FieldType.EMAIL:
            return _email(raw.strip())
        case FieldType.PHONE:
            return _phone(raw.strip(), country.strip().upper())
        case FieldType.URL:
            return _url(raw.strip())
        case FieldType.TEXT:
            return _text(raw)
        case _:
            assert_never(field_type)


def _email(raw: str) -> str | None:
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 (2.6 MB that few processes need)

    if len(raw) > _EMAIL_CHARS_MAX:  # longer than any address; the library's time grows with the length
        return None
    try:
        checked = validate_email(raw, check_deliverability=False, allow_quoted_local=False)
    except EmailNotValidError:
        return None
    return f"{checked.local_part}@{checked.domain.lower()}"


def _phone(raw: str, country: str) -> str | None:
    import phonenumbers  # noqa: PLC0415 (2.7 MB that few processes need)

    if len(raw) > _PHONE_CHARS_MAX:
        return None
    try:
        number = phonenumbers.parse(raw, country if len(country) == 2 else None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _url(raw: str) -> str | None:
    if not raw.isprintable() or " " in raw or len(raw) > URL_CHARS_MAX:
        return None
    if not _SCHEME.match(raw):
        raw = "https://" + raw
    try:
        parts = urlsplit(raw)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or parts.username is not None or not _HOST.fullmatch(host):
        return None
    return urlunsplit((parts.scheme, f"{host}:{port}" if port else host, parts.path, parts.query, parts.fragment))


def _text(raw: str) -> str | None:
    text = _SPACES.sub(" ", unicodedata.normalize("NFC", raw)).strip()
    if not text.isprintable():
        text = "".join(char for char in text if unicodedata.category(char) not in {"Cc", "Cs"}).strip()
    return text if 0 < len(text) <= TEXT_CHARS_MAX else None
