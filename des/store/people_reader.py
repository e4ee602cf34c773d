"""Reads a tenant's whole directory, if it is small, and tells the versions of those that were read.

A version is counted up by triggers with every change of the tenant's rows, in the transaction that makes the change:
what is read in one snapshot is what its version says.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from des.limits import COMPANY_HELD_BYTES, DIRECTORY_HELD_BYTES, PERSON_HELD_BYTES
from des.people import Known, PatternCount
from des.store.held_people import HeldPeople
from des.store.postgres import Connection, Database
from des.store.statements import statements

ROWS_AT_ONCE = 500
"""Rows taken between two looks at what else there is to do: 2 ms of the event loop."""

_SQL = statements("held_people")


class PeopleReader:
    """Reads on a connection of the pool."""

    def __init__(self, database: Database) -> None:
        """Take the pool, which its owner starts and stops."""
        self._database = database

    async def read(self, tenant: str, bytes_max: int) -> HeldPeople | None:
        """All of a tenant's directory, or None where it would take more memory. Raises StoreUnavailable."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["one_snapshot"])
            held_bytes = await _weight(connection, tenant, bytes_max)
            if held_bytes > bytes_max:
                return None
            people = HeldPeople(await connection.fetchval(_SQL["directory_version"], tenant), held_bytes)
            for name, add in (
                ("all_people", lambda identity, *known: people.add_person(identity, Known(*known))),
                ("all_company_keys", people.add_company_key),
                ("all_companies", people.add_company),
                ("all_domains", people.add_domain),
                ("all_patterns", lambda *row: people.add_pattern(PatternCount(*row))),
            ):
                await _stream(connection, _SQL[name], tenant, add)
            return people

    async def versions(self, tenants: Sequence[str]) -> Mapping[str, int]:
        """Versions of these tenants' directories; those who were never written to are left out.

        Raises StoreUnavailable.
        """
        async with self._database.connection() as connection:
            return dict(await connection.fetch(_SQL["directory_versions"], tenants))


async def _weight(connection: Connection, tenant: str, bytes_max: int) -> int:
    """Bytes that the directory takes in memory; of a large one, some number above the most."""
    people, octets, others = await connection.fetchrow(
        _SQL["directory_weight"], tenant, bytes_max // min(PERSON_HELD_BYTES, COMPANY_HELD_BYTES)
    )
    return int(DIRECTORY_HELD_BYTES + people * PERSON_HELD_BYTES + octets + others * COMPANY_HELD_BYTES)


async def _stream(connection: Connection, sql: str, tenant: str, add: Callable[..., None]) -> None:
    cursor: Any = await connection.cursor(sql, tenant)
    while rows := await cursor.fetch(ROWS_AT_ONCE):
        for row in rows:
            add(*row)
