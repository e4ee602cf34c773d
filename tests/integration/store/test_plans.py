"""Statements by key go by the key, whatever the planner knew when their plan was made."""

from uuid import uuid4

import pytest

from des.store.postgres import Connection, Database
from des.store.statements import statements

BATCHES = 20_000
ERID = uuid4()
COUNTS = (["default"], [ERID], *[[1]] * 7)
"""The object that `count_off` counts off, and how much."""


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


async def plan_of(connection: Connection, sql: str, *arguments: object) -> str:
    """The plan that a prepared statement keeps, made without looking at its arguments."""
    await connection.execute("set plan_cache_mode = force_generic_plan")
    lines = await connection.fetch(f"explain {sql}", *arguments)
    await connection.execute("reset plan_cache_mode")
    return "\n".join(line[0] for line in lines)


@pytest.mark.usefixtures("grown")
async def test_batches_are_known_by_their_key(database: Database) -> None:
    tenants, erids, batch_ids = ["default"], [ERID], [uuid4()]
    async with database.connection() as connection:
        for sql, arguments in (
            (statements("accept")["known_batches"], (tenants, erids, batch_ids)),
            (statements("commit")["count_off"], (*COUNTS, tenants, erids, batch_ids, [0], [1])),
            (statements("commit")["count_batches_in_parts"], (tenants, erids, batch_ids)),
            (statements("commit")["hold_parts"], (tenants, erids, batch_ids)),
        ):
            plan = await plan_of(connection, sql, *arguments)
            assert "batch_pkey" in plan, plan
            assert "batch_id = u.batch_id" in plan.partition("Index Cond:")[2].splitlines()[0], plan


@pytest.mark.usefixtures("grown")
async def test_objects_are_found_by_their_key(database: Database) -> None:
    none: list[object] = []
    async with database.connection() as connection:
        for sql, arguments in (
            (statements("commit")["count_off"], (*COUNTS, none, none, none, none, none)),
            (statements("commit")["count_batches_in_parts"], (none, none, none)),
            (statements("serving")["enrichment"], ("default", ERID)),
        ):
            plan = await plan_of(connection, sql, *arguments)
            assert "enrichment_pkey" in plan, plan


@pytest.mark.usefixtures("grown")
async def test_orders_have_their_own_index(database: Database) -> None:
    async with database.connection() as connection:
        parts = await plan_of(connection, statements("serving")["parts"], "default", ERID, 0, 10)
        newest = await plan_of(connection, statements("serving")["newest_enrichments"], "default", 10)
    assert "batch_order" in parts
    assert "Sort" not in parts
    assert "enrichment_newest" in newest
    assert "Sort" not in newest


async def test_calls_are_ended_by_their_key(database: Database) -> None:
    """And not by the index of open keys, with each open call compared with each that ends."""
    ends = [(uuid4(), "settled", "found", "", "", 1, 0, "", 0.0, "{}", 1.0, None, None)] * 10
    async with database.connection() as connection:
        plan = await plan_of(connection, statements("ledger")["settle_calls"], ends)
    assert "Index Scan using call_pkey on call c" in plan, plan
    assert "call_open" not in plan, plan
