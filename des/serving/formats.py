"""Results as text: ndjson, one contact a line as in the object, and csv, one contact a row for spreadsheets."""

import csv
import enum
import io
from collections.abc import Sequence

import msgspec

from des.contact import Contact, FieldResult, FieldState
from des.serving.document import contact_document
from des.store.reading import EnrichedContact

_CONTACT_COLUMNS = Contact.__struct_fields__


class ResultFormat(enum.StrEnum):
    """How results are written."""

    NDJSON = "ndjson"
    CSV = "csv"


class Ndjson:
    """One JSON object a line."""

    content_type = "application/x-ndjson"

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()

    def head(self) -> bytes:
        """Nothing stands before the first line."""
        return b""

    def group(self, contacts: Sequence[EnrichedContact]) -> bytes:
        """Write a line for each contact."""
        return self._encoder.encode_lines([contact_document(contact) for contact in contacts])


class Csv:
    """A header, then one row a contact: where it stands, what was sent, and four columns for each field asked for."""

    content_type = "text/csv; charset=utf-8; header=present"

    def __init__(self, fields: Sequence[str]) -> None:
        """Take the fields of the object, in the order of their columns."""
        self._fields = tuple(fields)

    def head(self) -> bytes:
        """Write the header."""
        columns = ["batch_id", "position", *_CONTACT_COLUMNS]
        for name in self._fields:
            columns += [name, f"{name}_state", f"{name}_provider", f"{name}_confidence"]
        return _rows([columns])

    def group(self, contacts: Sequence[EnrichedContact]) -> bytes:
        """Write a row for each contact; a field that was not asked for it stays empty."""
        return _rows([self._row(contact) for contact in contacts])

    def _row(self, contact: EnrichedContact) -> list[str]:
        row = [str(contact.batch_id), str(contact.position), *msgspec.structs.astuple(contact.contact)]
        for name in self._fields:
            row += _cells(contact.enriched.get(name))
        return row


def _cells(result: FieldResult | None) -> list[str]:
    if result is None:
        return [""] * 4
    confidence = str(result.confidence) if result.state is FieldState.FOUND else ""
    return [result.value, result.state, result.provider, confidence]


def _rows(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)  # RFC 4180: CRLF, quotes where needed
    return text.getvalue().encode()
