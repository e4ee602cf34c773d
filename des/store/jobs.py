"""Jobs in Postgres: `des.ledger.Jobs` for one worker, and the place where what vendors deliver is kept.

Any process may take a delivery: it is in Postgres before the vendor hears that it was taken, and the worker that holds
the call's partition is woken.
"""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from des.ledger import Job, Key, Settlement
from des.store import late
from des.store.postgres import Database, mapped_errors
from des.store.statements import statements

_SQL = statements("jobs")

KEPT_S: Final = 86_400.0
"""A delivery for a handle that is never kept is a stranger's, or of an ERID that was erased."""
TAKEN_S: Final = 3_600.0
ERIDS_MAX = 100


class PostgresJobs:
    """Jobs of the partitions that `owner` holds in table `lease`."""

    def __init__(self, database: Database, owner: UUID) -> None:
        """Take the pool and the worker's id."""
        self._database = database
        self._owner = owner

    async def overdue(self, provider: str, known: Collection[UUID], jobs_max: int) -> Sequence[Job]:
        """See Jobs."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SQL["overdue"], self._owner, provider, list(known), jobs_max)
        return [
            Job(row["id"], Key(row["tenant"], row["provider"], row["operation"], row["person"]), row["handle"],
                row["outcome"] or "", row["replayed"])
            for row in rows
        ]  # fmt: skip

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See Jobs."""
        with mapped_errors():
            await late.settle(self._database, self._owner, settlements)

    async def tidy(self) -> None:
        """See Jobs."""
        with mapped_errors():
            async with self._database.connection() as connection:
                await connection.execute(_SQL["forget_deliveries"], KEPT_S, TAKEN_S)
            await late.resume(self._database, self._owner, ERIDS_MAX)


class Deliveries:
    """Keeps what vendors deliver."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def keep(self, provider: str, handle: str, outcome: str) -> None:
        """Keep one outcome (JSON) for a handle; the same again changes nothing. Raises StoreUnavailable."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["deliver"], provider, handle, outcome)
            await connection.execute(_SQL["hasten"], provider, handle)
            await connection.execute(_SQL["announce_delivery"], provider)
