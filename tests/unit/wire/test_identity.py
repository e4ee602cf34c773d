"""Who a batch is does not depend on how it came."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

import pytest

from des.contact import Contact, ContactBatch
from des.v1 import contact_pb2
from des.wire import decode_delivery, decode_json, decode_proto
from des.wire.delivery import TenantResolver
from des.wire.rules import TEXTS
from tests.wire_samples import ERID, FIELDS, JOHN, KNOWN, body, delivery, message

NOBODY = TenantResolver({})


def by_json(**over: Any) -> ContactBatch:
    return decode_json(body(**over), "default", KNOWN)


def test_the_contact_of_the_wire_is_that_of_the_values() -> None:
    by_number = sorted(contact_pb2.Contact.DESCRIPTOR.fields, key=lambda field: field.number)
    assert tuple(field.name for field in by_number) == TEXTS == Contact.__struct_fields__


def test_a_batch_is_the_same_on_every_door() -> None:
    by_json_door = by_json()
    assert decode_proto(message(), "default", KNOWN) == by_json_door
    assert decode_delivery(delivery(message().SerializeToString()), NOBODY, KNOWN) == [by_json_door]
    assert decode_delivery(delivery(body(), "application/json; charset=utf-8"), NOBODY, KNOWN) == [by_json_door]


def test_the_id_is_made_from_the_content_in_the_documented_way() -> None:
    batch = by_json()
    content = message(fields=sorted(FIELDS), erid="").SerializeToString(deterministic=True)
    assert batch.content_hash == sha256(content).digest()
    assert batch.batch_id == uuid5(UUID(ERID), sha256(content).hexdigest())


@pytest.mark.parametrize(
    "same",
    [
        lambda: by_json(fields_to_be_enriched=[*FIELDS[::-1], FIELDS[0]]),
        lambda: by_json(erid=ERID.upper()),
        lambda: by_json(batch_id=""),
        lambda: by_json(contact_list=[{**JOHN, "email": ""}]),
        lambda: decode_proto(with_unknown_field(), "default", KNOWN),
    ],
    ids=["order of the fields", "letter case", "empty batch id", "explicit empty text", "unknown proto field"],
)
def test_what_does_not_change_the_batch(same: Callable[[], ContactBatch]) -> None:
    assert same() == by_json()


def with_unknown_field() -> contact_pb2.ContactBatch:
    later = b"\xaa\x06\x05later"  # field 101, text
    contact = contact_pb2.Contact(**JOHN).SerializeToString() + later
    bare = message(contacts=()).SerializeToString()
    return contact_pb2.ContactBatch.FromString(bare + b"\x1a%c" % len(contact) + contact + later)


def test_other_content_is_another_batch() -> None:
    others = [
        by_json(fields_to_be_enriched=FIELDS[:1]),
        by_json(contact_list=[{**JOHN, "external_id": "7"}]),
        by_json(contact_list=[JOHN, JOHN]),
        by_json(erid="9c3f4b80-f728-4d7c-8567-1bc01df5f0a1"),
    ]
    assert len({other.batch_id for other in (*others, by_json())}) == 5


def test_a_given_id_is_kept_in_canonical_form() -> None:
    given = "AAAAAAAA-0000-4000-8000-00000000000F"
    batch = by_json(batch_id=given)
    assert batch.batch_id == UUID(given)
    assert batch.content_hash == by_json().content_hash
    assert contact_pb2.ContactBatch.FromString(batch.payload).batch_id == given.lower()
