"""Statements by key go by the key, whatever the planner knew when their plan was made."""

import re
from uuid import uuid4

import pytest

from des.store.postgres import Connection, Database
from des.store.statements import statements

BATCHES = 20_000
ERID = uuid4()


@pytest.fixture
async def grown(database: Database) -> None:
    """One object with many batches, of which the planner knows nothing."""
    async with database.connection() as connection:
        await connection.execute("alter table batch set (autovacuum_enabled = off)")
        await connection.execute(
            "insert into batch (tenant, erid, batch_id, part, parts, first_position, partition, content_hash, fields,"
            " contacts) select 'default', $1, gen_random_uuid(), 0, 1, 0, 0, '', '{}', 1 from generate_series(1, $2)",
            ERID,
            BATCHES,
        )
        await connection.execute(
            "insert into enrichment (tenant, erid, partition)"
            " select 'default', gen_random_uuid(), 0 from generate_series(1, $1)",
            BATCHES,
        )


async def plan_of(connection: Connection, sql: str, arguments: str = "") -> str:
    """The plan that a prepared statement keeps, made without a look at its arguments: they say which partitions."""
    parameters = max(map(int, re.findall(r"\$(\d+)", sql)))
    await connection.execute(f"prepare looked_at as {sql}")
    lines = await connection.fetch(f"explain execute looked_at ({arguments or ', '.join(['null'] * parameters)})")
    await connection.execute("deallocate looked_at")
    return "\n".join(line[0] for line in lines)


@pytest.mark.usefixtures("grown")
async def test_batches_are_known_by_their_key(database: Database) -> None:
    async with database.connection() as connection:
        for sql in (
            statements("accept")["known_batches"],
            statements("commit")["count_off"],
            statements("commit")["count_batches_in_parts"],
            statements("commit")["hold_parts"],
        ):
            plan = await plan_of(connection, sql)
            assert "batch_pkey" in plan, plan
            assert "batch_id = u.batch_id" in plan.partition("Index Cond:")[2].splitlines()[0], plan


@pytest.mark.usefixtures("grown")
async def test_objects_are_found_by_their_key(database: Database) -> None:
    async with database.connection() as connection:
        for sql in (
            statements("commit")["count_off"],
            statements("commit")["count_batches_in_parts"],
            statements("serving")["enrichment"],
            statements("work")["outstanding"],
        ):
            plan = await plan_of(connection, sql)
            assert "enrichment_pkey" in plan, plan


@pytest.mark.usefixtures("grown")
async def test_orders_have_their_own_index(database: Database) -> None:
    async with database.connection() as connection:
        parts = await plan_of(connection, statements("serving")["parts"])
        newest = await plan_of(connection, statements("serving")["newest_enrichments"])
    assert "batch_order" in parts
    assert "Sort" not in parts
    assert "enrichment_newest" in newest
    assert "Sort" not in newest


async def test_calls_are_ended_by_their_key(database: Database) -> None:
    """And not by the index of open keys, with each open call compared with each that ends."""
    async with database.connection() as connection:
        plan = await plan_of(connection, statements("ledger")["settle_calls"])
    assert "Index Scan using call_pkey on call c" in plan, plan
    assert "call_open" not in plan, plan


async def test_contacts_over_budget_are_looked_for_in_the_batches_that_are_named(database: Database) -> None:
    async with database.connection() as connection:
        plan = await plan_of(connection, statements("resumption")["resume"], f"'default', '{ERID}', null")
    assert "Index Cond: ((tenant = $1) AND (erid = $2) AND (batch_id = u.batch_id))" in plan, plan
