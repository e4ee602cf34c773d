"""Whoever listens goes on listening, wherever its connection breaks."""

import asyncio

from asyncpg import Connection

from des.clock import SystemClock
from des.store.notices import Notices
from des.store.postgres import Database


class Breaking(Database):
    """Its second connection is lost before anything is said on it."""

    connections = 0

    async def connect(self) -> Connection:
        connection = await super().connect()
        self.connections += 1
        if self.connections == 2:
            connection.terminate()
        return connection


async def test_a_connection_that_is_lost_while_it_begins_to_listen_is_made_again(database_url: str) -> None:
    database = Breaking(database_url)
    await database.start()
    resumed = asyncio.Event()
    heard: asyncio.Queue[int] = asyncio.Queue()
    notices = Notices(
        database,
        SystemClock(),
        on_partition=heard.put_nowait,
        on_cancelled=lambda *_: None,
        on_delivered=lambda _: None,
        on_directory=lambda _: None,
        on_resumed=resumed.set,
    )
    await notices.start()
    async with database.connection() as connection:
        listening = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN %'"
        assert await connection.fetchval(listening)
    async with asyncio.timeout(20):
        await resumed.wait()
        async with database.connection() as connection:
            await connection.execute("select pg_notify('des_batch', '7')")
        assert await heard.get() == 7
    assert database.connections == 3
    await notices.stop()
    await database.stop()
