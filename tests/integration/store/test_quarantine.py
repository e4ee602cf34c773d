"""Quarantine on a real database: the same thing once, whatever text it quotes, and what operators do with it."""

import pytest

from des.broker.consumer import AmqpConsumer
from des.broker.publisher import AmqpPublisher
from des.errors import BrokerUnavailable, InvalidInput, NotFound
from des.ingest.quarantine import retry
from des.message import BATCH_SET_TYPE, JSON, PROTOBUF
from des.store import quarantine
from des.store.contract import Refused
from des.store.postgres import Database
from des.store.quarantine import Quarantine

FIELDS = frozenset({"email"})
BATCH = b'{"erid": "3c3f4b80-f728-4d7c-8567-1bc01df5f0a1", "contact_list": [{"first_name": "A"}],'
BATCH += b' "fields_to_be_enriched": ["email"]}'


def refused(
    payload: bytes = b"x", *, tenant: str = "default", reason: str = "MALFORMED_PROTOBUF", stage: str = "accept"
) -> Refused:
    return Refused(tenant, "erid-1", "", stage, reason, "why", "[]", JSON, "", payload)


async def add(database: Database, *rows: Refused) -> None:
    async with database.transaction() as connection:
        await quarantine.add(connection, rows)


async def test_the_same_refusal_is_one_row_however_often_it_comes(database: Database) -> None:
    held = Quarantine(database)
    await add(database, refused(b"a"), refused(b"b"), refused(b"a"))
    await add(database, refused(b"a"), refused(b"a", tenant="acme"), refused(b"a", reason="TOO_LARGE"))
    rows = await held.page()
    assert sorted((row.tenant, row.reason, row.seen, row.payload_bytes) for row in rows) == [
        ("acme", "MALFORMED_PROTOBUF", 1, 1),
        ("default", "MALFORMED_PROTOBUF", 1, 1),
        ("default", "MALFORMED_PROTOBUF", 3, 1),
        ("default", "TOO_LARGE", 1, 1),
    ]
    assert {row.state for row in rows} == {"held"}


async def test_texts_that_postgres_does_not_take_are_kept_readable(database: Database) -> None:
    nasty = "a\0b\ud800"
    row = Refused(nasty, nasty, nasty, "accept", "R", nasty, '[{"field": "\\u0000"}]', nasty, nasty, b"\0\xff")
    await add(database, row)
    (stored,) = await Quarantine(database).page()
    assert stored.message == "a\N{REPLACEMENT CHARACTER}b?"
    assert (await Quarantine(database).show(stored.id))[1] == b"\0\xff"


async def test_pages_go_on_where_the_last_ended_and_filter(database: Database) -> None:
    held = Quarantine(database)
    await add(database, *(refused(bytes([number])) for number in range(5)), refused(b"z", tenant="acme"))
    first = await held.page(limit=4)
    second = await held.page(limit=4, before=first[-1].id)
    ids = [row.id for row in (*first, *second)]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 6
    assert [row.tenant for row in await held.page(tenant="acme")] == ["acme"]
    assert await held.discard(ids[:2]) == 2
    assert await held.discard(ids[:3]) == 1
    assert len(await held.page(state="discarded")) == 3
    with pytest.raises(NotFound):
        await held.show(10**9)


async def test_a_retry_goes_through_the_front_door_and_comes_back_as_held(database: Database, amqp_url: str) -> None:
    held = Quarantine(database)
    publisher, consumer = AmqpPublisher(amqp_url), AmqpConsumer(amqp_url)
    await publisher.start()
    await consumer.start()
    await add(database, refused(BATCH))
    (row,) = await held.page()
    await retry(held, publisher, row.id, FIELDS)
    (delivery,) = await consumer.take(5)
    assert (delivery.body, delivery.content_type, delivery.type) == (BATCH, JSON, "")
    assert (await held.show(row.id))[0].state == "retried"
    with pytest.raises(NotFound):
        await retry(held, publisher, row.id, FIELDS)
    await add(database, refused(BATCH))  # refused again
    assert [(row.state, row.seen) for row in await held.page()] == [("held", 2)]
    await consumer.stop()
    await publisher.stop()


async def test_a_retry_for_another_tenant_travels_in_a_set_that_names_it(database: Database, amqp_url: str) -> None:
    held = Quarantine(database)
    publisher, consumer = AmqpPublisher(amqp_url), AmqpConsumer(amqp_url)
    await publisher.start()
    await consumer.start()
    await add(database, refused(BATCH, tenant="acme"))
    (row,) = await held.page()
    await retry(held, publisher, row.id, FIELDS)
    (delivery,) = await consumer.take(5)
    assert (delivery.content_type, delivery.type) == (PROTOBUF, BATCH_SET_TYPE)
    assert b"acme" in delivery.body
    await consumer.stop()
    await publisher.stop()


async def test_what_cannot_be_published_or_read_stays_held(database: Database, amqp_url: str) -> None:
    held = Quarantine(database)
    publisher = AmqpPublisher(amqp_url)  # never started
    await add(database, refused(b"x"), refused(b"{", tenant="acme"), refused(b"{}", stage="commit"))
    for row in await held.page():
        with pytest.raises((BrokerUnavailable, InvalidInput)):
            await retry(held, publisher, row.id, FIELDS)
    assert len(await held.page(state="held")) == 3
