"""Provider `directory`: the user's own people.

A question is looked up by the strongest thing it says, for a whole call in one statement: name and company domain,
else name and company name, else address. What is found so is certain (confidence 1). Those who are missed and have a
name and a company are then compared with the few people of that company whose initials agree; the one nearest above
the threshold is taken, with a confidence below 1 and the reason why; of two that are equally near, neither.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

import msgspec

from des.config_providers import DirectoryConfig
from des.people import SEPARATOR, Asked, Known, Near, PeopleSearch
from des.providers.contract import MISS, FieldTypes, Outcome, OutcomeKind, Question, Traits, Value, by_tenant
from des.providers.names import company_of, company_plain, company_skeleton, place_of
from des.providers.similar import SAME, blocks, company_similarity, name_similarity

CANDIDATES_MAX = 64
"""People compared with one question, of one company and block."""
FUZZY_FACTOR = 0.95
"""Confidence of a person who is 100 % similar and was not found exactly."""
EQUALLY_NEAR = 0.5
"""Two people this close in similarity (0-100) cannot be told apart."""

_FOUND = OutcomeKind.FOUND
AMBIGUOUS = Outcome(OutcomeKind.MISS, reason="AMBIGUOUS: several people fit")
NOBODY = Outcome(OutcomeKind.INVALID_INPUT, reason="NO_IDENTITY: needs a name and a company, or an address")

_COLUMN_OF: Mapping[str, Callable[[Known], str | None]] = {
    "professional_email": attrgetter("email"),
    "phone_number": attrgetter("phone"),
    "linkedin_url": attrgetter("linkedin_url"),
    "job_title": attrgetter("title"),
}
"""Fields with a column of their own; every other one stands in `extra`."""

_Sought = tuple[str, str]
"""A name key, and the plain name of a company where one was asked by name."""


class DirectoryProvider:
    """A `Provider` over the tenant's directory. Free, and as fast as the database."""

    def __init__(self, name: str, config: DirectoryConfig, fields: FieldTypes, people: PeopleSearch) -> None:
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
            trusted=True,
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
        by_identity, by_company, by_email = Asked(), Asked(), Asked()
        for index in indexes:
            contact = questions[index].contact
            place = place_of(contact.first_name, contact.last_name, contact.full_name)
            company = company_of(contact) if place else ""
            if company:
                (by_identity if "." in company else by_company).add(company + place, index)
            elif "@" in contact.email and contact.email.isprintable():
                by_email.add(contact.email.strip().lower(), index)
            else:
                outcomes[index] = NOBODY
        known = await self._people.exact(tenant, by_identity, by_company, by_email)
        found = _place_exact(known, questions, outcomes)
        if self._fuzzy_min <= SAME:
            await self._ask_near_domain(tenant, questions, by_identity.without(found), outcomes)
            await self._ask_near_company(tenant, questions, by_company.without(found), outcomes)

    async def _ask_near_domain(
        self, tenant: str, questions: Sequence[Question], missed: Asked, outcomes: list[Outcome]
    ) -> None:
        prefixes, asked = Asked(), dict[int, _Sought]()
        for key, index in zip(missed.texts, missed.indexes, strict=True):
            company, block, name = key.rsplit(SEPARATOR, 2)
            asked[index] = (name, "")
            for each in blocks(name, block):
                prefixes.add(f"{company}{SEPARATOR}{each}{SEPARATOR}", index)
        if asked:
            near = await self._people.near_domain(tenant, prefixes, CANDIDATES_MAX)
            self._place_near(near, asked, questions, outcomes)

    async def _ask_near_company(
        self, tenant: str, questions: Sequence[Question], missed: Asked, outcomes: list[Outcome]
    ) -> None:
        skeletons, blocks_of_skeletons, asked = Asked(), list[str](), dict[int, _Sought]()
        for key, index in zip(missed.texts, missed.indexes, strict=True):
            _, block, name = key.rsplit(SEPARATOR, 2)
            plain = company_plain(questions[index].contact.company_name)
            asked[index] = (name, plain)
            for each in blocks(name, block):
                skeletons.add(company_skeleton(plain), index)
                blocks_of_skeletons.append(each)
        if asked:
            near = await self._people.near_company(tenant, skeletons, blocks_of_skeletons, CANDIDATES_MAX)
            self._place_near(near, asked, questions, outcomes)

    def _place_near(
        self,
        near: Sequence[Near],
        asked: Mapping[int, _Sought],
        questions: Sequence[Question],
        outcomes: list[Outcome],
    ) -> None:
        candidates: dict[int, list[Near]] = {}
        for candidate in near:
            candidates.setdefault(candidate.index, []).append(candidate)
        for index, of_one in candidates.items():
            outcomes[index] = self._nearest(questions[index], asked[index], of_one)

    def _nearest(self, question: Question, sought: _Sought, candidates: list[Near]) -> Outcome:
        name, company = sought
        best, second, near = -1.0, -1.0, candidates[0]
        for candidate in candidates:
            similarity = _similarity(name, company, candidate)
            if similarity > best:
                best, second, near = similarity, best, candidate
            elif similarity > second:
                second = similarity
        if best < self._fuzzy_min:
            return MISS
        if second >= best - EQUALLY_NEAR:
            return AMBIGUOUS
        at = f" at {near.company}" if near.company and near.company != company else ""
        evidence = f"{best:.0f} % like {near.person.name}{at} in the directory"
        return _found(question, near.person, best / 100 * FUZZY_FACTOR, evidence)


def _similarity(name: str, company: str, near: Near) -> float:
    """Of name and company together: only one of them may differ."""
    names = name_similarity(name, near.person.name)
    if not company or company == near.company:
        return names
    return company_similarity(company, near.company) if names == SAME else 0.0


def _place_exact(
    known: Sequence[tuple[int, Known]], questions: Sequence[Question], outcomes: list[Outcome]
) -> set[int]:
    found: set[int] = set()
    for index, person in known:
        if index in found:
            outcomes[index] = AMBIGUOUS
        else:
            found.add(index)
            outcomes[index] = _found(questions[index], person, 1.0, "")
    return found


def _found(question: Question, person: Known, confidence: float, evidence: str) -> Outcome:
    values: dict[str, Value] = {}
    for field in question.fields:
        column = _COLUMN_OF.get(field)
        value = column(person) if column is not None else _further(person, field)
        if value:
            values[field] = Value(value, confidence, "", evidence)
    return Outcome(_FOUND, values) if values else MISS


def _further(person: Known, field: str) -> str | None:
    """A value that has no column of its own."""
    return msgspec.json.decode(person.extra, type=dict[str, str]).get(field) if person.extra is not None else None
