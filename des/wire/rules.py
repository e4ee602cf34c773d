"""What is acceptable: the rules on a batch's contacts and fields, and the report of every place that breaks one.

Two ways over the same rules. `suspicious` is a sieve of a few C-speed passes over all contacts at once; it may
suspect too much, never too little. Only what it holds back is looked at by `contact_findings`, contact by contact,
which decides and names the place.
"""

import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, product
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias, cast

from des import limits
from des.contact import Contact
from des.errors import InvalidInput, Violation

Row: TypeAlias = tuple[str, ...]
"""The texts of one contact, in the order of `TEXTS`."""

TEXTS: Final = Contact.__struct_fields__
"""The texts of a contact in the order of its struct, which is that of the protobuf field numbers."""

row_of: Final = cast(Callable[[object], Row], attrgetter(*TEXTS))
"""Reads the row of a `Contact` or of a protobuf contact."""

_COUNTRY: Final = TEXTS.index("country")
COUNTRIES: Final = frozenset({"", *map("".join, product(string.ascii_letters, repeat=2))})
"""The shape of ISO 3166-1 alpha-2 in any letter case; which codes exist is for the telephone numbers to say."""
_CONTROLS: Final = bytes(set(range(0x20)) - set(b"\t\n\r")) + b"\x7f"
"""NUL, which Postgres cannot store, and the controls that no keyboard makes; pasted tabs and line ends pass."""
_SHOWN_CHARS_MAX: Final = 60
_UNPRINTABLE: Final = dict.fromkeys((*range(0x20), 0x7F), "?")


class Finding(NamedTuple):
    """One rule broken at one place."""

    reason: str
    violation: Violation


def finding(reason: str, field: str, description: str) -> Finding:
    """Make a finding; `description` says what would be right."""
    return Finding(reason, Violation(field, description))


def refusal(findings: Iterable[Finding], erid: str = "", batch_id: str = "") -> InvalidInput:
    """Make the error that names them, at most VIOLATIONS_MAX; the first gives the reason. ERID and id as sent."""
    named = list(islice(findings, limits.VIOLATIONS_MAX))
    first = named[0]
    message = f"{first.violation.field}: {first.violation.description}"
    if len(named) > 1:
        message += f" ({len(named)} places are wrong{'' if len(named) < limits.VIOLATIONS_MAX else ' or more'})"
    violations = tuple(one.violation for one in named)
    return InvalidInput(first.reason, message, violations, readable(erid), readable(batch_id))


def readable(text: str) -> str:
    """Cut and clean text that came from outside so that any log, table or header takes it."""
    return text[:_SHOWN_CHARS_MAX].encode("ascii", "replace").decode().translate(_UNPRINTABLE)


def shown(text: str) -> str:
    """Quote text that came from outside, cut and escaped."""
    return ascii(text[:_SHOWN_CHARS_MAX]) + ("…" if len(text) > _SHOWN_CHARS_MAX else "")


def has_controls(text: str) -> bool:
    """Tell whether there is a control character among text. Raises UnicodeEncodeError on half of a surrogate pair."""
    return has_control_bytes(text.encode())


def has_control_bytes(encoded: bytes) -> bool:
    """Tell the same of text in UTF-8, or anything else that has no such byte but for such a character."""
    return len(encoded.translate(None, _CONTROLS)) != len(encoded)


def suspicious(rows: Sequence[Row]) -> bool:
    """Tell whether any of the contacts might break a rule: True for every breach, and sometimes without one."""
    if not 0 < len(rows) <= limits.BATCH_CONTACTS_MAX:
        return True
    texts = list(map("".join, rows))
    if max(map(len, texts)) > limits.CONTACT_TEXT_CHARS_MAX:
        return True
    try:
        if has_controls("".join(texts)):
            return True
    except UnicodeEncodeError:
        return True
    for first, last, full, _, _, email, phone, linkedin, country, _ in rows:
        if country not in COUNTRIES or not (
            first.strip() or last.strip() or full.strip() or email.strip() or phone.strip() or linkedin.strip()
        ):
            return True
    return False


def contact_findings(rows: Sequence[Row]) -> Iterator[Finding]:
    """Yield every rule that the contacts break, place by place."""
    if not rows:
        yield finding("EMPTY_BATCH", "contact_list", "has no contact; send at least one")
    if len(rows) > limits.BATCH_CONTACTS_MAX:
        yield finding(
            "TOO_MANY_CONTACTS",
            "contact_list",
            f"has {len(rows):,} contacts; send at most {limits.BATCH_CONTACTS_MAX:,} in a batch,"
            " more of them as further batches of the same ERID",
        )
        return
    for index, row in enumerate(rows):
        yield from _row_findings(f"contact_list[{index}]", row)


def _row_findings(place: str, row: Row) -> Iterator[Finding]:
    encoded_bytes = 0
    for name, text in zip(TEXTS, row, strict=True):
        if text:
            encoded_bytes += len(text.encode("utf-8", "replace"))
            yield from _text_findings(f"{place}.{name}", text)
    if encoded_bytes > limits.CONTACT_BYTES_MAX:
        limit = limits.CONTACT_BYTES_MAX
        yield finding("TEXT_TOO_LONG", place, f"has {encoded_bytes:,} bytes of text; at most {limit:,} are taken")
    if row[_COUNTRY] not in COUNTRIES:
        what = f"is {shown(row[_COUNTRY])}; send a two-letter code of ISO 3166-1, such as DE"
        yield finding("INVALID_COUNTRY", f"{place}.country", what)
    first, last, full, _, _, email, phone, linkedin, _, _ = row
    if not any(text.strip() for text in (first, last, full, email, phone, linkedin)):
        yield finding("EMPTY_CONTACT", place, "names nobody; send a name, an email, a phone or a linkedin_url")


def _text_findings(place: str, text: str) -> Iterator[Finding]:
    if len(text) > limits.CONTACT_TEXT_CHARS_MAX:
        limit = limits.CONTACT_TEXT_CHARS_MAX
        yield finding("TEXT_TOO_LONG", place, f"has {len(text):,} characters; at most {limit:,} are taken")
    try:
        controls = has_controls(text)
    except UnicodeEncodeError as error:
        what = f"has half of a surrogate pair at character {error.start}; send well-formed Unicode"
        yield finding("INVALID_TEXT", place, what)
        return
    if controls:
        code = next(byte for byte in text.encode() if byte in _CONTROLS)
        yield finding("INVALID_TEXT", place, f"has the control character U+{code:04X}; send text without it")


def field_findings(names: Sequence[str], known: frozenset[str]) -> Iterator[Finding]:
    """Yield every rule that the fields asked for break; `known` are those that are configured."""
    if not names:
        configured = ", ".join(sorted(known)) or "none"
        yield finding("NO_FIELDS", "fields_to_be_enriched", f"is empty; ask for some of: {configured}")
    if len(set(names)) > limits.FIELDS_PER_BATCH_MAX:
        what = f"asks for more than {limits.FIELDS_PER_BATCH_MAX} fields"
        yield finding("TOO_MANY_FIELDS", "fields_to_be_enriched", what)
    for index, name in enumerate(names):
        if name not in known:
            configured = ", ".join(sorted(known)) or "none"
            what = f"{shown(name)} is not configured; known fields: {configured}"
            yield finding("UNKNOWN_FIELD", f"fields_to_be_enriched[{index}]", what)
