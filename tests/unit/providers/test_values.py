"""Values in their one form; and the quick way to it against the library."""

import pytest
from email_validator import validate_email
from hypothesis import given
from hypothesis import strategies as st

from des.contact import FieldType
from des.providers.values import _PLAIN_EMAIL, Values

LETTERS = "ab9z-_.+@x"
ADDRESSES = st.builds(
    "{}@{}.{}".format,
    st.text(LETTERS, min_size=1, max_size=12),
    st.text("abz0-.xn", min_size=1, max_size=14),
    st.sampled_from(
        ["com", "test", "local", "arpa", "onion", "invalid", "localhost", "museum", "de", "c", "c0", "xn--p1ai"]
    ),
)


@given(ADDRESSES | st.text(LETTERS + "com", max_size=70))
def test_the_quick_way_never_differs_from_the_library(address: str) -> None:
    if _PLAIN_EMAIL.match(address):
        assert validate_email(address, check_deliverability=False).normalized == address


@given(st.text(max_size=100), st.sampled_from(FieldType), st.text(max_size=3))
def test_what_comes_out_stays_as_it_is(raw: str, field_type: FieldType, country: str) -> None:
    values = Values()
    value = values.normalise(field_type, raw, country)
    if value is not None:
        assert value.strip() == value != ""
        assert "\x00" not in value
        assert values.normalise(field_type, value) == value


@pytest.mark.parametrize(
    ("field_type", "raw", "country", "value"),
    [
        (FieldType.EMAIL, "john.doe@sayprimer.com", "", "john.doe@sayprimer.com"),
        (FieldType.EMAIL, "  John.Doe@SayPrimer.COM ", "", "John.Doe@sayprimer.com"),
        (FieldType.EMAIL, "Info@SayPrimer.com", "", "info@sayprimer.com"),
        (FieldType.EMAIL, "jörg@müller.de", "", "jörg@müller.de"),
        (FieldType.EMAIL, "a@xn--mller-kva.de", "", "a@müller.de"),
        (FieldType.EMAIL, "a@MÜLLER.de", "", "a@müller.de"),
        (FieldType.EMAIL, "john.doe@sayprimer", "", None),
        (FieldType.EMAIL, "john..doe@sayprimer.com", "", None),
        (FieldType.EMAIL, "john@doe@sayprimer.com", "", None),
        (FieldType.EMAIL, '"john doe"@sayprimer.com', "", None),
        (FieldType.EMAIL, "John Doe <john.doe@sayprimer.com>", "", None),
        (FieldType.EMAIL, "a" * 100_000 + "@sayprimer.com", "", None),
        (FieldType.EMAIL, "", "", None),
        (FieldType.PHONE, "+14155550132", "", "+14155550132"),
        (FieldType.PHONE, "(415) 555-0132", "us", "+14155550132"),
        (FieldType.PHONE, "020 7946 0018", "GB", "+442079460018"),
        (FieldType.PHONE, "020 7946 0018", "", None),
        (FieldType.PHONE, "020 7946 0018", "United Kingdom", None),
        (FieldType.PHONE, "+1 2", "", None),
        (FieldType.PHONE, "call me", "US", None),
        (FieldType.PHONE, "٠٢٠ ٧٩٤٦ ٠٠١٨", "GB", "+442079460018"),
        (FieldType.URL, "HTTPS://www.LinkedIn.com/in/John", "", "https://www.linkedin.com/in/John"),
        (FieldType.URL, "linkedin.com/in/john", "", "https://linkedin.com/in/john"),
        (FieldType.URL, "example.com:8080/a?b=c#d", "", "https://example.com:8080/a?b=c#d"),
        (FieldType.URL, "javascript:alert(1)", "", None),
        (FieldType.URL, "ftp://example.com", "", None),
        (FieldType.URL, "https://user:secret@example.com", "", None),
        (FieldType.URL, "http://example.com:99999", "", None),
        (FieldType.URL, "http://localhost/", "", None),
        (FieldType.URL, "http://[::1", "", None),
        (FieldType.URL, "https://example.com/a b", "", None),
        (FieldType.TEXT, " Head \n of\tSales\x00 ", "", "Head of Sales"),
        (FieldType.TEXT, "Cafe\u0301", "", "Café"),
        (FieldType.TEXT, "\ud800", "", None),
        (FieldType.TEXT, " \n ", "", None),
        (FieldType.TEXT, "x" * 1_001, "", None),
    ],
)
def test_forms(field_type: FieldType, raw: str, country: str, value: str | None) -> None:
    assert Values().normalise(field_type, raw, country) == value


def test_a_phone_number_is_remembered_with_its_country() -> None:
    values = Values()
    assert values.normalise(FieldType.PHONE, "030 23125000", "DE") == "+493023125000"
    assert values.normalise(FieldType.PHONE, "030 23125000", "US") is None
