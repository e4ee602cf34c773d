"""A directory that is read whole into memory for every question."""

from collections.abc import Sequence

from des.people import Asked, Known, Near, PatternCount
from des.store.held_people import HeldPeople
from des.store.people_reader import PeopleReader

BYTES_MAX = 1 << 30


class ReadAnew:
    """A `des.people.PeopleSearch` out of memory that never lags behind Postgres."""

    def __init__(self, reader: PeopleReader) -> None:
        self._reader = reader

    async def read(self, tenant: str) -> HeldPeople:
        """All of a tenant's directory."""
        people = await self._reader.read(tenant, BYTES_MAX)
        assert people is not None
        return people

    async def exact(
        self, tenant: str, by_identity: Asked, by_company: Asked, by_email: Asked
    ) -> Sequence[tuple[int, Known]]:
        return (await self.read(tenant)).exact(by_identity, by_company, by_email)

    async def near_domain(self, tenant: str, prefixes: Asked, candidates_max: int) -> Sequence[Near]:
        return (await self.read(tenant)).near_domain(prefixes, candidates_max)

    async def near_company(
        self, tenant: str, skeletons: Asked, blocks: Sequence[str], candidates_max: int
    ) -> Sequence[Near]:
        return (await self.read(tenant)).near_company(skeletons, blocks, candidates_max)

    async def patterns(self, tenant: str, by_domain: Asked, by_company: Asked) -> Sequence[tuple[int, PatternCount]]:
        return (await self.read(tenant)).patterns(by_domain, by_company)

    async def owners(self, tenant: str, emails: Asked) -> Sequence[tuple[int, str, str]]:
        return (await self.read(tenant)).owners(emails)
