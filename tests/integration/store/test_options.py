"""Options of an ERID on a real Postgres: who has some first sets them, Update changes them, the cap is the ledger's."""

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from des.contact import ContactBatch
from des.errors import InvalidInput, NotFound
from des.options import Budget, Options, OptionsInForce
from des.store.contract import Acceptance
from des.store.postgres import Database
from des.store.serving import EnrichmentStore
from des.store.work import PostgresWorkStore
from des.wire import decode_contacts, decode_json

FIELDS = frozenset({"email"})
CAPPED = {"budget": {"credits": 10}, "priority": 7}
CAPPED_OPTIONS = Options(budget=Budget(10.0), priority=7)


def batch(erid: UUID, name: str, **options: Any) -> ContactBatch:
    said = {"options": options} if options else {}
    body = {"erid": str(erid), "contact_list": [{"full_name": name}], "fields_to_be_enriched": ["email"], **said}
    return decode_json(msgspec.json.encode(body), "default", FIELDS)


async def accept(database: Database, *batches: ContactBatch) -> Acceptance:
    return await PostgresWorkStore(database, uuid4()).accept(batches, [], range(64))


async def options(database: Database, erid: UUID) -> Options:
    return (await serving(database).enrichment("default", erid)).options


async def cap(database: Database, erid: UUID) -> Any:
    async with database.connection() as connection:
        return await connection.fetchval("select cap from budget where scope = 'erid' and name = $1", str(erid))


def serving(database: Database) -> EnrichmentStore:
    return EnrichmentStore(database, decode_contacts)


async def test_the_first_batch_with_options_sets_them_and_every_later_one_hears_of_them(database: Database) -> None:
    erid = uuid4()
    plain = await accept(database, batch(erid, "ann"))
    said = await accept(database, batch(erid, "bob", **CAPPED))
    later = await accept(database, batch(erid, "carl"))
    assert [one.options for acceptance in (plain, said, later) for one in acceptance.new] == [
        OptionsInForce(),
        OptionsInForce(CAPPED_OPTIONS, 1),
        OptionsInForce(CAPPED_OPTIONS, 1),
    ]
    assert await options(database, erid) == CAPPED_OPTIONS
    assert await cap(database, erid) == 10_000_000


async def test_another_batch_with_other_options_is_quarantined_by_name(database: Database) -> None:
    erid = uuid4()
    acceptance = await accept(
        database, batch(erid, "ann", **CAPPED), batch(erid, "bob", priority=7), batch(erid, "eve", priority=1)
    )
    assert [one.batch.contacts[0].full_name for one in acceptance.new] == ["ann", "bob"]
    assert acceptance.quarantined == {"CONFLICTING_OPTIONS": 1}
    assert await options(database, erid) == CAPPED_OPTIONS


async def test_a_resend_is_a_duplicate_whatever_options_it_has(database: Database) -> None:
    erid = uuid4()
    await accept(database, batch(erid, "ann"))
    acceptance = await accept(database, batch(erid, "ann", **CAPPED))
    assert (acceptance.duplicates, len(acceptance.new), dict(acceptance.quarantined)) == (1, 0, {})
    assert await options(database, erid) == Options(), "a duplicate changes nothing"


async def test_after_an_update_batches_may_repeat_what_was_given_first_or_what_is_in_force(database: Database) -> None:
    erid = uuid4()
    await accept(database, batch(erid, "ann", **CAPPED))
    enrichment, resumed = await serving(database).update("default", erid, {"budget.credits": 20.0})
    assert (enrichment.options, resumed) == (Options(budget=Budget(20.0), priority=7), 0)
    assert await cap(database, erid) == 20_000_000
    acceptance = await accept(
        database,
        batch(erid, "bob", **CAPPED),
        batch(erid, "carl", budget={"credits": 20}),
        batch(erid, "eve", budget={"credits": 15}),
    )
    assert [one.options for one in acceptance.new] == [OptionsInForce(enrichment.options, 2)] * 2
    assert acceptance.quarantined == {"CONFLICTING_OPTIONS": 1}


async def test_create_sets_options_once(database: Database) -> None:
    erid, store = uuid4(), serving(database)
    for _ in range(2):
        created = await store.create("default", erid, CAPPED_OPTIONS)
        assert created.options == CAPPED_OPTIONS
    assert (await store.create("default", erid)).options == CAPPED_OPTIONS
    with pytest.raises(InvalidInput) as refused:
        await store.create("default", erid, Options(priority=1))
    assert (refused.value.reason, refused.value.erid) == ("CONFLICTING_OPTIONS", str(erid))


async def test_update_needs_an_enrichment_that_is_not_cancelled(database: Database) -> None:
    erid, store = uuid4(), serving(database)
    with pytest.raises(NotFound):
        await store.update("default", erid, {"priority": 1.0})
    await store.create("default", erid)
    await store.cancel("default", erid)
    with pytest.raises(InvalidInput) as refused:
        await store.update("default", erid, {"priority": 1.0})
    assert refused.value.reason == "ENRICHMENT_CANCELLED"


async def test_a_worker_that_looks_for_work_finds_the_options(database: Database) -> None:
    erid = uuid4()
    acceptance = await accept(database, batch(erid, "ann", **CAPPED))
    await serving(database).update("default", erid, {"priority": None})
    store = PostgresWorkStore(database, uuid4())
    (found,) = await store.outstanding([acceptance.new[0].partition], None, 10)
    assert found.options == OptionsInForce(Options(budget=Budget(10.0)), 2)
