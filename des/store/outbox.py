"""The relay's side of Postgres: claim events, remove those that are published, in one transaction."""

from collections.abc import Awaitable, Callable, Collection, Sequence

from des import failpoints
from des.failpoints import Failpoint
from des.store.contract import OutboxEvent
from des.store.postgres import Database
from des.store.statements import statements

_SQL = statements("outbox")


class Outbox:
    """contract.OutboxStore on Postgres. Any number of relays may work at once: each row is one's at a time."""

    def __init__(self, database: Database) -> None:
        """Take the pool; one of its connections is held while a group is being published."""
        self._database = database

    async def relay(
        self, events_max: int, publish: Callable[[Sequence[OutboxEvent]], Awaitable[Collection[int]]]
    ) -> tuple[int, int]:
        """See contract.OutboxStore."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_SQL["claim"], events_max)
            if not rows:
                return 0, 0
            failpoints.hit(Failpoint.OUTBOX_BEFORE_PUBLISH)
            published = await publish(
                [
                    OutboxEvent(
                        row["seq"],
                        row["id"],
                        row["type"],
                        row["tenant"],
                        row["erid"],
                        row["payload"].encode(),
                        row["created_at"],
                    )
                    for row in rows
                ]
            )
            failpoints.hit(Failpoint.EVENT_PUBLISHED_NOT_REMOVED)
            await connection.execute(_SQL["remove"], list(published))
        return len(rows), len(published)

    async def waiting(self) -> tuple[int, float]:
        """See contract.OutboxStore."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_SQL["waiting"])
        return row["events"], row["oldest_s"]
