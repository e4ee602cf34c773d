"""One tenant's whole directory in memory: the indexes of its tables, and the searches that Postgres does by them.

Every search finds what the statement of its name in `directory.sql` finds; a test holds them against each other.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from des.people import SEPARATOR, Asked, Known, Near, PatternCount

FEW = 64
"""Keys among which those of one company are sought first: 6 comparisons of strings that lie side by side."""


class HeldPeople:
    """A directory as it was at `version`, filled in the order of its indexes and then only read.

    `held_bytes`: what it takes in memory, as its reader weighed it.
    """

    __slots__ = (
        "_by_company",
        "_by_email",
        "_by_identity",
        "_companies",
        "_domains",
        "_patterns",
        "held_bytes",
        "version",
    )

    def __init__(self, version: int, held_bytes: int) -> None:
        """Begin an empty one."""
        self.version = version
        self.held_bytes = held_bytes
        self._by_identity = _Ordered()
        self._by_company = _Ordered()
        self._by_email = _Index()
        self._companies: dict[str, list[tuple[str, str]]] = {}  # of one skeleton there may be very many
        # Tuples: half a list's bytes, and once full the garbage collector has nothing to look at.
        self._domains: dict[str, tuple[str, ...]] = {}
        self._patterns: dict[str, tuple[PatternCount, ...]] = {}

    def __len__(self) -> int:
        """People held."""
        return len(self._by_identity.keys)

    # ---- filling -------------------------------------------------------------------------------------------------

    def add_person(self, identity: str, person: Known) -> None:
        """Add the next person in the order of identities."""
        self._by_identity.add(identity, person)
        if person.email is not None:
            self._by_email.add(person.email, person)

    def add_company_key(self, by_company: str, identity: str) -> None:
        """Add the next key in the order of company keys, of a person who has been added."""
        self._by_company.add(by_company, self._by_identity.first[identity])

    def add_company(self, skeleton: str, company: str, plain: str) -> None:
        """Add the next company in the order of skeleton, key and plain name."""
        self._companies.setdefault(skeleton, []).append((company, plain))

    def add_domain(self, company: str, domain: str) -> None:
        """Add a domain that a company is known to have."""
        self._domains[company] = (*self._domains.get(company, ()), domain)

    def add_pattern(self, count: PatternCount) -> None:
        """Add what was counted of a pattern."""
        self._patterns[count.domain] = (*self._patterns.get(count.domain, ()), count)

    # ---- searching -----------------------------------------------------------------------------------------------

    def exact(self, by_identity: Asked, by_company: Asked, by_email: Asked) -> Sequence[tuple[int, Known]]:
        """See PeopleSearch."""
        found: list[tuple[int, Known]] = []
        self._by_identity.find(by_identity, found)
        self._by_company.find(by_company, found)
        self._by_email.find(by_email, found)
        return found

    def near_domain(self, prefixes: Asked, candidates_max: int) -> Sequence[Near]:
        """See PeopleSearch."""
        return [
            Near(index, person)
            for prefix, index in zip(prefixes.texts, prefixes.indexes, strict=True)
            for person in self._by_identity.begin(prefix, candidates_max)
        ]

    def near_company(self, skeletons: Asked, blocks: Sequence[str], candidates_max: int) -> Sequence[Near]:
        """See PeopleSearch."""
        return [
            Near(index, person, plain)
            for skeleton, index, block in zip(skeletons.texts, skeletons.indexes, blocks, strict=True)
            if skeleton in self._companies
            for company, plain in self._companies[skeleton][:candidates_max]
            for person in self._by_company.begin(f"{company}{SEPARATOR}{block}{SEPARATOR}", candidates_max)
        ]

    def patterns(self, by_domain: Asked, by_company: Asked) -> Sequence[tuple[int, PatternCount]]:
        """See PeopleSearch."""
        domains = [
            *zip(by_domain.indexes, by_domain.texts, strict=True),
            *(
                (index, domain)
                for company, index in zip(by_company.texts, by_company.indexes, strict=True)
                for domain in self._domains.get(company, ())
            ),
        ]
        return [(index, count) for index, domain in domains for count in self._patterns.get(domain, ())]

    def owners(self, emails: Asked) -> Sequence[tuple[int, str, str]]:
        """See PeopleSearch."""
        found: list[tuple[int, Known]] = []
        self._by_email.find(emails, found)
        return [(index, person.email or "", person.name) for index, person in found]


class _Index:
    """People by a key, which nearly always belongs to one of them: `first` of each, the others apart."""

    __slots__ = ("_others", "first")

    def __init__(self) -> None:
        self.first: dict[str, Known] = {}
        self._others: defaultdict[str, list[Known]] = defaultdict(list)

    def add(self, key: str, person: Known) -> None:
        if self.first.setdefault(key, person) is not person:
            self._others[key].append(person)

    def find(self, asked: Asked, found: list[tuple[int, Known]]) -> None:
        """Add who has these keys, each with the index of its question."""
        first, others = self.first, self._others
        for key, index in zip(asked.texts, asked.indexes, strict=True):
            person = first.get(key)
            if person is not None:
                found.append((index, person))
                if key in others:
                    found += [(index, other) for other in others[key]]


class _Ordered(_Index):
    """People by keys added in their order, so that those which begin alike stand together: as in Postgres's index."""

    __slots__ = ("_company", "_people", "_starts", "keys")

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []
        self._people: list[Known] = []
        # Where each company's people begin: most who are not found are of a company that nobody here is at.
        self._starts: dict[str, int] = {}
        self._company = ""

    def add(self, key: str, person: Known) -> None:
        super().add(key, person)
        company = key.partition(SEPARATOR)[0]
        if company != self._company or not self._starts:
            self._company = company
            self._starts[company] = len(self.keys)
        self.keys.append(key)
        self._people.append(person)

    def begin(self, prefix: str, at_most: int) -> Sequence[Known]:
        """The first people whose keys begin so; the prefix has a company, whole."""
        start = self._starts.get(prefix.partition(SEPARATOR)[0])
        if start is None:
            return ()
        keys = self.keys
        end = min(start + FEW, len(keys))
        if keys[end - 1] < prefix:  # a large company
            end = len(keys)
        at = start = bisect_left(keys, prefix, start, end)
        end = min(start + at_most, len(keys))
        while at < end and keys[at].startswith(prefix):
            at += 1
        return self._people[start:at]
