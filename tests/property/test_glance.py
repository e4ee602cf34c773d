"""A glance lets nothing pass that a close look would refuse, and sees in a batch what a close look sees."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from des.contact import ContactBatch
from des.v1 import contact_pb2
from des.wire import EncodedBatch, TenantResolver, decode_delivery, decode_proto
from des.wire.glance import LEFT_MAX, glance
from des.wire.parts import varint
from des.wire.rules import TEXTS, contact_findings
from tests.property.test_wire import as_message, batches, wild_texts
from tests.wire_samples import ERID, JOHN, KNOWN, delivery, message, request

BATCH_ID = "0b1f3a6e-7c1d-4a53-9d51-5f0e0a6f1d11"
TENANTS = TenantResolver({}, own_user="des")


def raw(batch: contact_pb2.ContactBatch) -> bytes:
    return request(batch).SerializeToString()


def inside(payload: bytes) -> bytes:
    """Make a request around the bytes of a batch, whatever they are."""
    return b"\x0a" + varint(len(payload)) + payload


def glanced_at(request: bytes) -> EncodedBatch | None:
    (batch,) = glance([request], "default", KNOWN)
    return batch


@given(batches)
def test_what_is_glanced_at_is_what_is_read(document: dict[str, Any]) -> None:
    batch = as_message({**document, "batch_id": BATCH_ID})
    glanced = glanced_at(raw(batch))
    if glanced is None:  # for instance a last name that begins with a space
        return
    read = decode_proto(batch, "default", KNOWN)
    assert (glanced.erid, glanced.batch_id, glanced.fields) == (read.erid, read.batch_id, read.fields)
    assert (glanced.contacts, glanced.content_hash) == (len(read.contacts), read.content_hash)
    assert decode_delivery(delivery(glanced.payload, user_id="des"), TENANTS, KNOWN) == [read]


@pytest.mark.parametrize(
    "contact",
    [
        JOHN,
        {"last_name": "Ōe", "country": "JP", "phone": "+81 3 0000 0000"},
        {"full_name": "Анна Ким", "email": "anna@example.com", "external_id": "7\t8"},
        {"full_name": "ẞ Ểm Ⅷ あい", "company_name": " spaces\r\n", "country": "vn"},
        {text: f"{text} {'x' * 20}" for text in TEXTS if text != "country"} | {"country": "Nz"},
        {"first_name": "Maximilian", "company_name": "acme.de", "external_id": "123"},  # 26 bytes: the tag's own
        {"full_name": "Maximilian", "company_name": "acme.de", "external_id": "123"},
        {"full_name": "x" * 24},
        {"last_name": "x" * 16, "external_id": "x" * 6},
    ],
)
def test_a_glance_is_enough_for_an_ordinary_batch(contact: dict[str, str]) -> None:
    glanced = glanced_at(raw(message([contact] * 200, batch_id=BATCH_ID)))
    assert glanced is not None
    assert (glanced.contacts, glanced.erid, glanced.batch_id) == (200, UUID(ERID), UUID(BATCH_ID))


@pytest.mark.parametrize("space", [chr(code) for code in range(0x110000) if chr(code).isspace()])
def test_a_name_that_may_be_blank_is_read_closely(space: str) -> None:
    for name in ("first_name", "full_name"):
        assert glanced_at(raw(message([JOHN, {name: space}], batch_id=BATCH_ID))) is None


@given(st.lists(st.tuples(*[wild_texts] * len(TEXTS)), max_size=4))
def test_a_glance_holds_back_every_breach(rows: list[tuple[str, ...]]) -> None:
    if any("\ud800" in text for row in rows for text in row):
        return  # cannot be encoded
    if list(contact_findings(rows)):
        batch = message([dict(zip(TEXTS, row, strict=True)) for row in rows], batch_id=BATCH_ID)
        assert glanced_at(raw(batch)) is None


@pytest.mark.parametrize(
    "over",
    [
        {"batch_id": ""},
        {"batch_id": "00000000-0000-0000-0000-000000000000"},
        {"batch_id": "-" * 36},
        {"erid": "7"},
        {"fields": ()},
        {"fields": ("unknown",)},
        {"part": 1, "parts": 2},
        {"first_position": 5},
        {"content_hash": b"x"},
    ],
)
def test_a_batch_that_is_not_plain_is_read_closely(over: dict[str, Any]) -> None:
    assert glanced_at(raw(message(**{"batch_id": BATCH_ID, **over}))) is None


def test_options_are_read_closely() -> None:
    batch = message(batch_id=BATCH_ID)
    batch.options.priority = 9
    assert glanced_at(raw(batch)) is None


def with_contact(contact: bytes) -> bytes:
    """A batch of John and one more, as its bytes have it."""
    payload = message(batch_id=BATCH_ID).SerializeToString()
    at = payload.index(b"\x1a")
    return payload[:at] + contact + payload[at:]


NOBODY = message([{"company_name": "Acme"}], batch_id=BATCH_ID).SerializeToString()
LONG = {"first_name": "Zoë", "email": "z" * 30, "linkedin_url": "y" * 120, "external_id": "x"}
"""A contact whose length takes two bytes."""
TWICE_NAMED = b"\x1a\x0c\x0a\x04John\x0a\x04Jane"
OUT_OF_ORDER = b"\x1a\x0b\x12\x03Doe\x0a\x04John"
LONGER_THAN_NEEDED = b"\x1a\x86\x00\x0a\x04John"
LAST_NAME_WINS = b"\x1a\x08\x0a\x04John\x0a\x00"


@pytest.mark.parametrize(
    "payload",
    [
        NOBODY + TWICE_NAMED,
        message(batch_id=BATCH_ID).SerializeToString() + LAST_NAME_WINS,
        with_contact(OUT_OF_ORDER),
        with_contact(LONGER_THAN_NEEDED),
        message(batch_id=BATCH_ID).SerializeToString() + b"\x1a\x00",
        b"\x28\x00" + message(batch_id=BATCH_ID).SerializeToString(),
    ],
)
def test_what_is_not_canonical_is_read_closely(payload: bytes) -> None:
    assert glanced_at(inside(payload)) is None


def test_a_request_of_two_batches_is_read_closely() -> None:
    one = message(batch_id=BATCH_ID)
    assert glanced_at(b"\x0a\x00" + raw(one)) is None
    assert glanced_at(raw(one) + raw(one)) is None


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    st.integers(0, 400),
    st.binary(max_size=6),
)
@example([], 78, b"\x0a\x00")
def test_whatever_is_done_to_the_bytes_a_glance_lets_nothing_broken_pass(
    edits: list[tuple[int, int]], at: int, insertion: bytes
) -> None:
    payload = bytearray(
        message([JOHN, {"full_name": "Jane Roe", "country": "DE"}, LONG], batch_id=BATCH_ID).SerializeToString()
    )
    for place, byte in edits:
        payload[place % len(payload)] = byte
    payload[at % len(payload) : at % len(payload)] = insertion
    glanced = glanced_at(inside(bytes(payload)))
    if glanced is not None:
        (unit,) = decode_delivery(delivery(glanced.payload, user_id="des"), TENANTS, KNOWN)
        assert isinstance(unit, ContactBatch)
        assert (unit.erid, unit.batch_id, unit.fields) == (glanced.erid, glanced.batch_id, glanced.fields)
        assert unit.content_hash == glanced.content_hash
        assert len(unit.contacts) == glanced.contacts


ORDINARY = [raw(message([{**JOHN, "last_name": f"Doe {number}"}], batch_id=BATCH_ID)) for number in range(3)]
ODD = [
    b"",
    b"\x0a\x00",
    inside(NOBODY),
    raw(message()),
    raw(message([JOHN] * 3, batch_id=BATCH_ID, fields=("phone_number",))),
    raw(message([{"first_name": "Jo\x07hn"}], batch_id=BATCH_ID)),
    ORDINARY[0] + b"\x10\x01",
    ORDINARY[0] + ORDINARY[1],
]


def test_ordinary_batches_are_looked_at_together() -> None:
    batches = glance(ORDINARY, "default", KNOWN)
    assert [batch and batch.payload for batch in batches] == [request[3:] for request in ORDINARY]
    assert len({batch and batch.content_hash for batch in batches}) == len(ORDINARY)


@given(st.lists(st.sampled_from(ORDINARY + ODD), min_size=1, max_size=5))
def test_batches_looked_at_together_are_what_each_is_alone(requests: list[bytes]) -> None:
    for together, alone in zip(glance(requests, "default", KNOWN), map(glanced_at, requests), strict=True):
        assert together is None or together == alone


def test_one_that_is_odd_leaves_most_of_the_others_as_they_are() -> None:
    for odd in ODD:
        batches = glance([*ORDINARY * 20, odd, *ORDINARY * 20], "default", KNOWN)
        assert batches[60] is None or batches[60] == glanced_at(odd)
        assert batches.count(None) <= LEFT_MAX


@given(st.permutations(ORDINARY), st.lists(st.integers(0, 400), min_size=2, max_size=2))
@example(ORDINARY, [0, 0])
def test_requests_that_are_only_well_formed_together_are_not_taken(requests: list[bytes], at: list[int]) -> None:
    whole = b"".join(requests)
    first, second = sorted(place % len(whole) for place in at)
    cut = [whole[:first], whole[first:second], whole[second:]]
    for together, alone in zip(glance(cut, "default", KNOWN), map(glanced_at, cut), strict=True):
        assert together is None or together == alone


def test_a_request_that_reaches_into_the_next_swallows_nothing() -> None:
    one, swallowed, last = ORDINARY
    unknown_field = b"\x7a" + varint(len(swallowed))
    payload = one[3:] + unknown_field
    reaching = b"\x0a" + varint(len(payload) + len(swallowed)) + payload
    assert list(glance([reaching, swallowed + last], "default", KNOWN)) == [None, None]
