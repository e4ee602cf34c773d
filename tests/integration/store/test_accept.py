"""A group written as new batches leaves what one leaves that is told apart batch by batch."""

import random
from typing import Any
from uuid import UUID

import msgspec
import pytest

from des.contact import ContactBatch
from des.errors import NotFound
from des.limits import PARTITIONS
from des.options import Budget, Options
from des.store.accept import NotAllNew, accept, accept_new, may_be_new
from des.store.contract import Acceptance, partition_of
from des.store.postgres import Database
from des.store.serving import EnrichmentStore
from des.store.work import PostgresWorkStore
from des.wire import decode_contacts
from des.wire.document import decode_json

FIELDS = frozenset({"email", "phone"})
PLAIN, CAREFUL = "plain", "careful"
GROUPS = 60


def batch(tenant: str, erid: int, number: int, content: int = 0, options: Options | None = None) -> ContactBatch:
    body = {
        "erid": str(UUID(int=erid + 1)),
        "batch_id": str(UUID(int=number + 1)),
        "contact_list": [{"full_name": f"ann {content}"}] * (1 + number % 3),
        "fields_to_be_enriched": ["email"] if number % 2 else ["phone", "email"],
    }
    return msgspec.structs.replace(decode_json(msgspec.json.encode(body), tenant, FIELDS), options=options)


def group_of(chance: random.Random, newest: int) -> list[tuple[int, int, int, Options | None]]:
    """ERID, number, content and options of some batches: mostly new ones, now and then one that came before."""
    group = []
    for offset in range(chance.randint(1, 6)):
        number = newest + offset if chance.random() < 0.95 else chance.randint(0, newest)
        options = Options(budget=Budget(float(chance.randint(1, 2)))) if chance.random() < 0.05 else None
        group.append((number % 7, number, int(chance.random() < 0.05), options))
    return group


def said(acceptance: Acceptance) -> tuple[Any, ...]:
    """What was answered, but for the tenant and numbers that go on over all tenants."""
    new = [
        (
            one.batch.erid,
            one.batch.batch_id,
            one.options,
            one.cancelled,
            one.partition == partition_of(one.batch.tenant, one.batch.erid),
        )
        for one in acceptance.new
    ]
    assert [one.seq for one in acceptance.new] == sorted(one.seq for one in acceptance.new)
    return new, acceptance.duplicates, dict(acceptance.quarantined)


async def written(database: Database, tenant: str) -> list[Any]:
    """All that was written of a tenant, but for times and numbers that go on over all tenants."""
    queries = (
        """
        select erid, contacts, batches, fields, sealed, cancelled, completed, options, options_given, options_revision
        from enrichment where tenant = $1 order by erid
        """,
        """
        select erid, batch_id, part, parts, first_position, content_hash, fields, contacts, payload, contacts_done
        from batch where tenant = $1 order by seq
        """,
        "select erid, batch_id, reason, seen from quarantine where tenant = $1 order by erid, batch_id, reason, seen",
    )
    async with database.connection() as connection:
        assert await connection.fetchval(
            "select bool_and(b.partition = e.partition) from batch b join enrichment e using (tenant, erid)"
        )
        return [[tuple(row) for row in await connection.fetch(query, tenant)] for query in queries]


@pytest.mark.parametrize("seed", range(3))
async def test_whichever_way_a_group_is_written_the_same_is_there(
    database: Database, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    as_new = 0

    async def counted(*arguments: Any) -> Acceptance:
        nonlocal as_new
        acceptance = await accept_new(*arguments)
        as_new += 1
        return acceptance

    monkeypatch.setattr("des.store.work.accept_new", counted)
    chance, serving = random.Random(seed), EnrichmentStore(database, decode_contacts)
    store = PostgresWorkStore(database, UUID(int=9))
    newest = 0
    for _ in range(GROUPS):
        group = group_of(chance, newest)
        newest = max(newest, *(number + 1 for _, number, _, _ in group))
        plain = await store.accept([batch(PLAIN, *one) for one in group], [], range(PARTITIONS))
        careful = await accept(database, [batch(CAREFUL, *one) for one in group], [], range(PARTITIONS))
        assert said(plain) == said(careful)
        if chance.random() < 0.02:
            ended, erid = chance.choice((serving.seal, serving.cancel)), UUID(int=chance.randint(1, 7))
            for tenant in (PLAIN, CAREFUL):
                try:
                    await ended(tenant, erid)
                except NotFound:
                    continue
    assert await written(database, PLAIN) == await written(database, CAREFUL)
    assert 0 < as_new < GROUPS


async def test_a_group_that_is_not_all_new_leaves_nothing(database: Database) -> None:
    serving = EnrichmentStore(database, decode_contacts)
    first = await accept_new(database, [batch(PLAIN, 0, 1), batch(PLAIN, 1, 2)], [], range(PARTITIONS))
    assert len(first.new) == 2
    await serving.seal(PLAIN, UUID(int=2))
    before = await written(database, PLAIN)
    for other in (batch(PLAIN, 0, 1), batch(PLAIN, 0, 1, content=1), batch(PLAIN, 1, 3)):
        with pytest.raises(NotAllNew):
            await accept_new(database, [batch(PLAIN, 0, 4), other], [], range(PARTITIONS))
    with pytest.raises(NotAllNew):
        await accept_new(database, [batch(PLAIN, 0, 4)] * 2, [], range(PARTITIONS))
    assert await written(database, PLAIN) == before


def test_what_has_parts_or_options_is_told_apart() -> None:
    whole = batch(PLAIN, 0, 1)
    assert may_be_new([whole])
    assert not may_be_new([whole, msgspec.structs.replace(whole, parts=2)])
    assert not may_be_new([whole, batch(PLAIN, 0, 2, options=Options())])
    assert may_be_new([]), "nothing but what is refused"
