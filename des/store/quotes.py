"""`QuoteStore` on Postgres."""

from collections.abc import Sequence

from des.learning import Standing
from des.ledger import MILLION
from des.limits import MAX_AGE_S_MAX
from des.store.learning import Standings
from des.store.postgres import Database
from des.store.quotation import AtHand, Seen
from des.store.statements import statements

_SQL = statements("quotes")

PEOPLE_PER_QUERY = 5_000
"""Some tens of milliseconds of the database, so that others come in between."""


class Quotes:
    """Reads for quotes; a connection is held for one query."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def at_hand(
        self, tenant: str, operations: Sequence[tuple[str, str]], people: Sequence[str], max_age_s: float | None
    ) -> Sequence[AtHand]:
        """See QuoteStore."""
        if not operations:
            return []
        providers, names = [provider for provider, _ in operations], [operation for _, operation in operations]
        age_s = float(MAX_AGE_S_MAX) if max_age_s is None else max_age_s
        found: list[AtHand] = []
        for begin in range(0, len(people), PEOPLE_PER_QUERY):
            some = people[begin : begin + PEOPLE_PER_QUERY]
            async with self._database.connection() as connection:
                rows = await connection.fetch(_SQL["answers_at_hand"], tenant, providers, names, some, age_s)
            found += [
                AtHand(row["provider"], row["operation"], row["person"], frozenset(row["found"]), row["cost"] / MILLION)
                for row in rows
            ]
        return found

    async def seen(self, tenant: str) -> Sequence[Seen]:
        """See QuoteStore."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SQL["receipts_seen"], tenant)
        return [Seen(row["provider"], row["field"], row["asked"], row["found"], row["cost"]) for row in rows]

    async def standings(self) -> Sequence[Standing]:
        """See QuoteStore."""
        return await Standings(self._database).read()
