"""The people a tenant knows already, as values, and what providers see of the place where they lie.

`providers` and `store` are blind to each other: both know these. A *key* is `company, block, name` joined by SEPARATOR,
as `des.providers.names` makes them; the company is a domain or a company's name, which cannot be mistaken for each
other (only a domain has a dot).
"""

from collections.abc import Sequence, Set
from typing import Protocol

import msgspec

SEPARATOR = "\x1f"
"""Stands in no normalised name, and before every character that does: all keys of a company are one range."""


class Person(msgspec.Struct, frozen=True, gc=False):
    """One row of the directory, normalised; None where nothing is known.

    `identity` is the key with the domain where one is known, else with the company's name; `by_company` always the
    latter. `company_plain` and `company_skeleton` serve fuzzy comparison. `patterns` are the address patterns that
    `email` fits, each with its host (`{first}.{last}@acme.com`). `extra` is a JSON object of further fields.
    """

    identity: str
    name: str
    domain: str | None = None
    by_company: str | None = None
    company: str | None = None
    company_plain: str | None = None
    company_skeleton: str | None = None
    email: str | None = None
    phone: str | None = None
    linkedin_url: str | None = None
    title: str | None = None
    extra: str | None = None
    patterns: tuple[str, ...] | None = None


class Known(msgspec.Struct, frozen=True, gc=False):
    """What is known of one person; `name` (a name key) only where near ones were sought."""

    email: str | None
    phone: str | None
    linkedin_url: str | None
    title: str | None
    extra: str | None
    name: str = ""


class Near(msgspec.Struct, frozen=True, gc=False):
    """Somebody to compare with the question at `index`; `company` is plain, and empty where a domain was sought."""

    index: int
    person: Known
    company: str = ""


class PatternCount(msgspec.Struct, frozen=True, gc=False):
    """How many people of a domain have addresses of one pattern; of any (`pattern` is empty)."""

    domain: str
    pattern: str
    people: int


class Asked(msgspec.Struct, gc=False):
    """Texts to look up, each with the index of its question; all of them printable, but for SEPARATOR."""

    texts: list[str] = []
    indexes: list[int] = []

    def add(self, text: str, index: int) -> None:
        """Have one more looked up."""
        self.texts.append(text)
        self.indexes.append(index)

    def without(self, indexes: Set[int]) -> "Asked":
        """Those whose question is none of these."""
        left = [at for at, index in enumerate(self.indexes) if index not in indexes]
        return Asked([self.texts[at] for at in left], [self.indexes[at] for at in left])


class PeopleSearch(Protocol):
    """The directory of each tenant, as providers ask it: a thousand questions a call.

    What is found stands beside the index of its question. Every call raises StoreUnavailable when the database is away.
    """

    async def exact(
        self, tenant: str, by_identity: Asked, by_company: Asked, by_email: Asked
    ) -> Sequence[tuple[int, Known]]:
        """People with exactly these keys or addresses; several for one index where a key belongs to several people."""

    async def near_domain(self, tenant: str, prefixes: Asked, candidates_max: int) -> Sequence[Near]:
        """People whose identity begins so (`domain, block` and SEPARATOR), the first so many of each."""

    async def near_company(
        self, tenant: str, skeletons: Asked, blocks: Sequence[str], candidates_max: int
    ) -> Sequence[Near]:
        """People of companies with these skeletons whose names are of the block, at most so many of each company.

        Of one skeleton at most so many companies are looked at. `blocks` stand beside the skeletons.
        """

    async def patterns(self, tenant: str, by_domain: Asked, by_company: Asked) -> Sequence[tuple[int, PatternCount]]:
        """Address patterns of domains, and of every domain that companies of these keys are known to have."""

    async def owners(self, tenant: str, emails: Asked) -> Sequence[tuple[int, str, str]]:
        """Index, address and name of everybody who has one of these addresses."""


class PeopleStore(Protocol):
    """The directory of each tenant, as an import writes it."""

    async def save(self, tenant: str, people: Sequence[Person], source: str) -> int:
        """Write people in one transaction, each identity once; what is not known of one stays as it was.

        Returns how many; counts the patterns of their domains anew.
        """

    async def renew_statistics(self) -> None:
        """Let the database see how large the directory has become; after an import."""
