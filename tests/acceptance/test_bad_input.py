"""Bad input on every door: the same reason for the same fault, its neighbours unharmed, and the service lives on."""

import gzip
import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import grpc
import msgspec
import pytest
from aiormq.exceptions import ChannelPreconditionFailed
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from des.limits import GRPC_MESSAGE_BYTES_MAX, HTTP_BODY_BYTES_MAX, MIB
from des.surface import SURFACES
from des.v1 import contact_pb2, ingest_pb2
from tests.acceptance.bad_batches import AS_JSON, AS_PROTOBUF, FIELDS, JOHN, document, good
from tests.acceptance.command import Running
from tests.acceptance.outsiders import (
    JSON,
    PROTOBUF,
    Answer,
    Message,
    counts,
    curl,
    post,
    publish,
    publish_and_wait,
    push_contacts,
    rows,
    stream_contacts,
    wait_until_done,
    wrapped,
)

BATCH_TYPE, SET_TYPE = "des.v1.ContactBatch", "des.v1.ContactBatchSet"
IN_A_SET = {name: fault for name, fault in AS_PROTOBUF.items() if fault[0]}
"""An empty entry of a set is an empty batch, not an empty message."""
SCRIPTS = ("Łukasz", "Иван", "李小龍", "محمد", "नरेन्द्र", "ก้อง", "Jos\u0065\u0301", "O'Brien-Müller", "👩‍🚀", "x" * 1_000)


def is_accepted(answer: Answer) -> bool:
    return answer.status == 202


# ---- doors that answer -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AS_PROTOBUF)
def test_a_client_stream_names_the_reason_and_takes_the_neighbours(stack: Running, name: str) -> None:
    body, reason = AS_PROTOBUF[name]
    neighbours = [good().SerializeToString() for _ in range(2)]
    summary = push_contacts(stack.ready["grpc"], [neighbours[0], body, neighbours[1]])
    assert (summary.accepted, summary.contacts) == (2, 2)
    (rejected,) = summary.rejected
    assert (rejected.index, rejected.reason) == (1, reason)
    assert rejected.message


@pytest.mark.parametrize("name", AS_PROTOBUF)
def test_a_stream_of_acknowledgements_names_the_reason(stack: Running, name: str) -> None:
    body, reason = AS_PROTOBUF[name]
    refused, taken = stream_contacts(stack.ready["grpc"], [body, good().SerializeToString()])
    assert (refused.status, refused.rejected.reason) == (ingest_pb2.BATCH_STATUS_REJECTED, reason)
    assert (taken.status, taken.index) == (ingest_pb2.BATCH_STATUS_ACCEPTED, 1)


@pytest.mark.parametrize("name", AS_JSON)
def test_http_answers_with_a_problem_that_names_the_reason(stack: Running, name: str) -> None:
    body, reason = AS_JSON[name]
    answer = post(stack.ready["http"], body)
    assert answer.content_type == "application/problem+json"
    problem = answer.document
    assert problem["reason"] == reason, problem
    assert answer.status == problem["status"] == (SURFACES[reason].http_status if reason in SURFACES else 422)
    assert problem["type"] == f"urn:des:error:{reason.lower().replace('_', '-')}"
    assert problem["detail"]
    assert "retryable" not in problem


def test_the_wrong_places_are_the_same_by_grpc_and_http(stack: Running) -> None:
    contacts = [JOHN, {"last_name": "Do\0e"}, {"company_name": "sayprimer.com"}, JOHN | {"country": "Germany"}]
    (rejected,) = push_contacts(stack.ready["grpc"], [good("no-uuid", contacts).SerializeToString()]).rejected
    problem = post(stack.ready["http"], json.dumps(document(erid="no-uuid", contact_list=contacts)).encode()).document
    by_http = [(place["field"], place["description"]) for place in problem["violations"]]
    assert by_http == [(place.field, place.description) for place in rejected.violations]
    assert [field for field, _ in by_http] == [
        "erid",
        "contact_list[1].last_name",
        "contact_list[2]",
        "contact_list[3].country",
    ]
    assert (problem["detail"], problem["erid"]) == (rejected.message, rejected.erid)


