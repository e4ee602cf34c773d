"""A statement that is a transaction of its own: whether it may have landed is said by how it failed."""

import asyncio

import asyncpg
import pytest

from des.errors import CommitUnknown, StoreUnavailable
from des.store.postgres import Database


async def run(database: Database, sql: str, *arguments: object) -> None:
    async with database.statement() as connection:
        await connection.execute(sql, *arguments)


async def end_sleep(database: Database) -> None:
    async with database.connection() as connection:
        while not await connection.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where wait_event = 'PgSleep'"
        ):
            pass


async def test_one_whose_reply_is_lost_may_have_landed(database: Database) -> None:
    ended = asyncio.create_task(end_sleep(database))
    with pytest.raises(CommitUnknown):
        await run(database, "select pg_sleep(60)")
    await ended


async def test_one_that_postgres_has_cancelled_has_not(database: Database) -> None:
    await run(database, "set statement_timeout = '10ms'")
    with pytest.raises(StoreUnavailable):
        await run(database, "select pg_sleep(60)")


async def test_one_that_cannot_be_sent_has_not(database: Database) -> None:
    with pytest.raises(asyncpg.DataError):
        await run(database, "select $1::integer", "seven")
