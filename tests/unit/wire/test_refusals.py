"""Bad input ends in a reason code and the place, whatever it is and whatever door it came to."""

from typing import Any

import msgspec
import pytest

from des import limits
from des.errors import InvalidInput
from des.v1 import contact_pb2
from des.wire import decode_json, decode_proto
from tests.wire_samples import ERID, JOHN, KNOWN, body, document, message

NIL = "00000000-0000-0000-0000-000000000000"


def refused_json(raw: bytes) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        decode_json(raw, "default", KNOWN)
    return caught.value


def refused_proto(batch: contact_pb2.ContactBatch) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        decode_proto(batch, "default", KNOWN)
    return caught.value


def john(**over: str) -> list[dict[str, str]]:
    return [{**JOHN, **over}]


CONTENT = [
    ({"erid": "no-uuid"}, "INVALID_ERID", "erid"),
    ({"erid": ""}, "INVALID_ERID", "erid"),
    ({"erid": NIL}, "INVALID_ERID", "erid"),
    ({"erid": ERID.replace("-", "")}, "INVALID_ERID", "erid"),
    ({"erid": "{" + ERID + "}"}, "INVALID_ERID", "erid"),
    ({"erid": ERID + "\n"}, "INVALID_ERID", "erid"),
    ({"batch_id": "7"}, "INVALID_BATCH_ID", "batch_id"),
    ({"batch_id": NIL}, "INVALID_BATCH_ID", "batch_id"),
    ({"contacts": []}, "EMPTY_BATCH", "contact_list"),
    ({"contacts": [{"company_name": "acme"}]}, "EMPTY_CONTACT", "contact_list[0]"),
    ({"contacts": [{"first_name": " \t"}]}, "EMPTY_CONTACT", "contact_list[0]"),
    ({"contacts": john(first_name="x" * 10_000)}, "TEXT_TOO_LONG", "contact_list[0].first_name"),
    ({"contacts": john(**dict.fromkeys(("phone", "email"), "€" * 999), full_name="€" * 999, last_name="€" * 999,
                       first_name="€" * 999, linkedin_url="€" * 999)}, "TEXT_TOO_LONG", "contact_list[0]"),
    ({"contacts": john(last_name="a\x00b")}, "INVALID_TEXT", "contact_list[0].last_name"),
    ({"contacts": john(last_name="a\x1bb")}, "INVALID_TEXT", "contact_list[0].last_name"),
    ({"contacts": john(country="Germany")}, "INVALID_COUNTRY", "contact_list[0].country"),
    ({"fields": []}, "NO_FIELDS", "fields_to_be_enriched"),
    ({"fields": ["shoe_size"]}, "UNKNOWN_FIELD", "fields_to_be_enriched[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "reason", "place"), CONTENT)
def test_content_is_refused_alike_as_json_and_as_protobuf(what: dict[str, Any], reason: str, place: str) -> None:
    names = {"contacts": "contact_list", "fields": "fields_to_be_enriched"}
    as_json = refused_json(body(**{names.get(name, name): value for name, value in what.items()}))
    as_proto = refused_proto(message(**what))
    assert (as_json.reason, as_json.violations[0].field) == (reason, place)
    assert as_json.violations == as_proto.violations


def test_too_many_contacts_are_refused() -> None:
    many = [contact_pb2.Contact(first_name="J")] * (limits.BATCH_CONTACTS_MAX + 1)
    batch = contact_pb2.ContactBatch(erid=ERID, contact_list=many, fields_to_be_enriched=["linkedin_url"])
    assert refused_proto(batch).reason == "TOO_MANY_CONTACTS"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "EMPTY_BODY"),
        (b" \n", "EMPTY_BODY"),
        (b"{", "MALFORMED_JSON"),
        (body() + b"x", "MALFORMED_JSON"),
        (b"\xef\xbb\xbf" + body(), "MALFORMED_JSON"),
        (body().replace(b"John", b"J\xff"), "MALFORMED_JSON"),
        (body().replace(b'"John"', b"NaN"), "MALFORMED_JSON"),
        (body().replace(b'"John"', b"-Infinity"), "MALFORMED_JSON"),
        (body().replace(b"John", b"J\x00"), "MALFORMED_JSON"),
        (b"[" * 100_000, "TOO_DEEP"),
        (b'{"erid":' * 17 + b"1" + b"}" * 17, "TOO_DEEP"),
        (b"[]", "WRONG_TYPE"),
        (b"null", "WRONG_TYPE"),
        (body().replace(b'"John"', b"7"), "WRONG_TYPE"),
        (body().replace(b'"John"', b"9" * 5_000), "WRONG_TYPE"),
        (body().replace(b'"John"', b"null"), "WRONG_TYPE"),
        (body(contact_list={}), "WRONG_TYPE"),
        (body(contact_list=["John"]), "WRONG_TYPE"),
        (body(fields_to_be_enriched=[1]), "WRONG_TYPE"),
        (body(batch_id=7), "WRONG_TYPE"),
        (body(tenant="other"), "UNKNOWN_KEY"),
        (body().replace(b"last_name", b"lastName"), "UNKNOWN_KEY"),
        (body().replace(b"last_name", b"first_name"), "DUPLICATE_KEY"),
        (body().replace(b"last_name", b"first\\u005fname"), "DUPLICATE_KEY"),
        (body()[:-1] + b',"erid":"' + ERID.encode() + b'"}', "DUPLICATE_KEY"),
        (body().replace(b"John", b"\\ud800"), "INVALID_TEXT"),
        (body().replace(b"John", b"\\u0000"), "INVALID_TEXT"),
    ],
)
def test_json_that_is_not_the_document_is_refused(raw: bytes, reason: str) -> None:
    error = refused_json(raw)
    assert error.reason == reason
    assert error.message.isprintable()


