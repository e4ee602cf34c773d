"""Nothing is lost and nothing counts twice: one batch by every door, a large one, and how an enrichment ends."""

import asyncio
import json
import queue
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import grpc
import pytest
from google.protobuf import json_format

from des.testing.loop_thread import loop_thread
from des.v1 import contact_pb2, enrichment_pb2, enrichment_pb2_grpc
from tests.acceptance.bad_batches import JOHN, document
from tests.acceptance.command import Running
from tests.acceptance.outsiders import (
    ANSWER_S,
    JSON,
    PROTOBUF,
    Message,
    counts,
    curl,
    post,
    publish_and_wait,
    push_contacts,
    rows,
    wait_until_done,
)

CONTACTS = 30_000
PAGE = 1_000


class Events:
    """What was announced of one ERID, in the order in which it came."""

    def __init__(self, erid: str) -> None:
        self._erid = erid
        self._queue: queue.Queue[dict[str, Any]] = queue.Queue()
        self.seen: list[dict[str, Any]] = []

    def put(self, event: dict[str, Any]) -> None:
        """Take one of any ERID."""
        if event["ce-subject"] == self._erid:
            self._queue.put(event)

    def until(self, type_: str) -> dict[str, Any]:
        """Return the first event of a type, waiting for it."""
        while True:
            self.seen.append(self._queue.get(timeout=ANSWER_S))
            if self.seen[-1]["ce-type"] == type_:
                return self.seen[-1]

    def of(self, type_: str) -> list[dict[str, Any]]:
        """Return the events of a type seen so far."""
        return [event for event in self.seen if event["ce-type"] == type_]


@contextmanager
def events_of(amqp: str, erid: str) -> Iterator[Events]:
    """Listen as any consumer would, on a queue of its own."""
    events, listening, done = Events(erid), threading.Event(), asyncio.Event()
    with loop_thread("events") as loop:
        listener = asyncio.run_coroutine_threadsafe(_listen(amqp, events, listening, done), loop)
        try:
            assert listening.wait(ANSWER_S)
            yield events
        finally:
            loop.call_soon_threadsafe(done.set)
            listener.result(ANSWER_S)