def test_http_refuses_what_it_cannot_read_or_hold(stack: Running) -> None:
    http = stack.ready["http"]
    body = json.dumps(document()).encode()
    for content_type in ("text/csv", "application/x-protobuf", "application/json; charset=utf-16", "nonsense"):
        answer = post(http, body, content_type)
        assert (answer.status, answer.document["reason"]) == (415, "UNKNOWN_CONTENT_TYPE")
    header = "Content-Type: application/json"
    packed = curl(f"{http}/v1/enrichments", "--header", header, "--header", "Content-Encoding: compress", body=body)
    assert (packed.status, packed.document["reason"]) == (415, "UNKNOWN_CONTENT_ENCODING")
    gzip = curl(f"{http}/v1/enrichments", "--header", header, "--header", "Content-Encoding: gzip", body=body)
    assert (gzip.status, gzip.document["reason"]) == (400, "MALFORMED_ENCODING")
    large = post(http, b" " * (HTTP_BODY_BYTES_MAX + 1))
    assert (large.status, large.document["reason"]) == (413, "TOO_LARGE")


def test_a_grpc_message_beyond_its_bound_is_refused_by_grpc_itself(stack: Running) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        push_contacts(stack.ready["grpc"], [bytes(GRPC_MESSAGE_BYTES_MAX + 1)])
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert rpc_status.from_call(refused.value) is None  # no RetryInfo: sending it again is of no use


# ---- RabbitMQ, where the answer is a row of quarantine -----------------------------------------------------


class Dealt(msgspec.Struct, frozen=True):
    """What stands in quarantine by what was sent, and the ERIDs of the good neighbours in the sets."""

    held: Mapping[bytes, Mapping[str, Any]]
    neighbours: Mapping[str, tuple[str, str]]


@pytest.fixture(scope="module")
def dealt(stack: Running) -> Dealt:
    """Everything published at once: every fault as JSON, as protobuf, and in a set between two good batches."""
    neighbours = {name: (str(uuid4()), str(uuid4())) for name in IN_A_SET}
    messages = [Message(body, JSON) for body, _ in AS_JSON.values()]
    messages += [Message(body, PROTOBUF) for body, _ in AS_PROTOBUF.values()]
    for name, (body, _) in IN_A_SET.items():
        first, last = (good(erid).SerializeToString() for erid in neighbours[name])
        # A set holds its batches as field 2, as a request does its batch as field 1.
        entries = [_entry(each) for each in (first, _in_a_set(body), last)]
        messages.append(Message(b"".join(entries), PROTOBUF, SET_TYPE))
    publish_and_wait(stack.ready["amqp"], stack.ready["grpc"], messages)
    found = rows(stack.ready["database"], "select * from quarantine")
    return Dealt({bytes(row["payload"]): row for row in found}, neighbours)


def _in_a_set(body: bytes) -> bytes:
    """The same fault in other bytes, so that it is told from the one that was published alone."""
    return body + b"\x7a\x01\x00" if _parses(body) else body + b"\xff"


def _parses(body: bytes) -> bool:
    try:
        contact_pb2.ContactBatch.FromString(body)
    except DecodeError:
        return False
    return True


def _entry(batch: bytes) -> bytes:
    return b"\x12" + wrapped(batch)[1:]


@pytest.mark.parametrize("name", AS_JSON)
def test_json_from_the_broker_is_quarantined_with_the_reason(dealt: Dealt, name: str) -> None:
    body, reason = AS_JSON[name]
    row = dealt.held[body]
    assert (row["reason"], row["stage"], row["state"]) == (reason, "accept", "held")
    assert row["content_type"] == (JSON if body else row["content_type"])


