"""Leases on partitions in Postgres: each worker holds its fair share, a dead one's are taken over.

A worker is alive while its row in `worker` has not expired, by the database's clock, and its leases hold as long. A
takeover raises the epoch, and every commit checks owner and epoch under a lock (commit.sql, `hold_leases`): leases
decide who works, the commit decides what counts. The sessions of a dead worker are ended: it may only be frozen, with
rows locked that others need.
"""

from collections.abc import Collection
from uuid import UUID

from des.limits import LEASE_S, PARTITIONS, RATE_HANDED_OVER_S_MAX, RATE_TURN_S, RATE_UNBOUNDED
from des.store.contract import Division, Share
from des.store.postgres import APPLICATION_NAME, Database
from des.store.statements import statements

_SQL = statements("leases")


class Leases:
    """contract.LeaseStore on Postgres, for one worker."""

    def __init__(
        self,
        database: Database,
        owner: UUID,
        *,
        lease_s: float = LEASE_S,
        rates: Collection[tuple[int, float]] = (),
        turn_s: float = RATE_TURN_S,
    ) -> None:
        """Take the pool, this worker's id (new with each process) and how long it lives without a renewal.

        `rates`: the permitted ones, as (requests, seconds). Where one permits fewer requests than there are workers,
        the parts go round among them, every `turn_s` at most and slowly enough for every window.
        """
        self._database = database
        self._owner = owner
        self._lease_s = lease_s
        self._rate_least = min((count for count, _ in rates), default=RATE_UNBOUNDED)
        self._turn_s = max([turn_s, *(4 * seconds for _, seconds in rates if seconds <= RATE_HANDED_OVER_S_MAX)])

    async def acquire_fair_share(self, sharing: str = "") -> Share:
        """See contract.LeaseStore."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["take_turn"])
            await connection.execute(_SQL["beat"], self._owner, self._lease_s, sharing)
            await connection.execute(_SQL["set_back"], max(LEASE_S, self._lease_s))
            seen = await connection.fetchrow(_SQL["survey"], self._owner)
            division = await connection.fetchrow(_SQL["division"], self._owner, self._rate_least, self._turn_s)
            await connection.execute(_SQL["fence"], APPLICATION_NAME)
            held = dict(zip(seen["partitions"], seen["epochs"], strict=True))
            # No worker at all: this one's own beat has run out before the survey.
            share = -(-PARTITIONS // max(1, seen["workers"]))
            if len(held) < share:
                taken = await connection.fetch(_SQL["take"], self._owner, share - len(held))
                held |= {row["partition"]: row["epoch"] for row in taken}
            await connection.execute(_SQL["bury"])
        return Share(
            held,
            frozenset(sorted(held)[share:]),
            Division(
                division["sharing"],
                division["place"],
                max(1, division["workers"]),
                agreed=division["agreed"],
                quiet_s=division["quiet_s"],
            ),
        )

    async def release(self, partitions: Collection[int]) -> None:
        """See contract.LeaseStore."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["release"], self._owner, sorted(partitions))

    async def leave(self) -> None:
        """See contract.LeaseStore."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["release_all"], self._owner)
            await connection.execute(_SQL["leave"], self._owner)
