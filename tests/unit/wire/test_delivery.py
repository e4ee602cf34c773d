"""From the broker: one poisoned batch leaves its neighbours alone, and nobody speaks for another tenant."""

import gzip
from typing import Any

import pytest

from des.contact import ContactBatch
from des.message import BATCH_SET_TYPE, BATCH_TYPE, PROTOBUF
from des.wire import InvalidUnit, TenantResolver, decode_delivery, decode_proto, encode_set, split
from des.wire.parts import encode_set_of_payloads
from tests.wire_samples import ERID, JOHN, KNOWN, body, delivery, message

TENANTS = TenantResolver({"acme-user": "acme"}, own_user="des")


def batch(name: str) -> ContactBatch:
    return decode_proto(message([{"first_name": name}]), "default", KNOWN)


def invalid(found: list[ContactBatch | InvalidUnit]) -> InvalidUnit:
    assert len(found) == 1
    assert isinstance(found[0], InvalidUnit)
    return found[0]


def test_a_poisoned_batch_of_a_set_leaves_its_neighbours_alone() -> None:
    broken = message([{"first_name": "Zoe"}]).SerializeToString().replace(b"Zoe", b"\xff\xfe\xfd")
    unacceptable = message(erid="7").SerializeToString()
    payloads = [batch("a").payload, broken, batch("b").payload, unacceptable]
    body_ = encode_set_of_payloads("default", payloads)
    found = decode_delivery(delivery(body_, type=BATCH_SET_TYPE, user_id="des"), TENANTS, KNOWN)
    assert found[0::2] == [batch("a"), batch("b")]
    assert [(unit.reason, unit.payload, unit.erid) for unit in found if isinstance(unit, InvalidUnit)] == [
        ("MALFORMED_PROTOBUF", broken, ""),
        ("INVALID_ERID", unacceptable, "7"),
    ]
    assert all(unit.message_type == BATCH_TYPE for unit in found if isinstance(unit, InvalidUnit))


@pytest.mark.parametrize(
    ("payload", "content_type", "type_", "reason"),
    [
        (b"", PROTOBUF, "", "EMPTY_BODY"),
        (b"\xff\xff", PROTOBUF, "", "MALFORMED_PROTOBUF"),
        (b"\xff\xff", "", "", "MALFORMED_PROTOBUF"),
        (b"{", "", "", "MALFORMED_JSON"),
        (b"\xff\xff", PROTOBUF, BATCH_SET_TYPE, "MALFORMED_PROTOBUF"),
        (b"\x0a\x01x", PROTOBUF, BATCH_SET_TYPE, "EMPTY_BATCH"),
        (b"x", "text/csv\x00\xff", "", "UNKNOWN_CONTENT_TYPE"),
        (b"x", PROTOBUF, "other.v1.Thing", "UNKNOWN_MESSAGE_TYPE"),
        (body(), "application/json", BATCH_SET_TYPE, "UNKNOWN_MESSAGE_TYPE"),
        (body(erid="7"), "application/json", "", "INVALID_ERID"),
    ],
)
def test_what_cannot_be_read_is_one_unit_with_the_reason(
    payload: bytes, content_type: str, type_: str, reason: str
) -> None:
    unit = invalid(decode_delivery(delivery(payload, content_type, type_), TENANTS, KNOWN))
    assert (unit.reason, unit.payload, unit.tenant) == (reason, payload, "default")
    assert unit.content_type.isprintable()


def test_a_packed_body_is_named_as_such() -> None:
    packed = delivery(gzip.compress(body()), "application/json", content_encoding="gzip")
    assert invalid(decode_delivery(packed, TENANTS, KNOWN)).reason == "UNKNOWN_CONTENT_ENCODING"
    (read,) = decode_delivery(delivery(body(), "application/json", content_encoding="UTF-8"), TENANTS, KNOWN)
    assert isinstance(read, ContactBatch)


def test_nothing_but_a_body_is_needed() -> None:
    for raw in (body(), message().SerializeToString()):
        assert decode_delivery(delivery(raw, content_type=""), TENANTS, KNOWN) == [
            decode_proto(message(), "default", KNOWN)
        ]


@pytest.mark.parametrize(
    ("user_id", "tenant"), [("des", "beta"), ("acme-user", "acme"), ("stranger", "default"), ("", "default")]
)
def test_the_tenant_of_a_set_is_believed_from_des_alone(user_id: str, tenant: str) -> None:
    raw = encode_set("beta", [batch("a")])
    (found,) = decode_delivery(delivery(raw, type=BATCH_SET_TYPE, user_id=user_id), TENANTS, KNOWN)
    assert found.tenant == tenant


def test_a_publisher_without_a_user_is_not_des_even_when_des_has_none() -> None:
    raw = encode_set("beta", [batch("a")])
    (found,) = decode_delivery(delivery(raw, type=BATCH_SET_TYPE), TenantResolver({}), KNOWN)
    assert found.tenant == "default"


def test_a_large_batch_comes_in_the_parts_a_door_would_have_made() -> None:
    many = [{**JOHN, "external_id": str(number)} for number in range(12_000)]
    by_door = split(decode_proto(message(many), "default", KNOWN))
    assert len(by_door) == 2
    assert decode_delivery(delivery(message(many).SerializeToString()), TENANTS, KNOWN) == by_door
    for part in by_door:
        assert decode_delivery(delivery(part.payload, user_id="des"), TENANTS, KNOWN) == [part]


def test_a_part_is_believed_from_des_alone() -> None:
    part = message(part=1, parts=2, content_hash=bytes(32), first_position=1, batch_id=ERID).SerializeToString()
    assert invalid(decode_delivery(delivery(part, user_id="acme-user"), TENANTS, KNOWN)).reason == "INVALID_PART"
    (found,) = decode_delivery(delivery(part, user_id="des"), TENANTS, KNOWN)
    assert isinstance(found, ContactBatch)
    assert (found.part, found.parts, found.first_position, found.content_hash) == (1, 2, 1, bytes(32))


@pytest.mark.parametrize(
    "over", [{"part": 2}, {"part": 5_000, "parts": 6_000}, {"content_hash": b""}, {"first_position": 100_000}]
)
def test_a_part_that_contradicts_itself_is_refused(over: dict[str, Any]) -> None:
    numbers = {"part": 1, "parts": 2, "content_hash": bytes(32), "first_position": 1, "batch_id": ERID, **over}
    part = message(**numbers).SerializeToString()
    assert invalid(decode_delivery(delivery(part, user_id="des"), TENANTS, KNOWN)).reason == "INVALID_PART"
