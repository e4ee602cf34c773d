"""What calls show of providers, in Postgres: counted with their settlement, read as standings."""

from collections import defaultdict
from collections.abc import Sequence

from des.learning import STANDING_ASKED_MAX, Standing
from des.ledger import Settlement
from des.store.postgres import Connection, Database
from des.store.statements import statements

_SQL = statements("learning")


async def count(connection: Connection, settlements: Sequence[Settlement]) -> None:
    """Count the lessons of calls that this transaction settles; those without one cost nothing."""
    sums: defaultdict[tuple[str, str, str, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for one in settlements:
        if one.lesson is None:
            continue
        found = dict(one.lesson.found)
        for field in one.lesson.asked:
            counts = sums[one.key.tenant, one.key.provider, field, one.lesson.segment]
            counts[0] += 1.0
            if field in found:
                counts[1] += 1.0
                counts[2] += found[field]
    if sums:
        ordered = sorted(sums.items())
        keys = [[key[part] for key, _ in ordered] for part in range(4)]
        counted = [[counts[part] for _, counts in ordered] for part in range(3)]
        await connection.execute(_SQL["count_lessons"], *keys, *counted, STANDING_ASKED_MAX)


class Standings:
    """Reads what was counted."""

    def __init__(self, database: Database) -> None:
        """Take the pool, which its owner starts and stops."""
        self._database = database

    async def read(self) -> Sequence[Standing]:
        """All standings, in order of their key. Raises StoreUnavailable."""
        async with self._database.connection() as connection:
            return [Standing(*row) for row in await connection.fetch(_SQL["standings"])]
