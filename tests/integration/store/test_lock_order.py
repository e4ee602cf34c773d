"""Rows are locked in one order by everybody: parts by key, then their objects. Who breaks it is ended by Postgres."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import msgspec
import pytest

from des.contact import ContactBatch, FieldState
from des.store.contract import CommitUnit, ContactRow, partition_of
from des.store.postgres import Connection, Database
from des.store.serving import EnrichmentStore
from des.store.work import PostgresWorkStore
from des.wire import decode_contacts, decode_json
from tests.integration.store.waiting import waits

ERID = UUID(int=7)
OWNER = uuid4()
LOCK_PART = "select from batch where batch_id = $1 and part = $2 for no key update"


@pytest.fixture
async def other(database: Database) -> AsyncIterator[Connection]:
    """A transaction of somebody else, ended with the test."""
    async with database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()


@pytest.fixture
async def store(database: Database) -> PostgresWorkStore:
    """Of a worker that holds all partitions."""
    async with database.connection() as connection:
        await connection.execute("update lease set owner = $1, epoch = 1", OWNER)
    return PostgresWorkStore(database, OWNER)


def batch(name: str) -> ContactBatch:
    body = {"erid": str(ERID), "contact_list": [{"full_name": name}], "fields_to_be_enriched": ["email"]}
    return decode_json(msgspec.json.encode(body), "default", frozenset({"email"}))


def unit(
    one: ContactBatch, seq: int, state: FieldState, *, resumed: bool = False, options_revision: int = 0
) -> CommitUnit:
    fields = msgspec.json.encode({"email": {"state": state.value}}).decode()
    row = ContactRow(one.batch_id, one.part, one.first_position, "{}", fields, (state,), -seq if resumed else seq)
    partition = partition_of("default", ERID)
    return CommitUnit("default", ERID, partition, 1, [row], resumed=resumed, options_revision=options_revision)


async def test_a_commit_that_waits_for_a_part_holds_none_behind_it(
    database: Database, store: PostgresWorkStore, other: Connection
) -> None:
    first, second = sorted([batch("ann"), batch("bob")], key=lambda one: one.batch_id)
    seqs = [one.seq for one in (await store.accept([first, second], [], range(64))).new]
    await store.commit([unit(second, seqs[1], FieldState.OVER_BUDGET)])
    assert (await EnrichmentStore(database, decode_contacts).update("default", ERID, {}, resume=True))[1] == 1
    await other.execute(LOCK_PART, first.batch_id, 0)
    again, new = unit(second, seqs[1], FieldState.FOUND, resumed=True), unit(first, seqs[0], FieldState.FOUND)
    commit = asyncio.create_task(store.commit([again, new]))
    await waits(other)
    await other.execute(f"{LOCK_PART} nowait", second.batch_id, 0)
    await other.execute("commit")
    await commit
    assert await other.fetchval("select contacts_done from enrichment") == 2


async def test_a_commit_that_resumes_other_parts_holds_them_before_the_object(
    database: Database, store: PostgresWorkStore, other: Connection
) -> None:
    whole = batch("ann")
    parts = [msgspec.structs.replace(whole, part=part, parts=2, first_position=part) for part in (0, 1)]
    seqs = [one.seq for one in (await store.accept(parts, [], range(64))).new]
    await EnrichmentStore(database, decode_contacts).update("default", ERID, {"budget.credits": 5.0})
    await store.commit([unit(parts[1], seqs[1], FieldState.OVER_BUDGET, options_revision=1)])
    await other.execute(LOCK_PART, whole.batch_id, 1)
    commit = asyncio.create_task(store.commit([unit(parts[0], seqs[0], FieldState.OVER_BUDGET)]))
    await waits(other)
    await other.execute("select from enrichment where erid = $1 for update nowait", ERID)
    await other.execute("commit")
    await commit
    assert await other.fetchval("select sum(reopened)::int from batch") == 2