@pytest.mark.parametrize("name", AS_PROTOBUF)
def test_protobuf_from_the_broker_is_quarantined_with_the_reason(dealt: Dealt, name: str) -> None:
    body, reason = AS_PROTOBUF[name]
    assert (dealt.held[body]["reason"], dealt.held[body]["state"]) == (reason, "held")


@pytest.mark.parametrize("name", IN_A_SET)
def test_a_poisoned_batch_of_a_set_leaves_its_neighbours_alone(stack: Running, dealt: Dealt, name: str) -> None:
    body, reason = IN_A_SET[name]
    row = dealt.held[_in_a_set(body)]
    assert (row["reason"], row["message_type"], row["content_type"]) == (reason, BATCH_TYPE, PROTOBUF)
    for erid in dealt.neighbours[name]:
        assert wait_until_done(stack.ready["grpc"], erid, 1).progress.contacts == 1


def test_what_the_broker_brings_in_no_known_form_is_quarantined(stack: Running) -> None:
    sent = {
        "UNKNOWN_CONTENT_TYPE": Message(json.dumps(document()).encode(), "text/csv"),
        "UNKNOWN_CONTENT_ENCODING": Message(gzip.compress(b"{}"), JSON, content_encoding="gzip"),
        "UNKNOWN_MESSAGE_TYPE": Message(json.dumps(document()).encode(), JSON, SET_TYPE),
        "EMPTY_BATCH": Message(contact_pb2.ContactBatchSet(tenant="default").SerializeToString(), PROTOBUF, SET_TYPE),
    }
    publish_and_wait(stack.ready["amqp"], stack.ready["grpc"], list(sent.values()))
    query = "select reason, octet_length(payload) as bytes from quarantine where payload = any($1::bytea[])"
    bodies = [message.body for message in sent.values()]
    found = {row["reason"]: row["bytes"] for row in rows(stack.ready["database"], query, bodies)}
    assert found == {reason: len(message.body) for reason, message in sent.items()}


def test_a_message_that_is_too_large_is_refused_by_the_broker_or_quarantined(stack: Running) -> None:
    too_large = Message(b" " * (HTTP_BODY_BYTES_MAX + MIB), JSON)
    try:
        publish_and_wait(stack.ready["amqp"], stack.ready["grpc"], [too_large])
    except ChannelPreconditionFailed:  # RabbitMQ 4 takes 16 MiB, 3.10 takes 128 MiB
        return
    (large,) = rows(
        stack.ready["database"], "select octet_length(payload) as b from quarantine where reason = 'TOO_LARGE'"
    )
    assert large["b"] == HTTP_BODY_BYTES_MAX + MIB


# ---- what only the database can know -----------------------------------------------------------------------


def _send(stack: Running, door: str, batch: contact_pb2.ContactBatch) -> None:
    """Push a batch that is well formed; every door takes it."""
    as_json = document(
        erid=batch.erid,
        batch_id=batch.batch_id,
        contact_list=[{"first_name": one.first_name, "last_name": one.last_name} for one in batch.contact_list],
    )
    match door:
        case "grpc":
            assert push_contacts(stack.ready["grpc"], [batch.SerializeToString()]).accepted == 1
        case "stream":
            (answer,) = stream_contacts(stack.ready["grpc"], [batch.SerializeToString()])
            assert answer.status == ingest_pb2.BATCH_STATUS_ACCEPTED
        case "http":
            assert is_accepted(post(stack.ready["http"], json.dumps(as_json).encode()))
        case "amqp protobuf":
            publish(stack.ready["amqp"], [Message(batch.SerializeToString(), PROTOBUF)])
        case _:
            publish(stack.ready["amqp"], [Message(json.dumps(as_json).encode(), JSON)])


DOORS = ("grpc", "stream", "http", "amqp protobuf", "amqp json")


def _held(stack: Running, erid: str) -> list[dict[str, Any]]:
    return rows(stack.ready["database"], "select * from quarantine where erid = $1", erid)