async def _listen(amqp: str, events: Events, listening: threading.Event, done: asyncio.Event) -> None:
    async with await aio_pika.connect(amqp) as connection:
        channel = await connection.channel()
        queue_ = await channel.declare_queue(exclusive=True)
        await queue_.bind("des.events", "des.#")

        async def received(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            events.put({**message.headers, "data": json.loads(message.body)})

        await queue_.consume(received, no_ack=True)
        listening.set()
        await done.wait()


def the_object(stack: Running, erid: str, query: str = "") -> dict[str, Any]:
    answer = curl(f"{stack.ready['http']}/v1/enrichments/{erid}{query}")
    assert answer.status == 200
    return dict(answer.document)


def test_one_batch_by_every_door_is_one_batch(stack: Running) -> None:
    erid = str(uuid4())
    as_json = json.dumps(document(erid=erid, contact_list=[JOHN, JOHN | {"first_name": "Jane"}])).encode()
    as_protobuf = _protobuf_of(as_json)
    accepted = post(stack.ready["http"], as_json)
    assert (accepted.status, accepted.document["contacts"]) == (202, 2)
    first = wait_until_done(stack.ready["grpc"], erid, 2)
    for _ in range(2):
        assert push_contacts(stack.ready["grpc"], [as_protobuf]).accepted == 1
        assert post(stack.ready["http"], as_json).document["batch_id"] == accepted.document["batch_id"]
        publish_and_wait(
            stack.ready["amqp"],
            stack.ready["grpc"],
            [Message(as_protobuf, PROTOBUF), Message(as_json, JSON), Message(as_json, ""), Message(as_protobuf, "")],
        )
    assert counts(stack.ready["database"], erid) == (1, 2)
    (row,) = rows(stack.ready["database"], "select batch_id from batch where erid = $1", UUID(erid))
    assert str(row["batch_id"]) == accepted.document["batch_id"]
    after = the_object(stack, erid)
    progress = after["progress"]
    assert (progress["batches"], progress["contacts"], progress["contacts_done"]) == (1, 2, 2)
    assert after["revision"] == 1 >= first.revision
    assert progress["fields"]["found"] == 2
    assert not rows(stack.ready["database"], "select 1 from quarantine where erid = $1", erid)


def _protobuf_of(as_json: bytes) -> bytes:
    return json_format.Parse(as_json, contact_pb2.ContactBatch()).SerializeToString()


def _domain_with_a_pattern(database: str) -> str:
    """A domain whose addresses are proposed from its pattern, so that the rehearsal vendor's rate is not waited for."""
    (row,) = rows(database, "select domain from directory_pattern order by people desc, domain limit 1")
    return str(row["domain"])


def _letters(number: int) -> str:
    """A family name of its own for every number."""
    return "Doe" + "".join(chr(ord("a") + int(digit)) for digit in str(number))


@pytest.fixture(scope="module")
def large(stack: Running) -> tuple[str, list[dict[str, Any]]]:
    """The ERID of a batch of CONTACTS by HTTP, done, and everything that was announced of it, up to its settlement."""
    erid = str(uuid4())
    domain = _domain_with_a_pattern(stack.ready["database"])
    people = [
        {"first_name": "Jane", "last_name": _letters(n), "company_domain": domain, "external_id": str(n)}
        for n in range(CONTACTS)
    ]
    with events_of(stack.ready["amqp"], erid) as events:
        answer = post(stack.ready["http"], json.dumps(document(erid=erid, contact_list=people)).encode())
        assert (answer.status, answer.document["contacts"]) == (202, CONTACTS)
        events.until("des.batch.finished")
        while events.until("des.enrichment.settled")["data"]["progress"]["contacts_done"] < CONTACTS:
            pass
    return erid, events.seen


def test_a_large_batch_comes_in_parts_and_is_one_batch_with_one_event(
    stack: Running, large: tuple[str, list[dict[str, Any]]]
) -> None:
    erid, seen = large
    parts = rows(stack.ready["database"], "select part, contacts from batch where erid = $1 order by 1", UUID(erid))
    assert [row["part"] for row in parts] == [0, 1, 2]
    assert sum(row["contacts"] for row in parts) == CONTACTS
    progress = the_object(stack, erid, "?page_size=1")["progress"]
    assert (progress["batches"], progress["batches_done"]) == (1, 1)
    assert progress["contacts"] == progress["contacts_done"] == CONTACTS
    finished = [event for event in seen if event["ce-type"] == "des.batch.finished"]
    assert len({event["ce-id"] for event in finished}) == 1
    assert finished[0]["data"]["contacts"] == CONTACTS


def test_pages_ndjson_and_grpc_agree_and_give_each_contact_once(
    stack: Running, large: tuple[str, list[dict[str, Any]]]
) -> None:
    erid, _ = large
    paged: list[dict[str, Any]] = []
    token = ""
    while True:
        page = the_object(stack, erid, f"?page_size={PAGE}&page_token={token}")
        paged += page["contact_list"]
        token = page["next_page_token"]
        if not token:
            break
    assert [contact["external_id"] for contact in paged] == [str(n) for n in range(CONTACTS)]
    assert [contact["position"] for contact in paged] == list(range(CONTACTS))

    url = f"{stack.ready['http']}/v1/enrichments/{erid}/results?format=ndjson"
    with urllib.request.urlopen(url, timeout=ANSWER_S) as answer:
        assert [json.loads(line) for line in answer] == paged

    with grpc.insecure_channel(stack.ready["grpc"]) as channel:
        stub = enrichment_pb2_grpc.EnrichmentServiceStub(channel)
        groups = stub.StreamResults(enrichment_pb2.StreamResultsRequest(erid=erid), timeout=ANSWER_S)
        streamed = [contact for group in groups for contact in group.contacts]
    assert [_essence(contact) for contact in streamed] == [
        (
            contact["batch_id"],
            contact["position"],
            contact["last_name"],
            contact["enriched"]["professional_email"]["state"],
        )
        for contact in paged
    ]


def _essence(contact: enrichment_pb2.EnrichedContact) -> tuple[str, int, str, str]:
    state = enrichment_pb2.FieldState.Name(contact.enriched["professional_email"].state)
    return contact.batch_id, contact.position, contact.contact.last_name, state.removeprefix("FIELD_STATE_").lower()


def test_sealed_and_settled_is_completed_and_announced_once(stack: Running) -> None:
    erid = str(uuid4())
    with events_of(stack.ready["amqp"], erid) as events:
        post(stack.ready["http"], json.dumps(document(erid=erid)).encode())
        settled = events.until("des.enrichment.settled")
        assert the_object(stack, erid)["state"] == "settled"
        for _ in range(2):
            sealed = curl(f"{stack.ready['http']}/v1/enrichments/{erid}:seal", "--request", "POST")
            assert (sealed.status, sealed.document["state"], sealed.document["sealed"]) == (200, "completed", True)
        completed = events.until("des.enrichment.completed")
        publish_and_wait(stack.ready["amqp"], stack.ready["grpc"], [])
    assert completed["data"]["progress"] == settled["data"]["progress"]
    assert completed["data"]["progress"]["contacts_done"] == 1
    assert len(events.of("des.batch.finished")) == 1
    assert len(events.of("des.enrichment.completed")) == 1


def test_a_cancelled_enrichment_keeps_what_was_found_and_takes_no_more(stack: Running) -> None:
    erid = str(uuid4())
    post(stack.ready["http"], json.dumps(document(erid=erid)).encode())
    wait_until_done(stack.ready["grpc"], erid, 1)
    cancelled = curl(f"{stack.ready['http']}/v1/enrichments/{erid}:cancel", "--request", "POST")
    assert (cancelled.status, cancelled.document["state"]) == (200, "cancelled")
    later = json.dumps(document(erid=erid, contact_list=[JOHN | {"first_name": "Jane"}])).encode()
    publish_and_wait(stack.ready["amqp"], stack.ready["grpc"], [Message(later, JSON)])
    found = the_object(stack, erid)
    assert (found["state"], found["progress"]["contacts"]) == ("cancelled", 1)
    assert found["contact_list"][0]["enriched"]["professional_email"]["state"] == "found"
    (held,) = rows(stack.ready["database"], "select reason from quarantine where erid = $1", erid)
    assert held["reason"] == "ENRICHMENT_SEALED"
