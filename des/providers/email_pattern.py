"""Provider `email_pattern`: proposes an address from how the person's company makes its addresses.

The company's domain is the contact's own, or the one the directory knows the company's name with. The domain's patterns
are those its people in the directory show (`address_patterns`); where fewer than `samples_min` of them have an
address, nothing is proposed. An address that somebody else in the directory has is never proposed: the next sure
enough pattern is, or none. A proposal is a guess, and says so: its confidence is below 1, its evidence the count.
"""

from collections.abc import Sequence
from typing import NamedTuple

from des.clock import Clock
from des.config_providers import EmailPatternConfig
from des.contact import Contact
from des.people import Asked, PeopleSearch
from des.providers.address_patterns import SPELLING_FACTOR, Pattern, render
from des.providers.contract import MISS, Outcome, OutcomeKind, Question, Traits, Value, by_tenant
from des.providers.domain_patterns import CompanyPatterns, DomainPatterns
from des.providers.local_parts import spellings
from des.providers.names import company_of, name_key

FIELD = "professional_email"
PROPOSALS_MAX = 3
"""Patterns tried for one person, when earlier ones make an address that is taken."""

NOBODY = Outcome(OutcomeKind.INVALID_INPUT, reason="NO_NAME_OR_COMPANY: needs both")
NO_SPELLING = Outcome(OutcomeKind.MISS, reason="NO_SPELLING: how the name is written in ASCII cannot be told")
SEVERAL_DOMAINS = Outcome(
    OutcomeKind.MISS, reason="SEVERAL_DOMAINS: the company has more than one; send company_domain"
)
TAKEN = Outcome(OutcomeKind.MISS, reason="TAKEN: somebody else has the address")


class Proposal(NamedTuple):
    """An address that may be the person's."""

    address: str
    confidence: float
    pattern: Pattern


class EmailPatternProvider:
    """A `Provider` of `professional_email` by pattern. Free, and as fast as the database."""

    def __init__(self, name: str, config: EmailPatternConfig, people: PeopleSearch, clock: Clock) -> None:
        """Take its name and settings, the directory (which its owner starts) and the clock."""
        self._people = people
        self._patterns = DomainPatterns(people, clock)
        self._samples_min = config.samples_min
        self._confidence_min = config.confidence_min
        self.traits = Traits(
            name,
            frozenset({FIELD}),
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
        """Propose for at most `batch_max` questions. Raises StoreUnavailable when the database is away."""
        outcomes = [NOBODY] * len(questions)
        for tenant, indexes in by_tenant(questions):
            await self._ask(tenant, questions, indexes, outcomes)
        return outcomes

    async def _ask(
        self, tenant: str, questions: Sequence[Question], indexes: Sequence[int], outcomes: list[Outcome]
    ) -> None:
        """Put the outcomes of a tenant's questions in their places."""
        companies: dict[int, str] = {}
        for index in indexes:
            contact = questions[index].contact
            if FIELD not in questions[index].fields:
                outcomes[index] = MISS
            elif (contact.full_name or contact.first_name or contact.last_name) and (company := company_of(contact)):
                companies[index] = company
        known = await self._patterns.of(tenant, list(companies.values()))
        proposals: dict[int, list[Proposal]] = {}
        for index, asked in companies.items():
            proposed = self._propose(questions[index].contact, known[asked])
            if isinstance(proposed, Outcome):
                outcomes[index] = proposed
            else:
                proposals[index] = proposed
        if proposals:
            await self._choose(tenant, questions, proposals, outcomes)

    def _propose(self, contact: Contact, company: CompanyPatterns) -> list[Proposal] | Outcome:
        patterns = company.patterns
        if not patterns:
            return SEVERAL_DOMAINS if company.domains > 1 else MISS
        if patterns[0].people < self._samples_min or patterns[0].confidence < self._confidence_min:
            return MISS
        region = company.domain.rpartition(".")[2]
        if len(region) > 2:
            region = contact.country.lower()
        names = spellings(contact.first_name, contact.last_name, contact.full_name, region)
        if names is None:
            return NO_SPELLING
        firsts, lasts = names
        factor = 1.0 if len(firsts) == 1 and len(lasts) <= 1 else SPELLING_FACTOR
        proposals = []
        for pattern in patterns[:PROPOSALS_MAX]:
            confidence = pattern.confidence * factor
            local = render(pattern.local, firsts[0], lasts[0] if lasts else "")
            if local and confidence >= self._confidence_min:
                proposals.append(Proposal(f"{local}@{pattern.host}", confidence, pattern))
        return proposals or MISS

    async def _choose(
        self,
        tenant: str,
        questions: Sequence[Question],
        proposals: dict[int, list[Proposal]],
        outcomes: list[Outcome],
    ) -> None:
        """Decide for each person on the first address that nobody else has."""
        addresses, indexes = list[str](), list[int]()
        for index, proposed in proposals.items():
            for proposal in proposed:
                addresses.append(proposal.address)
                indexes.append(index)
        owned: dict[int, list[tuple[str, str]]] = {}
        for index, address, owner in await self._people.owners(tenant, Asked(addresses, indexes)):
            owned.setdefault(index, []).append((address, owner))
        for index, proposed in proposals.items():
            taken = _others(questions[index].contact, owned[index]) if index in owned else frozenset()
            free = next((proposal for proposal in proposed if proposal.address not in taken), None)
            outcomes[index] = TAKEN if free is None else _found(free)


def _others(contact: Contact, owned: list[tuple[str, str]]) -> frozenset[str]:
    """Addresses of these that belong to people of another name."""
    name = name_key(contact.first_name, contact.last_name, contact.full_name)
    return frozenset(address for address, owner in owned if owner != name)


def _found(proposal: Proposal) -> Outcome:
    value = Value(proposal.address, round(proposal.confidence, 3), "", proposal.pattern.evidence)
    return Outcome(OutcomeKind.FOUND, {FIELD: value})
