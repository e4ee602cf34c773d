"""What holds for the wire whatever is sent."""

import string
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from des import limits
from des.contact import ContactBatch
from des.errors import Unreadable
from des.message import BATCH_SET_TYPE, JSON, PROTOBUF
from des.v1 import contact_pb2
from des.wire import (
    InvalidUnit,
    TenantResolver,
    decode_contacts,
    decode_delivery,
    decode_json,
    decode_proto,
    encode_json,
    encode_proto,
    encode_set,
    split,
    split_encoded,
)
from des.wire.rules import TEXTS, contact_findings, suspicious
from tests.wire_samples import ERID, FIELDS, KNOWN, body, delivery

TENANTS = TenantResolver({}, own_user="des")

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=40)
wild_texts = st.text(max_size=30) | st.sampled_from(["", " ", "\x00", "DE", "xyz", "é" * 1_001, "\ud800"])
countries = st.sampled_from(["", *string.ascii_uppercase]).map(lambda letter: letter * 2)
contacts = st.fixed_dictionaries(
    {"first_name": texts.filter(str.strip)},
    optional={name: texts for name in TEXTS if name not in {"first_name", "country"}} | {"country": countries},
)
fields = st.lists(st.sampled_from(sorted(KNOWN)), min_size=1)
batches = st.builds(
    lambda contacts, asked: {"erid": ERID, "contact_list": contacts, "fields_to_be_enriched": asked},
    st.lists(contacts, min_size=1, max_size=8),
    fields,
)


def as_message(document: dict[str, Any]) -> contact_pb2.ContactBatch:
    return contact_pb2.ContactBatch(**document)


@given(batches)
def test_the_same_batch_is_one_batch_on_every_door(document: dict[str, Any]) -> None:
    by_proto = decode_proto(as_message(document), "default", KNOWN)
    document["fields_to_be_enriched"] = [*reversed(document["fields_to_be_enriched"])]
    raw = msgspec.json.encode(document)
    assert decode_json(raw, "default", KNOWN) == by_proto
    assert decode_delivery(delivery(raw, JSON), TENANTS, KNOWN) == [by_proto]
    assert decode_delivery(delivery(as_message(document).SerializeToString()), TENANTS, KNOWN) == [by_proto]


@given(batches)
def test_what_was_encoded_is_read_back(document: dict[str, Any]) -> None:
    batch = decode_proto(as_message(document), "default", KNOWN)
    assert decode_contacts(batch.payload, len(batch.contacts)) == batch.contacts
    with pytest.raises(Unreadable, match="contacts are stored"):
        decode_contacts(batch.payload, len(batch.contacts) + 1)
    assert [msgspec.to_builtins(contact) for contact in batch.contacts] == [
        {name: text for name, text in contact.items() if text} for contact in document["contact_list"]
    ]
    assert decode_delivery(delivery(batch.payload), TENANTS, KNOWN) == [batch]


@given(batches)
def test_a_door_passes_on_what_the_acceptor_reads(document: dict[str, Any]) -> None:
    batch = decode_proto(as_message(document), "default", KNOWN)
    for encoded in (
        encode_proto(as_message(document), "default", KNOWN),
        encode_json(msgspec.json.encode(document), "default", KNOWN),
    ):
        assert (encoded.payload, encoded.batch_id, encoded.content_hash) == (
            batch.payload,
            batch.batch_id,
            batch.content_hash,
        )
        assert encoded.contacts == len(batch.contacts)


@given(st.lists(batches, min_size=1, max_size=6))
def test_a_set_is_its_batches(documents: list[dict[str, Any]]) -> None:
    together = [decode_proto(as_message(document), "acme", KNOWN) for document in documents]
    raw = encode_set("acme", together)
    assert decode_delivery(delivery(raw, type=BATCH_SET_TYPE, user_id="des"), TENANTS, KNOWN) == together
    read = contact_pb2.ContactBatchSet.FromString(raw)
    assert (read.tenant, len(read.batches)) == ("acme", len(together))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 25_000), st.integers(0, 1_000))
def test_parts_put_together_are_the_batch(count: int, text_chars: int) -> None:
    message = contact_pb2.ContactBatch(erid=ERID, fields_to_be_enriched=FIELDS)
    message.contact_list.extend([contact_pb2.Contact(full_name="n", company_name="c" * text_chars)] * count)
    batch = decode_proto(message, "default", KNOWN)
    parts = split(batch)
    assert [contact for part in parts for contact in part.contacts] == [*batch.contacts]
    assert [part.part for part in parts] == [*range(len(parts))]
    assert {(part.parts, part.batch_id, part.content_hash) for part in parts} == {
        (len(parts), batch.batch_id, batch.content_hash)
    }
    position = 0
    for part in parts:
        assert part.first_position == position
        position += len(part.contacts)
        assert len(part.payload) <= limits.MESSAGE_BYTES_MAX
        assert len(part.contacts) <= limits.CONTACTS_PER_MESSAGE_MAX
        assert decode_delivery(delivery(part.payload, user_id="des"), TENANTS, KNOWN) == [part]
        assert split(part) == [part]
    encoded = split_encoded(encode_proto(contact_pb2.ContactBatch.FromString(batch.payload), "default", KNOWN))
    assert [each.payload for each in encoded] == [part.payload for part in parts]


@given(
    st.binary(max_size=300),
    st.sampled_from([PROTOBUF, JSON, "", "text/plain", "\x00"]),
    st.sampled_from(["", BATCH_SET_TYPE, "x"]),
    st.sampled_from(["", "des"]),
)
def test_no_bytes_are_too_bad_for_a_delivery(raw: bytes, content_type: str, type_: str, user_id: str) -> None:
    for unit in decode_delivery(delivery(raw, content_type, type_, user_id), TENANTS, KNOWN):
        assert isinstance(unit, InvalidUnit)
        assert unit.reason


@given(batches, st.data())
def test_no_damage_to_a_payload_is_too_bad(document: dict[str, Any], data: st.DataObject) -> None:
    batch = decode_proto(as_message(document), "default", KNOWN)
    raw = bytearray(encode_set("default", [batch, batch]))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    for unit in decode_delivery(delivery(bytes(raw), type=BATCH_SET_TYPE, user_id="des"), TENANTS, KNOWN):
        assert isinstance(unit, InvalidUnit | ContactBatch)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["erid", "batch_id", "contact_list", "fields_to_be_enriched", "more"]), json_values)
def test_any_json_is_taken_or_refused_by_name(key: str, value: Any) -> None:
    (unit,) = decode_delivery(delivery(body(**{key: value}), JSON), TENANTS, KNOWN)
    if isinstance(unit, InvalidUnit):
        assert unit.reason.isupper()
        assert all(each.field and each.description for each in unit.violations)
    else:
        assert unit.contacts


@given(st.lists(st.tuples(*[wild_texts] * len(TEXTS)), max_size=4))
def test_the_sieve_holds_back_every_breach(rows: list[tuple[str, ...]]) -> None:
    if list(contact_findings(rows)):
        assert suspicious(rows)


@pytest.mark.parametrize("letter", ["\t", "\n", "\r", " ", "\x80", "\ufffd"])
def test_the_sieve_lets_good_text_pass(letter: str) -> None:
    row = ("a" + letter, *[""] * (len(TEXTS) - 1))
    assert not suspicious([row])
    assert not list(contact_findings([row]))