@pytest.mark.parametrize("door", DOORS)
def test_a_batch_id_that_comes_again_with_other_content_is_held_and_the_first_stands(stack: Running, door: str) -> None:
    erid, batch_id = str(uuid4()), str(uuid4())
    first, other = (good(erid, [{"first_name": name, "last_name": "Doe"}]) for name in ("Jane", "Joan"))
    first.batch_id = other.batch_id = batch_id
    _send(stack, door, first)
    wait_until_done(stack.ready["grpc"], erid, 1)
    _send(stack, door, other)
    publish_and_wait(stack.ready["amqp"], stack.ready["grpc"], [])
    (row,) = _held(stack, erid)
    assert (row["reason"], row["batch_id"]) == ("BATCH_CONFLICT", batch_id)
    assert counts(stack.ready["database"], erid) == (1, 1)
    answer = curl(f"{stack.ready['http']}/v1/enrichments/{erid}").document
    assert [contact["first_name"] for contact in answer["contact_list"]] == ["Jane"]


def test_a_conflict_within_one_stream_is_told_at_once_under_the_same_name(stack: Running) -> None:
    first, other = (good(str(uuid4()), [{"first_name": name}]) for name in ("Jane", "Joan"))
    first.batch_id = other.batch_id = str(uuid4())
    other.erid = first.erid
    summary = push_contacts(stack.ready["grpc"], [first.SerializeToString(), other.SerializeToString()])
    assert summary.accepted == 1
    assert [(one.index, one.reason) for one in summary.rejected] == [(1, "BATCH_CONFLICT")]


@pytest.mark.parametrize("door", DOORS)
def test_a_batch_for_a_sealed_enrichment_is_held(stack: Running, door: str) -> None:
    erid = str(uuid4())
    _send(stack, door, good(erid, [{"first_name": "Jane", "last_name": "Doe"}]))
    wait_until_done(stack.ready["grpc"], erid, 1)
    assert curl(f"{stack.ready['http']}/v1/enrichments/{erid}:seal", "--request", "POST").document["sealed"] is True
    _send(stack, door, good(erid, [{"first_name": "Joan", "last_name": "Doe"}]))
    publish_and_wait(stack.ready["amqp"], stack.ready["grpc"], [])
    (row,) = _held(stack, erid)
    assert row["reason"] == "ENRICHMENT_SEALED"
    assert counts(stack.ready["database"], erid) == (1, 1)


# ---- what is not bad, and what is left after all of it -----------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
def test_names_of_every_script_are_taken_and_come_back_as_they_were(stack: Running, door: str) -> None:
    erid = str(uuid4())
    _send(stack, door, good(erid, [{"first_name": name, "last_name": "Doe"} for name in SCRIPTS]))
    wait_until_done(stack.ready["grpc"], erid, len(SCRIPTS))
    answer = curl(f"{stack.ready['http']}/v1/enrichments/{erid}").document
    assert tuple(contact["first_name"] for contact in answer["contact_list"]) == SCRIPTS


def test_protobuf_fields_from_a_newer_client_are_passed_over(stack: Running) -> None:
    newer = good().SerializeToString() + b"\x9a\x06\x05later"
    assert push_contacts(stack.ready["grpc"], [newer]).accepted == 1


def test_after_all_of_it_the_service_is_ready_and_enriches(stack: Running, dealt: Dealt) -> None:
    assert dealt.held
    assert curl(f"{stack.ready['http']}/readyz").document["ready"] is True
    erid = str(uuid4())
    assert is_accepted(post(stack.ready["http"], json.dumps(document(erid=erid)).encode()))
    wait_until_done(stack.ready["grpc"], erid, 1)
    answer = curl(f"{stack.ready['http']}/v1/enrichments/{erid}").document
    assert answer["contact_list"][0]["enriched"][FIELDS[0]]["value"] == "john.doe@sayprimer.com"
    assert stack.process.poll() is None
