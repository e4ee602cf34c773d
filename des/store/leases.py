"""Leases on partitions in Postgres: each worker holds its fair share, a dead one's are taken over.

A worker is alive while its row in `worker` has not expired, by the database's clock, and its leases hold as long. A
takeover raises the epoch, and every commit checks owner and epoch under a lock (commit.sql, `hold_leases`): leases
decide who works, the commit decides what counts. The sessions of a dead worker are ended: it may only be frozen, with
rows locked that others need.
"""

from collections.abc import Collection
from uuid import UUID

from des.limits import LEASE_S, PARTITIONS
from des.store.contract import Share
from des.store.postgres import APPLICATION_NAME, Database
from des.store.statements import statements

_SQL = statements("leases")


class Leases:
    """contract.LeaseStore on Postgres, for one worker."""

    def __init__(self, database: Database, owner: UUID, *, lease_s: float = LEASE_S) -> None:
        """Take the pool, this worker's id (new with each process) and how long it lives without a renewal."""
        self._database = database
        self._owner = owner
        self._lease_s = lease_s

    async def acquire_fair_share(self) -> Share:
        """See contract.LeaseStore."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["take_turn"])
            await connection.execute(_SQL["beat"], self._owner, self._lease_s)
            seen = await connection.fetchrow(_SQL["survey"], self._owner)
            await connection.execute(_SQL["fence"], APPLICATION_NAME)
            held = dict(zip(seen["partitions"], seen["epochs"], strict=True))
            # No worker at all: this one's own beat has run out before the survey.
            share = -(-PARTITIONS // max(1, seen["workers"]))
            if len(held) < share:
                taken = await connection.fetch(_SQL["take"], self._owner, share - len(held))
                held |= {row["partition"]: row["epoch"] for row in taken}
            await connection.execute(_SQL["bury"])
        return Share(held, frozenset(sorted(held)[share:]))

    async def release(self, partitions: Collection[int]) -> None:
        """See contract.LeaseStore."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["release"], self._owner, sorted(partitions))

    async def leave(self) -> None:
        """See contract.LeaseStore."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["release_all"], self._owner)
            await connection.execute(_SQL["leave"], self._owner)
