"""Whatever is among the people of a bulk call, and however its reply is mixed up: each gets their own answer, or none.

Over HTTP to the sandbox. Whoever is poison makes the vendor refuse every request that they are in; it answers its other
requests as it will: in order, in another, with somebody twice, with somebody left out. What everybody is told alone is
the measure. A question that the vendor has answered is never put to it again.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from des.clock import SystemClock
from des.config_providers import ApolloConfig, PdlConfig, ProspeoConfig
from des.contact import Contact
from des.providers.contract import Outcome, OutcomeKind, Provider, Question
from des.providers.dialects.apollo import Apollo
from des.providers.dialects.pdl import Pdl
from des.providers.dialects.prospeo import Prospeo
from des.providers.values import Values
from des.sandbox.faults import Fault, FaultPlan
from des.sandbox.server import Sandbox
from des.testing.sandbox import sandbox_thread
from tests.faults.money_books import keys_of, vendor_key
from tests.faults.money_buyers import people_of

POISON = "Venenum"
FIELD = "professional_email"
PEOPLE = 400
DISORDER = (None, Fault.WRONG_ORDER, Fault.DUPLICATES, Fault.MISSING)


def make(vendor: str, url: str) -> Provider:
    """One that takes ten people in a request, and permits any rate."""
    said = {"kind": vendor, "url": url, "api_key": "k", "rate": (), "batch_max": 10}
    match vendor:
        case "pdl":
            return Pdl(vendor, PdlConfig.model_validate(said), Values(), SystemClock())
        case "apollo":
            return Apollo(vendor, ApolloConfig.model_validate(said), Values(), SystemClock())
        case _:
            return Prospeo(vendor, ProspeoConfig.model_validate(said), Values(), SystemClock())


class Trial:
    """A vendor, people of whom it knows some, and what it says of each alone."""

    def __init__(self, vendor: str, sandbox: Sandbox, people: Sequence[Contact]) -> None:
        self.vendor = vendor
        self.sandbox = sandbox
        self.people = people
        self.alone: Mapping[str, Outcome] = {}

    async def learn(self) -> None:
        """Ask for each alone, nothing wrong."""
        provider = make(self.vendor, self.sandbox.url)
        await provider.start()
        try:
            said = [(await provider.ask([question(one)]))[0] for one in self.people]
        finally:
            await provider.stop()
        self.alone = {vendor_key(one): outcome for one, outcome in zip(self.people, said, strict=True)}

    async def ask(self, load: Sequence[Contact], plan: FaultPlan) -> Sequence[Outcome]:
        """Ask for all of them in one call."""
        self.sandbox.desk.plan(plan)
        self.sandbox.desk.books[self.vendor].clear()
        provider = make(self.vendor, self.sandbox.url)
        await provider.start()
        try:
            return await provider.ask([question(one) for one in load])
        finally:
            await provider.stop()
            self.sandbox.desk.plan(FaultPlan())


def question(contact: Contact) -> Question:
    """Ask for the address."""
    return Question("default", contact, (FIELD,))


@contextmanager
def trial_of(vendor: str) -> Iterator[Trial]:
    with sandbox_thread(PEOPLE) as thread:
        contacts = people_of(PEOPLE)
        keys = keys_of(contacts)
        distinct = {vendor_key(one): one for one in contacts if vendor_key(one) in keys}
        trial = Trial(vendor, thread.sandbox, list(distinct.values())[:30])
        asyncio.run(trial.learn())
        yield trial


@pytest.mark.parametrize("vendor", ["pdl", "apollo", "prospeo"])
def test_everybody_gets_their_own_answer_or_none(vendor: str) -> None:
    with trial_of(vendor) as trial:
        assert {one.kind for one in trial.alone.values()} >= {OutcomeKind.FOUND, OutcomeKind.MISS}

        @settings(max_examples=40, deadline=None)
        @given(
            places=st.lists(st.integers(0, len(trial.people) - 1), min_size=1, max_size=10, unique=True),
            poisoned=st.sets(st.integers(0, 9), max_size=3),
            disorder=st.sampled_from(DISORDER),
            rate=st.sampled_from((0.3, 1.0)),
            seed=st.integers(0, 1_000),
        )
        def holds(places: Sequence[int], poisoned: set[int], disorder: Fault | None, rate: float, seed: int) -> None:
            people = [trial.people[place] for place in places]
            load = [spoilt(one) if at in poisoned else one for at, one in enumerate(people)]
            rates = {disorder: rate} if disorder else {}
            plan = FaultPlan(seed=seed, rates=rates, poison=frozenset({POISON}))
            outcomes = asyncio.run(trial.ask(load, plan))
            check(trial, load, outcomes, disorderly=disorder is not None)

        holds()


def spoilt(contact: Contact) -> Contact:
    """Make a contact that the vendor refuses together with whoever is in the same request."""
    return Contact(first_name=contact.first_name, last_name=POISON, company_domain=contact.company_domain)


def check(trial: Trial, load: Sequence[Contact], outcomes: Sequence[Outcome], *, disorderly: bool) -> None:
    """The poison is invalid and nobody else; the others are told what they are told alone, or nothing; once."""
    assert len(outcomes) == len(load)
    for contact, outcome in zip(load, outcomes, strict=True):
        if contact.last_name == POISON:
            assert outcome.kind is OutcomeKind.INVALID_INPUT
            assert outcome.reason
            continue
        alone = trial.alone[vendor_key(contact)]
        if outcome.kind is OutcomeKind.UNKNOWN:
            assert disorderly
        else:
            assert (outcome.kind, outcome.values) == (alone.kind, alone.values)
    bills = trial.sandbox.desk.books[trial.vendor].people
    assert {bill.calls for bill in bills.values()} <= {1}
    assert len(bills) == sum(contact.last_name != POISON for contact in load)
