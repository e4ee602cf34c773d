"""Waiting for somebody to wait."""

import asyncio

from des.store.postgres import Connection

# Not by pg_stat_activity: a transaction sees there only the sessions of its first look.
_WAITS = "select exists (select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))"


async def waits(connection: Connection) -> None:
    """Return when some transaction waits for this connection's own."""
    async with asyncio.timeout(20):
        while not await connection.fetchval(_WAITS):
            pass
