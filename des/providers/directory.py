"""Provider `directory`: the user's own people.

A question is looked up by the strongest thing it says, for a whole call in one statement: name and company domain,
else name and company name, else address. What is found so is certain (confidence 1). Those who are missed and have a
name and a company are then compared with the few people of that company whose initials agree; the one nearest above
the threshold is taken, with a confidence below 1 and the reason why; of two that are equally near, neither.
"""

from collections.abc import Sequence

import msgspec

from des.config_providers import DirectoryConfig
from des.people import SEPARATOR, Asked, Known, PeopleStore
from des.providers.contract import MISS, FieldTypes, Outcome, OutcomeKind, Question, Traits, Value, by_tenant
from des.providers.names import company_of, company_plain, company_skeleton, name_in, place_of
from des.providers.similar import SAME, blocks, company_similarity, name_similarity

CANDIDATES_MAX = 64
"""People compared with one question, of one company and block."""
FUZZY_FACTOR = 0.95
"""Confidence of a person who is 100 % similar and was not found exactly."""
EQUALLY_NEAR = 0.5
"""Two people this close in similarity (0-100) cannot be told apart."""

AMBIGUOUS = Outcome(OutcomeKind.MISS, reason="AMBIGUOUS: several people fit")
NOBODY = Outcome(OutcomeKind.INVALID_INPUT, reason="NO_IDENTITY: needs a name and a company, or an address")

_COLUMN_OF = {
    "professional_email": "email",
    "phone_number": "phone",
    "linkedin_url": "linkedin_url",
    "job_title": "title",
}
"""Fields with a column of their own; every other one stands in `extra`."""

Row = tuple[int, str, str]
"""Index of a question, the place of its name (`names.place_of`) and its company (domain or company key)."""


class _Lookup:
    """Texts to look up, each with the index of its question."""

    __slots__ = ("indexes", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.indexes: list[int] = []

    def add(self, text: str, index: int) -> None:
        self.texts.append(text)
        self.indexes.append(index)

    def asked(self) -> Asked:
        return Asked(self.texts, self.indexes)


class DirectoryProvider:
    """A `Provider` over the tenant's directory. Free, and as fast as the database."""

    def __init__(self, name: str, config: DirectoryConfig, fields: FieldTypes, people: PeopleStore) -> None:
        """Take its name and settings, the fields there are, and the directory (which its owner starts)."""
        self._people = people
        self._fuzzy_min = config.fuzzy_min
        self.traits = Traits(
            name,
            frozenset(fields),
            batch_max=config.batch_max,
            slots=config.concurrency,
            deadline_s=config.deadline_s,
            attempts_max=config.attempts_max,
            rate_windows=tuple((rate.count, rate.per_s) for rate in config.rate),
        )

    async def start(self) -> None:
        """Nothing to open: the database is its owner's."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Look up at most `batch_max` questions. Raises StoreUnavailable when the database is away."""
        outcomes = [MISS] * len(questions)
        for tenant, indexes in by_tenant(questions):
            await self._ask(tenant, questions, indexes, outcomes)
        return outcomes

    async def _ask(
        self, tenant: str, questions: Sequence[Question], indexes: Sequence[int], outcomes: list[Outcome]
    ) -> None:
        """Put the outcomes of a tenant's questions in their places."""
        by_identity, by_company, by_email, named = _Lookup(), _Lookup(), _Lookup(), list[Row]()
        for index in indexes:
            contact = questions[index].contact
            place = place_of(contact.first_name, contact.last_name, contact.full_name)
            company = company_of(contact) if place else ""
            if company:
                (by_identity if "." in company else by_company).add(company + place, index)
                named.append((index, place, company))
            elif "@" in contact.email and contact.email.isprintable():
                by_email.add(contact.email.strip().lower(), index)
            else:
                outcomes[index] = NOBODY
        known = await self._people.exact(tenant, by_identity.asked(), by_company.asked(), by_email.asked())
        found = _place_exact(known, questions, outcomes)
        if self._fuzzy_min <= SAME and len(found) < len(named):
            missed = [row for row in named if row[0] not in found]
            if missed:
                await self._ask_near(tenant, questions, missed, outcomes)

    async def _ask_near(
        self, tenant: str, questions: Sequence[Question], missed: list[Row], outcomes: list[Outcome]
    ) -> None:
        by_domain, by_skeleton, blocks_of_skeletons = _Lookup(), _Lookup(), list[str]()
        asked: dict[int, tuple[str, str]] = {}
        for index, place, company in missed:
            name = name_in(place)
            plain = "" if "." in company else company_plain(questions[index].contact.company_name)
            asked[index] = (name, plain)
            for block in blocks(name):
                if plain:
                    by_skeleton.add(company_skeleton(plain), index)
                    blocks_of_skeletons.append(block)
                else:
                    by_domain.add(f"{company}{SEPARATOR}{block}{SEPARATOR}", index)
        near: list[Known] = []
        if by_domain.texts:
            near += await self._people.near_domain(tenant, by_domain.asked(), CANDIDATES_MAX)
        if by_skeleton.texts:
            near += await self._people.near_company(tenant, by_skeleton.asked(), blocks_of_skeletons, CANDIDATES_MAX)
        candidates: dict[int, list[Known]] = {}
        for person in near:
            candidates.setdefault(person.index, []).append(person)
        for index, people in candidates.items():
            outcomes[index] = self._nearest(questions[index], asked[index], people)

    def _nearest(self, question: Question, asked: tuple[str, str], people: list[Known]) -> Outcome:
        name, company = asked
        scored = sorted(
            ((_similarity(name, company, person), person) for person in people),
            key=lambda pair: pair[0],
            reverse=True,
        )
        best, person = scored[0]
        if best < self._fuzzy_min:
            return MISS
        if len(scored) > 1 and scored[1][0] >= best - EQUALLY_NEAR:
            return AMBIGUOUS
        at = f" at {person.company}" if person.company and person.company != company else ""
        return _found(
            question, person, best / 100 * FUZZY_FACTOR, f"{best:.0f} % like {person.name}{at} in the directory"
        )


def _similarity(name: str, company: str, person: Known) -> float:
    """Of name and company together: only one of them may differ."""
    names = name_similarity(name, person.name)
    if not company or company == person.company:
        return names
    return company_similarity(company, person.company) if names == SAME else 0.0


def _place_exact(known: Sequence[Known], questions: Sequence[Question], outcomes: list[Outcome]) -> set[int]:
    found: set[int] = set()
    for person in known:
        index = person.index
        if index in found:
            outcomes[index] = AMBIGUOUS
        else:
            found.add(index)
            outcomes[index] = _found(questions[index], person, 1.0, "")
    return found


def _found(question: Question, person: Known, confidence: float, evidence: str) -> Outcome:
    values: dict[str, Value] = {}
    extra: dict[str, str] | None = None
    for field in question.fields:
        column = _COLUMN_OF.get(field)
        if column is not None:
            value = getattr(person, column)
        elif person.extra is None:
            continue
        else:
            extra = msgspec.json.decode(person.extra, type=dict[str, str]) if extra is None else extra
            value = extra.get(field)
        if value:
            values[field] = Value(value, confidence, "", evidence)
    return Outcome(OutcomeKind.FOUND, values) if values else MISS
