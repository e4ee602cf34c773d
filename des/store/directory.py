"""The directory in Postgres: the tenant's own people, found by key and written by import."""

from collections.abc import Sequence
from typing import Any

import msgspec

from des.people import Asked, Known, Near, PatternCount, Person
from des.store.postgres import Database, mapped_refusals
from des.store.statements import statements

_COLUMNS = Person.__struct_fields__
_BETWEEN_TEXTS = chr(30)
_WRITES = ("adopt_domains", "adopt_people", "save_people", "save_companies", "forget_patterns", "count_patterns")


class DirectorySize(msgspec.Struct, frozen=True):
    """What a tenant's directory holds; `domains_with_patterns` are those that addresses can be proposed for."""

    people: int
    companies: int
    domains_with_patterns: int


class Directory:
    """A `des.people.PeopleSearch` and `PeopleStore` on Postgres; each search is one statement."""

    def __init__(self, database: Database) -> None:
        """Take the pool, which its owner starts and stops."""
        self._database = database
        self._sql = statements("directory")

    async def exact(
        self, tenant: str, by_identity: Asked, by_company: Asked, by_email: Asked
    ) -> Sequence[tuple[int, Known]]:
        """People with exactly these keys or addresses. Raises StoreUnavailable."""
        rows = await self._find("exact_people", tenant, by_identity, by_company, by_email)
        return [(index, Known(*row)) for index, *row in rows]

    async def near_domain(self, tenant: str, prefixes: Asked, candidates_max: int) -> Sequence[Near]:
        """People whose identity begins so. Raises StoreUnavailable."""
        rows = await self._fetch("near_people_by_domain", tenant, _joined(prefixes.texts), candidates_max)
        return [Near(prefixes.indexes[ordinal - 1], Known(*row)) for ordinal, *row in rows]

    async def near_company(
        self, tenant: str, skeletons: Asked, blocks: Sequence[str], candidates_max: int
    ) -> Sequence[Near]:
        """People of a block at companies of these skeletons. Raises StoreUnavailable."""
        rows = await self._fetch(
            "near_people_by_company", tenant, _joined(skeletons.texts), _joined(blocks), candidates_max
        )
        return [Near(skeletons.indexes[ordinal - 1], Known(*row), plain) for ordinal, plain, *row in rows]

    async def patterns(self, tenant: str, by_domain: Asked, by_company: Asked) -> Sequence[tuple[int, PatternCount]]:
        """Address patterns of domains and of companies' domains. Raises StoreUnavailable."""
        rows = await self._find("patterns", tenant, by_domain, by_company)
        return [(index, PatternCount(*row)) for index, *row in rows]

    async def owners(self, tenant: str, emails: Asked) -> Sequence[tuple[int, str, str]]:
        """Index, address and name of everybody who has one of these addresses. Raises StoreUnavailable."""
        return [(index, email, name) for index, email, name in await self._find("owners", tenant, emails)]

    async def save(self, tenant: str, people: Sequence[Person], source: str) -> int:
        """Write people in one transaction, each identity once. Raises StoreUnavailable, CommitUnknown, Unstorable."""
        arguments = {name: (tenant, source) if name == "save_people" else (tenant,) for name in _WRITES}
        records = [tuple(getattr(person, name) for name in _COLUMNS) for person in people]
        with mapped_refusals():
            async with self._database.transaction() as connection:
                await connection.execute(self._sql["lock_directory"], tenant)
                await connection.execute(self._sql["prefer_probes"])
                await connection.execute(self._sql["create_incoming"])
                await connection.copy_records_to_table("incoming", records=records, columns=_COLUMNS)
                for name in _WRITES:
                    await connection.execute(self._sql[name], *arguments[name])
        return len(records)

    async def size(self, tenant: str) -> DirectorySize:
        """Count what the tenant has. Raises StoreUnavailable."""
        return DirectorySize(*(await self._fetch("size", tenant))[0])

    async def renew_statistics(self) -> None:
        """Let Postgres see how large the directory has become. Raises StoreUnavailable."""
        async with self._database.connection() as connection:
            await connection.execute(self._sql["renew_statistics"])

    async def _find(self, name: str, tenant: str, *asked: Asked) -> Sequence[tuple[Any, ...]]:
        """Rows of a search, each with the index of its question in place of the way and the ordinal that found it."""
        rows = await self._fetch(name, tenant, *[_joined(one.texts) for one in asked])
        indexes = [one.indexes for one in asked]
        return [(indexes[row[0]][row[1] - 1], *row[2:]) for row in rows]

    async def _fetch(self, name: str, *arguments: object) -> Sequence[Sequence[Any]]:
        async with self._database.connection() as connection:
            rows: Sequence[Sequence[Any]] = await connection.fetch(self._sql[name], *arguments)
            return rows


def _joined(texts: Sequence[str]) -> str | None:
    """Texts as one; None where there is none (an empty text would be one)."""
    return _BETWEEN_TEXTS.join(texts) if texts else None
