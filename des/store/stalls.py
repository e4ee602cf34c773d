"""`StallStore` on Postgres: what a worker tells of the contacts that wait."""

from collections.abc import Collection
from uuid import UUID

from des.stall import StallRow
from des.store.postgres import Database
from des.store.statements import statements

_SQL = statements("stalls")


class PostgresStalls:
    """The stalls of one worker."""

    def __init__(self, database: Database, owner: UUID) -> None:
        """Take the pool and the worker's id."""
        self._database = database
        self._owner = owner

    async def tell(self, told: Collection[StallRow], ended: Collection[StallRow]) -> None:
        """See contract.StallStore."""
        async with self._database.connection() as connection:
            await connection.execute(
                _SQL["tell"],
                self._owner,
                [row.tenant for row in told],
                [row.erid for row in told],
                [row.provider for row in told],
                [row.reason.value for row in told],
                [row.until for row in told],
                [row.contacts for row in told],
                [row.tenant for row in ended],
                [row.erid for row in ended],
                [row.provider for row in ended],
                [row.reason.value for row in ended],
            )
