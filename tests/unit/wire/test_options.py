"""Options on the wire: beside the content, alike on every door, refused by name."""

from typing import Any

import msgspec
import pytest

from des import limits
from des.errors import InvalidInput
from des.message import JSON
from des.options import Budget, Options, agree, changed, stated
from des.v1 import contact_pb2, enrichment_pb2
from des.wire import TenantResolver, decode_delivery, decode_json, decode_proto, encode_json, split, split_encoded
from des.wire.options import change_in_message, checked, document_of, options_message, stated_in_message
from des.wire.steering import decode_create, decode_update
from tests.wire_samples import ERID, JOHN, KNOWN, body, delivery, message

SAID = {"minimum_confidence": 0.8, "max_age_s": 86_400, "budget": {"credits": 12.5, "money": 3}, "priority": 7}
MEANT = Options(0.8, 86_400.0, Budget(12.5, 3.0), 7)
TENANTS = TenantResolver({}, own_user="des")


def with_options(**over: Any) -> contact_pb2.ContactBatch:
    batch = message(**over)
    batch.options.CopyFrom(options_message(MEANT))
    return batch


def test_options_are_the_same_on_every_door() -> None:
    by_json = decode_json(body(options=SAID), "default", KNOWN)
    assert by_json.options == MEANT
    assert decode_proto(with_options(), "default", KNOWN) == by_json
    assert decode_delivery(delivery(body(options=SAID), JSON), TENANTS, KNOWN) == [by_json]
    assert decode_delivery(delivery(by_json.payload), TENANTS, KNOWN) == [by_json], "as a door passes it on"


def test_options_are_no_content() -> None:
    plain, said = decode_json(body(), "default", KNOWN), decode_json(body(options=SAID), "default", KNOWN)
    assert (plain.batch_id, plain.content_hash, plain.options) == (said.batch_id, said.content_hash, None)


@pytest.mark.parametrize("nothing", [{}, {"budget": {}}])
def test_options_that_say_nothing_are_none(nothing: dict[str, Any]) -> None:
    empty = message()
    empty.options.CopyFrom(contact_pb2.EnrichmentOptions(**nothing))
    assert decode_json(body(options=nothing), "default", KNOWN).options is None
    assert decode_proto(empty, "default", KNOWN).options is None


def test_a_large_batch_is_cut_alike_with_and_without_and_every_part_has_them() -> None:
    contacts = [JOHN] * (limits.CONTACTS_PER_MESSAGE_MAX + 1)
    plain = split(decode_json(body(contacts), "default", KNOWN))
    said = split(decode_json(body(contacts, options=SAID), "default", KNOWN))
    assert [part.first_position for part in said] == [part.first_position for part in plain] == [0, len(contacts) - 1]
    assert [part.options for part in said] == [MEANT, MEANT]
    assert decode_delivery(delivery(said[1].payload, user_id="des"), TENANTS, KNOWN) == [said[1]]


def test_a_batch_that_just_fits_is_not_cut_by_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    contacts = [JOHN] * 200
    plain = encode_json(body(contacts), "default", KNOWN)
    monkeypatch.setattr("des.wire.parts.PART_BYTES_MAX", len(plain.payload))
    assert len(split_encoded(encode_json(body(contacts, options=SAID), "default", KNOWN))) == 1


WRONG: dict[str, dict[str, Any]] = {
    "options.minimum_confidence": {"minimum_confidence": 1.5},
    "options.max_age_s": {"max_age_s": -1},
    "options.budget.credits": {"budget": {"credits": 1e10}},
    "options.budget.money": {"budget": {"money": -0.5}},
    "options.priority": {"priority": 10},
}


