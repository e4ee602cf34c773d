"""Reads contacts from a file or a pipe, a row at a time: CSV, JSON Lines, or the JSON document of the HTTP door.

Which of the three it is shows in the first line. CSV and JSON Lines are read in bounded memory, however long they
are; a row that cannot be read is reported by its line and the others go on. A document is read as a whole, up to
what the HTTP door takes.
"""

import csv
import enum
import itertools
from collections.abc import Iterable, Iterator
from typing import IO, Final

import msgspec

from des.cli.csv_columns import Columns, delimiter_of
from des.contact import Contact
from des.errors import InvalidInput
from des.limits import CONTACT_BYTES_MAX, HTTP_BODY_BYTES_MAX, MIB
from des.wire.options import OptionsDocument

LINE_BYTES_MAX: Final = 8 * CONTACT_BYTES_MAX
"""Of one row; JSON may write a character in six."""
_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


class Form(enum.StrEnum):
    """How a file holds its contacts."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    DOCUMENT = "json"


class Row(msgspec.Struct, frozen=True, gc=False):
    """A contact and the line (from 1) of the file it was read from; in a document, its place in the list from 1."""

    line: int
    contact: Contact


class Unreadable(msgspec.Struct, frozen=True):
    """A row that is no contact: its line, the reason code and what is wrong with it."""

    line: int
    reason: str
    message: str


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON that `POST /v1/enrichments` takes."""

    contact_list: list[Contact]
    erid: str = ""
    batch_id: str = ""
    fields_to_be_enriched: list[str] = []
    options: OptionsDocument | msgspec.UnsetType = msgspec.UNSET


class ContactFile(msgspec.Struct):
    """An opened file: `rows` are read as they are asked for; the rest is what the file says beside its contacts."""

    form: Form
    rows: Iterator[Row | Unreadable]
    ignored_columns: list[str] = []
    document: Document | None = None


def open_contacts(stream: IO[bytes]) -> ContactFile:
    """Find out what the file is and begin to read it.

    Raises InvalidInput: EMPTY_FILE, MALFORMED_ENCODING, NO_KNOWN_COLUMN, AMBIGUOUS_COLUMN, MALFORMED_JSON,
    INVALID_DOCUMENT, TOO_LARGE.
    """
    first = _first_line(stream)
    if first.lstrip().startswith(b"["):
        raise InvalidInput("INVALID_DOCUMENT", _DOCUMENT_SHAPE)
    if not first.lstrip().startswith(b"{"):
        return _open_csv(first, stream)
    if _is_contact(first):
        return ContactFile(Form.JSON_LINES, _json_rows(itertools.chain([first], _lines(stream))))
    return _open_document(first, stream)


_DOCUMENT_SHAPE = (
    'a JSON document has the form {"erid": …, "contact_list": […], "fields_to_be_enriched": […]};'
    " a list of contacts alone is sent as JSON Lines, one contact a line"
)


def _first_line(stream: IO[bytes]) -> bytes:
    """Read the first line that is not blank, without a byte order mark."""
    first = stream.readline(HTTP_BODY_BYTES_MAX + 1)
    if first.startswith(_UTF16):
        raise InvalidInput("MALFORMED_ENCODING", "the file is UTF-16; save it as UTF-8")
    first = first.removeprefix(_BOM)
    while first and not first.strip():
        first = stream.readline(HTTP_BODY_BYTES_MAX + 1)
    if not first:
        raise InvalidInput("EMPTY_FILE", "there is nothing in the file; it needs at least one contact")
    return first


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Read lines; of one that is too long the first LINE_BYTES_MAX + 1 bytes, so that it is refused as such."""
    while line := stream.readline(LINE_BYTES_MAX + 1):
        yield line
        while len(line) > LINE_BYTES_MAX and not line.endswith(b"\n"):
            line = stream.readline(LINE_BYTES_MAX + 1) or b"\n"


# ---- CSV ---------------------------------------------------------------------------------------------------


def _open_csv(first: bytes, stream: IO[bytes]) -> ContactFile:
    try:
        header_line = first.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("MALFORMED_ENCODING", f"the header is not UTF-8: {error.reason}") from error
    delimiter = delimiter_of(header_line)
    try:
        columns = Columns(next(csv.reader([header_line], delimiter=delimiter)))
    except csv.Error as error:
        raise InvalidInput("MALFORMED_CSV", f"the header is no line of CSV: {error}") from error
    # Bytes that are no UTF-8 become lone surrogates, which the row's own check finds and reports by line.
    lines = (line.decode("utf-8", "surrogateescape") for line in _lines(stream))
    return ContactFile(Form.CSV, _csv_rows(lines, delimiter, columns), columns.ignored)


def _csv_rows(lines: Iterable[str], delimiter: str, columns: Columns) -> Iterator[Row | Unreadable]:
    """Read the rows below a header of one line."""
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        line = reader.line_num + 2  # where the row begins; a quoted cell may hold line ends
        try:
            cells = next(reader)
            if any(cells):
                yield Row(line, columns.contact(cells))
        except StopIteration:
            return
        except csv.Error as error:
            yield Unreadable(line, "MALFORMED_CSV", f"{error}; is a quote not closed?")
        except InvalidInput as error:
            yield Unreadable(line, error.reason, error.message)


# ---- JSON --------------------------------------------------------------------------------------------------


def _is_contact(first: bytes) -> bool:
    """Whether the line is a JSON object for itself, and not a whole document."""
    try:
        value = msgspec.json.decode(first)
    except msgspec.DecodeError:
        return False
    return "contact_list" not in value


def _json_rows(lines: Iterable[bytes]) -> Iterator[Row | Unreadable]:
    decoder = msgspec.json.Decoder(Contact)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if len(line) > LINE_BYTES_MAX:
            yield Unreadable(number, "TEXT_TOO_LONG", f"the line is longer than {LINE_BYTES_MAX:,} bytes")
            continue
        try:
            yield Row(number, decoder.decode(line))
        except msgspec.ValidationError as error:
            yield Unreadable(number, "INVALID_CONTACT", str(error))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield Unreadable(number, "MALFORMED_JSON", str(error))


def _open_document(first: bytes, stream: IO[bytes]) -> ContactFile:
    body = first + stream.read(HTTP_BODY_BYTES_MAX + 1 - len(first))
    if len(body) > HTTP_BODY_BYTES_MAX:
        limit = f"{HTTP_BODY_BYTES_MAX // MIB} MiB"
        raise InvalidInput("TOO_LARGE", f"a JSON document may have {limit}; more go as JSON Lines, one contact a line")
    try:
        document = msgspec.json.decode(body, type=Document)
    except msgspec.ValidationError as error:
        raise InvalidInput("INVALID_DOCUMENT", f"{error}; {_DOCUMENT_SHAPE}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput("MALFORMED_JSON", str(error)) from error
    rows: Iterator[Row | Unreadable] = itertools.starmap(Row, enumerate(document.contact_list, start=1))
    return ContactFile(Form.DOCUMENT, rows, document=document)
