"""What a file of contacts may look like, and how each way in which it is wrong is told."""

import contextlib
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from des.cli.contact_file import LINE_BYTES_MAX, Form, Row, Unreadable, open_contacts
from des.cli.csv_columns import delimiter_of, text_of
from des.contact import Contact
from des.errors import InvalidInput

JOHN = Contact(first_name="John", last_name="Doe", company_name="sayprimer.com")


def read(data: bytes) -> list[Row | Unreadable]:
    return list(open_contacts(io.BytesIO(data)).rows)


@pytest.mark.parametrize(
    "data",
    [
        b"first_name,last_name,company_name\nJohn,Doe,sayprimer.com\n",
        b"\xef\xbb\xbfFirst Name;Last Name;Company\r\nJohn;Doe;sayprimer.com\r\n",
        b"Surname\tGiven name\tNotes\tOrganization\nDoe\tJohn\ta, b; c\tsayprimer.com",
        b'\n"First","Last","Account Name"\n"John"," Doe ","sayprimer.com"\n\n,,\n',
    ],
)
def test_csv_is_read_whatever_system_exported_it(data: bytes) -> None:
    assert [row.contact for row in read(data) if isinstance(row, Row)] == [JOHN]


def test_rows_are_counted_by_the_line_they_begin_in() -> None:
    rows = read(b'name,company\n"John\nDoe",A\nJane,B,too,many\nJim,C\n')
    assert [row.line for row in rows] == [2, 4, 5]
    assert [type(row) for row in rows] == [Row, Unreadable, Row]
    assert isinstance(rows[1], Unreadable)
    assert rows[1].reason == "TOO_MANY_CELLS"


def test_columns_that_are_nothing_of_a_contact_are_named() -> None:
    assert open_contacts(io.BytesIO(b"name,Shoe size,email\n")).ignored_columns == ["Shoe size"]


def test_json_lines_go_on_after_a_line_that_is_no_contact() -> None:
    data = b"\n".join(
        [
            b'{"first_name": "John", "last_name": "Doe", "company_name": "sayprimer.com"}',
            b"",
            b'{"first_name": 1}',
            b'{"first_name": "John"',
            b'{"shoe_size": "44"}',
            b'{"first_name": "' + b"x" * LINE_BYTES_MAX + b'"}',
            b'{"first_name": "\xff"}',
            b'{"first_name": "Jane"}',
        ]
    )
    rows = read(data)
    assert open_contacts(io.BytesIO(data)).form is Form.JSON_LINES
    assert [row.line for row in rows] == [1, 3, 4, 5, 6, 7, 8]
    assert [row.reason for row in rows if isinstance(row, Unreadable)] == [
        "INVALID_CONTACT",
        "MALFORMED_JSON",
        "INVALID_CONTACT",
        "TEXT_TOO_LONG",
        "MALFORMED_JSON",
    ]
    assert [row.contact.first_name for row in rows if isinstance(row, Row)] == ["John", "Jane"]


def test_the_document_of_the_http_door_is_read_on_one_line_or_many() -> None:
    for data in (
        b'{"erid": "e", "contact_list": [{"first_name": "John"}], "fields_to_be_enriched": ["phone_number"]}',
        b'{\n "erid": "e",\n "fields_to_be_enriched": ["phone_number"],\n "contact_list": [{"first_name": "John"}]\n}',
    ):
        file = open_contacts(io.BytesIO(data))
        assert file.form is Form.DOCUMENT
        assert file.document is not None
        assert (file.document.erid, file.document.fields_to_be_enriched) == ("e", ["phone_number"])
        assert list(file.rows) == [Row(1, Contact(first_name="John"))]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "EMPTY_FILE"),
        (b"\xef\xbb\xbf \n\n", "EMPTY_FILE"),
        ("first_name\nJohn\n".encode("utf-16"), "MALFORMED_ENCODING"),
        (b"caf\xe9,name\n", "MALFORMED_ENCODING"),
        (b"John,Doe,sayprimer.com\n", "NO_KNOWN_COLUMN"),
        (b"Company,Organization\nA,B\n", "AMBIGUOUS_COLUMN"),
        (b'[{"first_name": "John"}]', "INVALID_DOCUMENT"),
        (b'{"contact_list": 3}', "INVALID_DOCUMENT"),
        (b'{"contact_list": [], "surprise": 1}', "INVALID_DOCUMENT"),
        (b'{\n"contact_list": [', "MALFORMED_JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(data)
    assert refused.value.reason == reason


def test_an_unclosed_quote_costs_its_own_rows_and_no_memory() -> None:
    data = b"name,email\nJohn,j@x.io\n" + b'"Jane,' + b"x" * 200_000 + b"\n" + b"Jim,\n"
    rows = read(data)
    assert rows[0] == Row(2, Contact(full_name="John", email="j@x.io"))
    assert {row.reason for row in rows if isinstance(row, Unreadable)} == {"MALFORMED_CSV"}


def test_rows_are_read_only_as_they_are_asked_for() -> None:
    class Endless(io.BytesIO):
        def __init__(self) -> None:
            super().__init__()
            self.lines = itertools.chain([b"name\n"], itertools.repeat(b"John Doe\n"))

        def readline(self, size: int | None = -1, /) -> bytes:
            return next(self.lines)

    rows = open_contacts(Endless()).rows
    assert len(list(itertools.islice(rows, 5_000))) == 5_000


@given(st.binary(max_size=300))
def test_no_bytes_at_all_break_the_reader(data: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        assert all(isinstance(row, Row | Unreadable) for row in read(data))


def test_column_names_are_read_without_case_blanks_and_signs() -> None:
    assert text_of(" E-Mail Address ") == "email"
    assert text_of("LinkedIn URL") == "linkedin_url"
    assert text_of("Position") is None


def test_the_delimiter_is_the_one_that_makes_sense_of_the_header() -> None:
    assert delimiter_of('"Name, first";First name;Company') == ";"
    assert delimiter_of("email") == ","