def test_a_second_key_is_seen_behind_an_escaped_colon() -> None:
    raw = body().replace(b'"last_name":"Doe"', b'"first_name":"\\u003a"')
    assert refused_json(raw).reason == "DUPLICATE_KEY"


def test_colons_and_escapes_in_texts_are_texts() -> None:
    odd = {"full_name": 'a:b "first_name": \\', "email": "mailto:x@y.z"}
    assert decode_json(body([odd]), "default", KNOWN).contacts[0].full_name == odd["full_name"]


def test_every_wrong_place_is_named_up_to_a_hundred() -> None:
    contacts = [{"first_name": "a\x00", "country": "XYZ"}] * 80
    error = refused_json(body(contacts, erid="x", fields_to_be_enriched=["shoe_size"]))
    assert len(error.violations) == limits.VIOLATIONS_MAX
    assert [each.field for each in error.violations[:4]] == [
        "erid",
        "fields_to_be_enriched[0]",
        "contact_list[0].first_name",
        "contact_list[0].country",
    ]
    assert "linkedin_url" in error.violations[1].description


def test_the_error_says_whose_it_is_as_far_as_it_was_readable() -> None:
    error = refused_json(msgspec.json.encode({**document(), "batch_id": "x" * 500, "more": 1}))
    assert error.erid == ERID
    assert error.batch_id == "x" * 60


def test_a_part_is_for_des_alone_to_cut() -> None:
    assert refused_proto(message(part=0, parts=2, content_hash=bytes(32))).reason == "INVALID_PART"


@pytest.mark.parametrize("name", ["Zoë", "李小龍", "Владимир", "عمر", "👩‍👩‍👧", "O'Brien\t", "x" * 1_000, "𝔘" * 1_000])
def test_names_of_any_script_pass_as_they_are(name: str) -> None:
    by_json = decode_json(body([{"full_name": name}]), "default", KNOWN)
    by_proto = decode_proto(message([{"full_name": name}]), "default", KNOWN)
    assert by_json == by_proto
    assert by_json.contacts[0].full_name == name
