"""Waiting for somebody to wait."""

import asyncio

from des.store.postgres import Connection


async def waits(connection: Connection) -> None:
    """Return when some transaction waits for another."""
    async with asyncio.timeout(20):
        while not await connection.fetchval("select exists (select from pg_locks where not granted)"):
            pass
