"""What is known of companies' address patterns: read from the directory for a whole call, remembered for seconds."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from des.clock import Clock
from des.people import Asked, PatternCount, PeopleSearch
from des.providers.address_patterns import Pattern, patterns_of

REMEMBERED_COMPANIES = 8_192
"""Companies remembered, of about 500 bytes each."""
REMEMBERED_S = 5.0
"""An import shows in proposals after this long at the latest."""

Company = tuple[str, str]
"""A tenant, and a company as `names.company_of` gives it: a domain or a company key."""


class CompanyPatterns(msgspec.Struct, frozen=True, gc=False):
    """One company's domain ("" where it is not known, or more than one) and its patterns, the surest first."""

    domain: str = ""
    patterns: tuple[Pattern, ...] = ()
    domains: int = 0


NOTHING_KNOWN = CompanyPatterns()


class DomainPatterns:
    """Reads patterns in one statement for all companies of a call that are not remembered."""

    def __init__(self, people: PeopleSearch, clock: Clock) -> None:
        """Take the directory and the clock by which things are forgotten."""
        self._people = people
        self._clock = clock
        self._remembered: OrderedDict[Company, tuple[float, CompanyPatterns]] = OrderedDict()

    async def of(self, tenant: str, companies: Sequence[str]) -> dict[str, CompanyPatterns]:
        """Patterns of every one of these companies. Raises StoreUnavailable."""
        now = self._clock.monotonic()
        found: dict[str, CompanyPatterns] = {}
        missing: list[str] = []
        for company in dict.fromkeys(companies):
            entry = self._remembered.get((tenant, company))
            if entry is None or entry[0] <= now:
                missing.append(company)
            else:
                found[company] = entry[1]
        if missing:
            read = await self._read(tenant, missing)
            found |= read
            self._remember(tenant, read, now + REMEMBERED_S)
        return found

    async def _read(self, tenant: str, companies: list[str]) -> dict[str, CompanyPatterns]:
        domains = [index for index, company in enumerate(companies) if "." in company]
        names = [index for index, company in enumerate(companies) if "." not in company]
        counts = await self._people.patterns(tenant, _asked(companies, domains), _asked(companies, names))
        by_company: dict[int, dict[str, list[PatternCount]]] = {}
        for index, count in counts:
            by_company.setdefault(index, {}).setdefault(count.domain, []).append(count)
        return {
            company: _company_patterns(by_company[index]) if index in by_company else NOTHING_KNOWN
            for index, company in enumerate(companies)
        }

    def _remember(self, tenant: str, read: dict[str, CompanyPatterns], expires_at: float) -> None:
        for company, patterns in read.items():
            self._remembered[tenant, company] = (expires_at, patterns)
            self._remembered.move_to_end((tenant, company))
        while len(self._remembered) > REMEMBERED_COMPANIES:
            self._remembered.popitem(last=False)


def _company_patterns(by_domain: dict[str, list[PatternCount]]) -> CompanyPatterns:
    if len(by_domain) > 1:
        return CompanyPatterns(domains=len(by_domain))
    ((domain, counts),) = by_domain.items()
    return CompanyPatterns(domain, patterns_of(counts), 1)


def _asked(companies: list[str], indexes: list[int]) -> Asked:
    return Asked([companies[index] for index in indexes], indexes)