@pytest.mark.parametrize("place", WRONG)
def test_a_wrong_number_is_refused_by_name_on_every_door(place: str) -> None:
    options = WRONG[place]
    batch = message()
    batch.options.CopyFrom(contact_pb2.EnrichmentOptions(**options))
    sent = contact_pb2.EnrichmentOptions(**options)
    raw = msgspec.json.encode({"options": options})
    for read in (
        lambda: decode_json(body(options=options), "default", KNOWN),
        lambda: decode_proto(batch, "default", KNOWN),
        lambda: checked(stated_in_message(sent)),
        lambda: decode_create(raw, ERID),
        lambda: decode_update(raw, ERID),
    ):
        with pytest.raises(InvalidInput) as refused:
            read()
        assert refused.value.reason == "INVALID_OPTION"
        assert [one.field for one in refused.value.violations] == [place]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(number: float) -> None:
    batch = message()
    batch.options.budget.credits = number
    with pytest.raises(InvalidInput, match=r"budget\.credits"):
        decode_proto(batch, "default", KNOWN)


@pytest.mark.parametrize(
    ("options", "reason", "place"),
    [
        (None, "WRONG_TYPE", "options"),
        ([], "WRONG_TYPE", "options"),
        ({"urgent": True}, "UNKNOWN_KEY", "options.urgent"),
        ({"budget": 5}, "WRONG_TYPE", "options.budget"),
        ({"budget": {"euros": 5}}, "UNKNOWN_KEY", "options.budget.euros"),
        ({"priority": "high"}, "WRONG_TYPE", "options.priority"),
        ({"priority": None}, "WRONG_TYPE", "options.priority"),
        ({"minimum_confidence": True}, "WRONG_TYPE", "options.minimum_confidence"),
        ({"priority": 2.5}, "INVALID_OPTION", "options.priority"),
    ],
)
def test_a_wrong_form_is_refused_by_name(options: Any, reason: str, place: str) -> None:
    for read in (
        lambda: decode_json(body(options=options), "default", KNOWN),
        lambda: decode_create(msgspec.json.encode({"options": options}), ERID),
    ):
        with pytest.raises(InvalidInput) as refused:
            read()
        assert (refused.value.reason, refused.value.violations[0].field) == (reason, place)


def test_a_key_that_stands_twice_is_refused() -> None:
    twice = b'"options":{"priority":1,"priority":2},'
    with pytest.raises(InvalidInput) as refused:
        decode_json(body().replace(b"{", b"{" + twice, 1), "default", KNOWN)
    assert refused.value.violations[0].field == "options.priority"


def test_an_update_sets_takes_away_and_leaves() -> None:
    change, resume = decode_update(b'{"options":{"budget":{"credits":20,"money":null},"priority":null}}', ERID)
    assert (change, resume) == ({"budget.credits": 20, "budget.money": None, "priority": None}, False)
    assert changed(MEANT, change) == Options(0.8, 86_400.0, Budget(20.0, None), None)
    assert changed(MEANT, decode_update(b'{"options":{"budget":null}}', ERID)[0]).budget is None
    assert changed(MEANT, decode_update(b'{"options":{}}', ERID)[0]) == MEANT
    assert decode_update(b'{"resume":true}', ERID) == ({}, True)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"options":{"budget":"none"}}', b'{"budget":{}}', b"{", b'{"options":1}', b'{"resume":1}']
)
def test_a_wrong_update_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode_update(raw, ERID)


def test_a_mask_takes_away_what_the_message_does_not_set() -> None:
    request = enrichment_pb2.UpdateEnrichmentRequest(erid=ERID)
    request.options.budget.credits = 20
    assert change_in_message(request.options, []) == {"budget.credits": 20}
    assert change_in_message(request.options, ["budget"]) == {"budget.credits": 20, "budget.money": None}
    for mask in (["priority"], ["budget", "colour"]):
        with pytest.raises(InvalidInput):
            change_in_message(request.options, mask)


def test_options_are_read_back_from_both_forms() -> None:
    assert checked(stated_in_message(options_message(MEANT))) == MEANT
    assert decode_create(msgspec.json.encode({"options": document_of(MEANT)}), ERID) == MEANT
    assert msgspec.json.decode(msgspec.json.encode(MEANT), type=Options) == MEANT


def test_to_say_less_is_no_contradiction_and_to_say_more_is_one() -> None:
    assert agree(Options(priority=7), MEANT)
    assert not agree(MEANT, Options(priority=7))
    assert not agree(Options(priority=6), MEANT)
    assert stated(Options()) == {}
